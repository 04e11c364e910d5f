/** Files with secrets: only for their owner, replaced as a whole or not at all. */
import { readFileSync, statSync } from 'node:fs';
import { writeAtomically } from '../../disk/write.ts';
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
 * Refuses a file that anybody but its owner may read. Windows has no such bits; its profile folder is
 * private.
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

/**
 * Replaces the file as a whole, for its owner only, in a folder for its owner only. @throws NDI_E_DISK_FULL,
 * NDI_E_READ_ONLY
 */
export const writePrivately = (path: string, text: string): void =>
  writeAtomically(path, text, { mode: 0o600, folderMode: 0o700 });
