/**
 * Forcing to disk what was written. The bytes of a file are safe once the file is flushed, its name once its
 * folder is. Names that end in `Sync` block the thread, as Node's do.
 */
import { execFile } from 'node:child_process';
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { fileFailure } from './errors.ts';

/** Windows flushes a file only through a descriptor that may write; elsewhere a file may be read-only. */
const FILE_FLAGS = process.platform === 'win32' ? 'r+' : 'r';

/** Windows cannot open a folder, and needs no flush of it: NTFS keeps a journal of names. */
const hasFolderFlush = process.platform !== 'win32';

export const fsyncFile = (path: string): Promise<void> => flush(path, FILE_FLAGS);

export const fsyncFileSync = (path: string): void => flushSync(path, FILE_FLAGS);

export async function fsyncDirectory(path: string): Promise<void> {
  if (hasFolderFlush) await flush(path, 'r');
}

export function fsyncDirectorySync(path: string): void {
  if (hasFolderFlush) flushSync(path, 'r');
}

async function flush(path: string, flags: string): Promise<void> {
  const file = await open(path, flags);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function flushSync(path: string, flags: string): void {
  const fd = openSync(path, flags);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Forces everything unwritten on the file system of `dir` to disk: one call for tens of thousands of files,
 * each of which would take as long by itself as it took to fetch. Where the system has no such call, flushes
 * `files` one by one.
 * @throws NDI_E_DISK_FULL, NDI_E_DISK_IO and what else a disk says late; the signal's reason when aborted
 */
export async function fsyncFileSystem(
  dir: string,
  files: () => Iterable<string>,
  signal?: AbortSignal,
): Promise<void> {
  if (process.platform === 'linux' && (await callSyncfs(dir, signal))) return;
  for (const path of files()) {
    signal?.throwIfAborted();
    try {
      await fsyncFile(path);
    } catch (error) {
      throw fileFailure(error, path);
    }
  }
}

/** `sync -f` is syncfs(2). False where there is no such program, or one that does not know `-f`. */
function callSyncfs(dir: string, signal: AbortSignal | undefined): Promise<boolean> {
  return new Promise((resolve, reject) => {
    execFile('sync', ['-f', dir], { signal }, (error) => {
      if (signal?.aborted) reject(signal.reason);
      else resolve(error === null);
    });
  });
}
