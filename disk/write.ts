/** Small files of our own, replaced as a whole. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeFailure } from './errors.ts';
import { fsyncDirectorySync } from './fsync.ts';

export interface WriteOptions {
  /** Permissions of the file. Default 0o644, less the umask. */
  readonly mode?: number;
  /** Makes the folder, with these permissions, when it is not there. Default: it must be there. */
  readonly folderMode?: number;
}

/**
 * A name beside `path` that no other writer takes. Text after the name of the file, so that patterns by
 * extension do not find it.
 */
const asideOf = (path: string): string => `${path}.${randomBytes(6).toString('hex')}.partial`;

/**
 * Writes the file aside, forces it to disk and gives it its name: a reader, also after a crash or a power
 * cut, sees the old content or the new one, never a part. `content` may come in pieces, which are never held
 * together. Blocks the thread. Called twice, the last one wins.
 * @throws NDI_E_DISK_FULL, NDI_E_READ_ONLY, NDI_E_DISK_IO; what `content` throws. The old file is then
 * untouched, unless the flush of its folder alone has failed.
 */
export function writeAtomically(
  path: string,
  content: string | Iterable<string>,
  options: WriteOptions = {},
): void {
  const folder = dirname(path);
  try {
    if (options.folderMode !== undefined) mkdirSync(folder, { recursive: true, mode: options.folderMode });
    const aside = asideOf(path);
    const fd = openSync(aside, 'wx', options.mode ?? 0o644);
    try {
      try {
        // `writeFileSync` writes all or throws; `writeSync` may write less on a disk that is nearly full.
        for (const piece of typeof content === 'string' ? [content] : content) writeFileSync(fd, piece);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(aside, path);
    } catch (error) {
      rmSync(aside, { force: true });
      throw error;
    }
    fsyncDirectorySync(folder);
  } catch (error) {
    throw writeFailure(error, path);
  }
}
