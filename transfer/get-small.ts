/**
 * A small object: its bytes gather in memory, are verified there, and go to the disk in one piece, together
 * with those of others. No journal: with tens of thousands of such files, what is done for each of them is
 * what the download takes.
 */
import { verifyDigests } from './etag.ts';
import type { RangeAnswer } from './get-range.ts';
import { memorySink } from './get-receive.ts';
import { type FetchContext, fetchSpan, type RemoteObject } from './get-span.ts';
import { hashBytes, INLINE_HASH_BYTES } from './hash.ts';
import { placeFile } from './place.ts';
import type { GetOptions, GetResult } from './types.ts';

/** Hashed in this thread, and cheap to ask for again after a crash. */
export const SMALL_BYTES = INLINE_HASH_BYTES;

export interface SmallJob extends FetchContext {
  readonly target: string;
  readonly partial: string;
  readonly options: GetOptions;
}

/**
 * Promises what `getToFile` promises. `first` has begun to bring the object.
 * @throws as `getToFile`
 */
export async function smallIntoPlace(
  job: SmallJob,
  seen: RemoteObject,
  first: RangeAnswer,
): Promise<GetResult> {
  const { options, target, partial } = job;
  const { sizeBytes } = seen;
  // Memory of its own: it is handed over to the thread that writes it.
  const bytes = Buffer.allocUnsafeSlow(sizeBytes);
  const tag = (await fetchSpan(job, seen, memorySink(bytes), { start: 0, end: sizeBytes }, first)) ?? first;
  const digests = hashBytes(bytes, options.hash ?? 'md5');
  verifyDigests(target, digests, [tag.md5Hex, options.expectedMd5Hex]);
  await placeFile({ bytes, partial, target, force: sizeBytes > (options.unforcedBytes ?? -1) });
  return { sizeBytes, ...digests, etag: tag.etag, resumedBytes: 0 };
}
