/**
 * Small files into their places: written, forced to disk, renamed, and their folder forced to disk. Files
 * that wait are sent to a helper thread as one batch: from the main thread each of the five calls would go
 * through Node's thread pool, which takes longer than the call.
 */
import { fileFailure } from '../disk/errors.ts';
import { asError, type FileToPlace, type PlaceReply, type ThreadFailure } from './threads/messages.ts';
import { leastBusyThread } from './threads/pool.ts';

/** Others wait while a batch is written, and a crash costs as much. */
const MAX_FILES_PER_BATCH = 64;
/** One batch is written while the next one gathers. */
const MAX_BATCHES_IN_FLIGHT = 2;

interface WaitingFile {
  readonly file: FileToPlace;
  settle(failure: ThreadFailure | null): void;
}

const waiting: WaitingFile[] = [];
let batchesInFlight = 0;

/**
 * Resolves when the file is under its name, whole, and on disk if asked to; until then `partial` may hold a
 * part of it. Its `bytes` belong to the thread from here on.
 * @throws NDI_E_DISK_FULL, NDI_E_READ_ONLY, NDI_E_DISK_IO, NDI_E_FILE_MISSING (there is no such folder)
 */
export function placeFile(
  file: FileToPlace & { readonly bytes: { readonly buffer: ArrayBuffer } },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (failure: ThreadFailure | null): void => {
      if (failure === null) resolve();
      else reject(fileFailure(asError(failure), file.target));
    };
    waiting.push({ file, settle });
    // Files that come in this turn of the event loop go into the same batch.
    setImmediate(sendBatch);
  });
}

function sendBatch(): void {
  if (waiting.length === 0 || batchesInFlight >= MAX_BATCHES_IN_FLIGHT) return;
  const batch = waiting.splice(0, MAX_FILES_PER_BATCH);
  batchesInFlight += 1;
  const job = leastBusyThread().begin<PlaceReply>((reply) => {
    batchesInFlight -= 1;
    for (const [n, { settle }] of batch.entries()) {
      settle('failure' in reply ? reply.failure : (reply.placed[n] ?? null));
    }
    sendBatch();
  });
  job.send(
    { order: 'place', files: batch.map(({ file }) => file) },
    batch.map(({ file }) => file.bytes.buffer as ArrayBuffer),
  );
}
