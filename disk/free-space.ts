/** Room on a disk, asked before something is written. */
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { CourierError } from '../errors/index.ts';
import { fileFailure } from './errors.ts';

/** Bytes that this user may still write on the file system of `dir`, which need not exist yet. */
export async function freeSpace(dir: string): Promise<number> {
  const path = resolve(dir);
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && parent !== path) return freeSpace(parent);
    throw fileFailure(error, path);
  }
}

/** Kept free for everybody else on that disk: databases, logs, the system itself. */
export const RESERVE_BYTES = 32 * 1024 * 1024;

/** @throws NDI_E_DISK_FULL, with the numbers, when `bytes` and the reserve do not fit into `dir` */
export async function ensureSpace(dir: string, bytes: number): Promise<void> {
  const free = await freeSpace(dir);
  if (free < bytes + RESERVE_BYTES) throw notEnoughSpace(dir, free, bytes);
}

/** Names all three numbers: 77.3 MB free and 71.7 MB needed would not explain a refusal. */
export function notEnoughSpace(dir: string, free: number, bytes: number): CourierError {
  return new CourierError('NDI_E_DISK_FULL', {
    detail:
      `${dir} has ${megabytes(free)} free; ${megabytes(bytes)} are needed, ` +
      `and ${megabytes(RESERVE_BYTES)} more must stay free for other programs.`,
    room: { path: dir, freeBytes: bytes + RESERVE_BYTES },
  });
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
