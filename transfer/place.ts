/**
 * Small files into their places: written, forced to disk, renamed, and their folder forced to disk. All that are waiting go together, in a
 * side thread: from the main thread each of the five calls would be a trip through the thread pool, which takes longer than the call.
 */
import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { fileFailure } from './failures.ts';
import type { FileToPlace, PlaceReply } from './place-worker.ts';
import { asError, leastBusyThread, type SideFailure } from './side-threads.ts';

/** What one trip takes at most: others wait meanwhile, and a crash costs as much. */
const FILES_PER_TRIP = 64;
/** So that one trip writes while the next gathers. */
const TRIPS_AT_ONCE = 2;

interface Waiting {
  readonly file: FileToPlace;
  settle(failure: SideFailure | null): void;
}

const waiting: Waiting[] = [];
let trips = 0;

/**
 * Resolves when the file is whole under its name, and on disk if asked to. Until then `partial` may hold a part of it.
 * Its `bytes` belong to the thread from here on.
 * @throws NDI_E_DISK_FULL, NDI_E_READ_ONLY, NDI_E_FILE_MISSING (there is no such folder)
 */
export function placeFile(
  file: FileToPlace & { readonly bytes: { readonly buffer: ArrayBuffer } },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (failure: SideFailure | null): void => {
      if (failure === null) resolve();
      else reject(fileFailure(asError(failure), file.target));
    };
    waiting.push({ file, settle });
    // Those that come in this turn of the loop travel with it.
    setImmediate(depart);
  });
}

function depart(): void {
  if (waiting.length === 0 || trips >= TRIPS_AT_ONCE) return;
  const aboard = waiting.splice(0, FILES_PER_TRIP);
  trips += 1;
  const trip = leastBusyThread().begin<PlaceReply>((reply) => {
    trips -= 1;
    for (const [n, { settle }] of aboard.entries()) {
      settle('failure' in reply ? reply.failure : (reply.placed[n] ?? null));
    }
    depart();
  });
  trip.send(
    { order: 'place', files: aboard.map(({ file }) => file) },
    aboard.map(({ file }) => file.bytes.buffer as ArrayBuffer),
  );
}

/** A name is on disk when its folder is. Windows cannot open a folder, and does not need it. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform !== 'win32') await syncPath(path, 'r');
}

async function syncPath(path: string, flags: string): Promise<void> {
  const file = await open(path, flags);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Forces all that was written below `dir` to disk, and with it whatever else is unwritten on that file system: one call for tens of
 * thousands of files, each of which would take as long by itself as it took to fetch. Where the system has no such call, `files` are
 * forced one by one.
 * @throws NDI_E_DISK_FULL, and what else a disk says late
 */
export async function forceToDisk(
  dir: string,
  files: () => Iterable<string>,
  signal?: AbortSignal,
): Promise<void> {
  if (process.platform === 'linux' && (await syncFileSystem(dir, signal))) return;
  for (const path of files()) {
    signal?.throwIfAborted();
    try {
      await syncPath(path, 'r+');
    } catch (error) {
      throw fileFailure(error, path);
    }
  }
}

/** `sync -f` is syncfs(2). False where there is no such program, or one that does not know `-f`. */
function syncFileSystem(dir: string, signal: AbortSignal | undefined): Promise<boolean> {
  return new Promise((resolve, reject) => {
    execFile('sync', ['-f', dir], { signal }, (error) => {
      if (signal?.aborted) reject(signal.reason);
      else resolve(error === null);
    });
  });
}
