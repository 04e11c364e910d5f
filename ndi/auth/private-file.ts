/** Files with secrets: only for their owner, replaced as a whole or not at all. */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { CourierError } from '../../errors/index.ts';

/**
 * The text of a file, `undefined` when there is none.
 * @throws NDI_E_SETTING when it cannot be read
 */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new CourierError('NDI_E_SETTING', { detail: `${path} could not be read (${code}).` });
  }
}

/**
 * Refuses a file that anybody but its owner may read. Windows has no such bits; its profile folder is private.
 * @throws NDI_E_SECRETS_EXPOSED
 */
export function refuseIfExposed(path: string): void {
  if (process.platform === 'win32') return;
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat !== undefined && (stat.mode & 0o077) !== 0)
    throw new CourierError('NDI_E_SECRETS_EXPOSED', {
      detail: `${path} has mode ${(stat.mode & 0o777).toString(8).padStart(3, '0')}.`,
    });
}

/** Writes aside with mode 0600, flushes, renames: a reader sees the old text or the new one, never a part. */
export function writePrivately(path: string, text: string): void {
  const aside = `${path}.${randomUUID()}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = openSync(aside, 'wx', 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    throw new CourierError(code === 'ENOSPC' ? 'NDI_E_DISK_FULL' : 'NDI_E_READ_ONLY', {
      detail: `${path} could not be written (${code}).`,
    });
  }
}
