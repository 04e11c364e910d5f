/** Files as they are found on this disk when they are sent. */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { CourierError, type ErrorCode, isCourierError } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { notAFile, readFailure } from '../../transfer/failures.ts';
import { failItem } from '../shared/units.ts';
import type { Sending } from './sending.ts';

/** Errors of one file: it cannot be read, is another one now, or is refused. Everything else concerns the dataset or the login. */
const ABOUT_FILE: ReadonlySet<ErrorCode> = new Set([
  'NDI_E_BAD_ID',
  'NDI_E_BAD_REQUEST',
  'NDI_E_FILE_CHANGED',
  'NDI_E_FILE_MISSING',
  'NDI_E_FILE_TOO_LARGE',
  'NDI_E_FILE_UNREADABLE',
  'NDI_E_REQUEST_TOO_LARGE',
]);

/** Does `work`; an error of this one file becomes a problem, everything else is thrown. */
export async function unlessAboutFile(
  scope: Sending,
  item: Pick<PlanItem, 'kind' | 'id'>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isCourierError(error) || !ABOUT_FILE.has(error.code)) throw error;
    failItem(scope, item, error);
  }
}

export interface SourceFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly inode: string;
}

/** @throws NDI_E_FILE_MISSING, NDI_E_FILE_UNREADABLE, NDI_E_FILE_CHANGED when it has another size than was planned */
export async function sourceFile(item: Pick<PlanItem, 'path' | 'sizeBytes'>): Promise<SourceFile> {
  const path = item.path ?? '';
  const found: Stats = await stat(path).catch((error: unknown) => {
    throw readFailure(error, path);
  });
  if (!found.isFile()) throw notAFile(path);
  if (found.size !== item.sizeBytes) {
    throw new CourierError('NDI_E_FILE_CHANGED', {
      detail: `${path} had ${item.sizeBytes} bytes when the run looked, and has ${found.size} now.`,
    });
  }
  return { path, sizeBytes: found.size, mtimeMs: found.mtimeMs, inode: String(found.ino) };
}

/** Whether the file is still the one that was read: nobody wrote it and nobody put another one in its place. */
export async function isSameFile(
  item: Pick<PlanItem, 'path' | 'sizeBytes'>,
  before: SourceFile,
): Promise<boolean> {
  const now = await sourceFile(item);
  return now.mtimeMs === before.mtimeMs && now.inode === before.inode;
}
