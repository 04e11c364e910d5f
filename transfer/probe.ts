/** Looking before leaping: is there room on the disk. */
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { CourierError } from '../errors/index.ts';
import { fileFailure } from './failures.ts';

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
const RESERVE_BYTES = 32 * 1024 * 1024;

/** @throws NDI_E_DISK_FULL, with the numbers, when `bytes` do not fit into `dir` */
export async function ensureSpace(dir: string, bytes: number): Promise<void> {
  const free = await freeSpace(dir);
  if (free >= bytes + RESERVE_BYTES) return;
  throw new CourierError('NDI_E_DISK_FULL', {
    detail: `${dir} has ${megabytes(free)} free and ${megabytes(bytes)} are needed.`,
  });
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
