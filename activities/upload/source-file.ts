/** Files as they are found on this disk when they are sent. */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { ensureRegular } from '../../disk/source.ts';
import { CourierError } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { readFailure } from '../../transfer/failures.ts';

export interface SourceFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly inode: string;
}

/**
 * @throws NDI_E_FILE_MISSING, NDI_E_FILE_UNREADABLE, NDI_E_FILE_CHANGED when it has another size than was
 * planned
 */
export async function sourceFile(item: Pick<PlanItem, 'path' | 'sizeBytes'>): Promise<SourceFile> {
  const path = item.path ?? '';
  const found: Stats = await stat(path).catch((error: unknown) => {
    throw readFailure(error, path);
  });
  ensureRegular(path, found);
  if (found.size !== item.sizeBytes) {
    throw new CourierError('NDI_E_FILE_CHANGED', {
      detail: `${path} had ${item.sizeBytes} bytes when the run looked, and has ${found.size} now.`,
    });
  }
  return { path, sizeBytes: found.size, mtimeMs: found.mtimeMs, inode: String(found.ino) };
}

/**
 * Whether the file is still the one that was read: nobody wrote it and nobody put another one in its place.
 */
export async function isSameFile(
  item: Pick<PlanItem, 'path' | 'sizeBytes'>,
  before: SourceFile,
): Promise<boolean> {
  const now = await sourceFile(item);
  return now.mtimeMs === before.mtimeMs && now.inode === before.inode;
}
