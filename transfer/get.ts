/**
 * Fetching an object from a presigned URL into a file.
 *
 *   <target>.<tag>.partial   the bytes so far; `tag` stands for ETag and size
 *   the caller's journal     which parts of it are safely on disk, across crashes
 *   <target>                 appears by rename, whole and verified, or not at all
 *
 * The first request asks for the first stretch and learns size and ETag from the answer (HEAD is refused on a
 * URL signed for GET, and a probe would be a round trip more). A small object is done with it; a large one
 * goes on in several ranges at once. Two tries that overlap, because one was given up but still runs, write
 * the same bytes to the same places.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileFailure } from '../disk/errors.ts';
import { ensureSpace } from '../disk/free-space.ts';
import { fsyncDirectory } from '../disk/fsync.ts';
import { CourierError } from '../errors/index.ts';
import { damaged, type ObjectTag, verifyDigests } from './etag.ts';
import { getRange, type RangeAnswer } from './get-range.ts';
import { fileSink } from './get-receive.ts';
import { SMALL_BYTES, smallIntoPlace } from './get-small.ts';
import { askTag, type FetchContext, fetchSpan, ObjectReplaced, type RemoteObject } from './get-span.ts';
import { type Follower, followFile, hashFile } from './hash.ts';
import { createParts, type Parts } from './parts.ts';
import { createTries, createUrls, type UrlSource } from './tries.ts';
import type { GetOptions, GetResult } from './types.ts';

export type { UrlSource } from './tries.ts';

const MiB = 1024 * 1024;

/** Every default filled in. */
interface Job extends FetchContext {
  readonly target: string;
  readonly options: GetOptions;
  readonly ranges: number;
  readonly rangeThresholdBytes: number;
  readonly partSizeBytes: number;
}
/** An object that changes under every try. */
const MAX_RESTARTS = 3;

/**
 * When it resolves, `target` holds the whole object and is on disk. Its length is what the server said, and
 * its MD5 is the ETag where that is one. Bytes that arrived before an error are kept for the next attempt
 * with the same journal.
 * @throws as `exchange`; NDI_E_INTEGRITY (the bytes are thrown away), NDI_E_FILE_CHANGED (the object changes
 * all the
 *   time), NDI_E_DISK_FULL, NDI_E_READ_ONLY
 */
export async function getToFile(
  source: UrlSource,
  target: string,
  options: GetOptions = {},
): Promise<GetResult> {
  const job: Job = {
    urls: createUrls(source),
    target,
    options,
    ranges: Math.max(1, options.ranges ?? 4),
    rangeThresholdBytes: options.rangeThresholdBytes ?? 64 * MiB,
    partSizeBytes: options.partSizeBytes ?? 16 * MiB,
    retryDelayMs: options.retryDelayMs ?? 200,
  };
  for (let restarts = 0; restarts < MAX_RESTARTS; restarts += 1) {
    try {
      return (await resume(job)) ?? (await start(job));
    } catch (error) {
      if (!(error instanceof ObjectReplaced)) throw fileFailure(error, target);
      options.journal?.clear();
    }
  }
  throw new CourierError('NDI_E_FILE_CHANGED', { detail: `${target} changes on the server.` });
}

/** Goes on with what an earlier try left; undefined when there is nothing to go on with. */
async function resume(job: Job): Promise<GetResult | undefined> {
  const left = job.options.journal?.load();
  if (left === undefined || left.done.length === 0) return undefined;
  if ((await statOf(partialPath(job.target, left)))?.size !== left.sizeBytes) return undefined;
  const seen: RemoteObject = { sizeBytes: left.sizeBytes, etag: left.etag, md5Hex: undefined };
  return await intoPartial(job, seen, left.partSizeBytes, left.done, undefined);
}

async function start(job: Job): Promise<GetResult> {
  const { options, target } = job;
  const answer = await firstAnswer(job);
  try {
    const seen: RemoteObject = { sizeBytes: answer.totalBytes, etag: answer.etag, md5Hex: answer.md5Hex };
    const { expectedSizeBytes } = options;
    if (expectedSizeBytes !== undefined && expectedSizeBytes !== seen.sizeBytes) {
      throw damaged(target, `The server has ${seen.sizeBytes} bytes, ${expectedSizeBytes} were expected`);
    }
    if (seen.sizeBytes <= SMALL_BYTES) {
      return await smallIntoPlace({ ...job, partial: partialPath(target, seen) }, seen, answer);
    }
    const there = await alreadyThere(job, seen);
    if (there !== undefined) return there;
    await ensureSpace(dirname(target), seen.sizeBytes);
    const partSizeBytes = job.partSizeBytes;
    if (seen.sizeBytes > partSizeBytes) {
      options.journal?.begin({ sizeBytes: seen.sizeBytes, etag: seen.etag, partSizeBytes });
    }
    return await intoPartial(job, seen, partSizeBytes, [], answer);
  } finally {
    answer.close();
  }
}

async function firstAnswer(job: Job): Promise<RangeAnswer> {
  const tries = createTries(job.urls, job.retryDelayMs, job.options.signal);
  for (;;) {
    const url = await job.urls.get();
    try {
      const answer = await getRange(url, { start: 0, end: job.rangeThresholdBytes }, job.options);
      if (answer === 'replaced') throw new ObjectReplaced();
      return answer;
    } catch (error) {
      await tries.again(error, url);
    }
  }
}

/**
 * After a crash between rename and report the file is there. It is believed when its MD5 proves it, else
 * fetched again.
 */
async function alreadyThere(job: Job, seen: RemoteObject): Promise<GetResult | undefined> {
  const md5Hex = seen.md5Hex ?? job.options.expectedMd5Hex?.toLowerCase();
  if (md5Hex === undefined || (await statOf(job.target))?.size !== seen.sizeBytes) return undefined;
  const found = await hashFile(job.target, 'both', job.options.signal);
  if (found.md5Hex !== md5Hex) return undefined;
  job.options.journal?.clear();
  return { ...found, etag: seen.etag, resumedBytes: seen.sizeBytes };
}

/** Opens the partial file, fetches what is missing, verifies, puts the file in its place. */
async function intoPartial(
  job: Job,
  seen: RemoteObject,
  partSizeBytes: number,
  done: readonly number[],
  first: RangeAnswer | undefined,
): Promise<GetResult> {
  const { options, target } = job;
  const { sizeBytes } = seen;
  const partial = partialPath(target, seen);
  // Neither truncated nor made anew when it exists: another try for the same object may be writing it.
  const file = await open(partial, constants.O_RDWR | constants.O_CREAT, 0o644);
  const follower = followFile(file.fd, options.hash ?? 'md5', partial);
  try {
    await file.truncate(sizeBytes);
    const parts = createParts(
      { sizeBytes, partSizeBytes, done },
      file,
      sizeBytes > partSizeBytes ? options.journal : undefined,
    );
    follower.advance(parts.frontier());
    const tag = await fetchAll(job, { file, follower, parts, seen }, first);
    const digests = await follower.finish(sizeBytes);
    verifyDigests(job.target, digests, [tag.md5Hex, options.expectedMd5Hex]);
    await file.sync();
    await putInPlace(file, partial, target);
    options.journal?.clear();
    return { sizeBytes, ...digests, etag: tag.etag, resumedBytes: parts.resumedBytes };
  } catch (error) {
    if (error instanceof ObjectReplaced || (error as CourierError)?.code === 'NDI_E_INTEGRITY') {
      await unlink(partial).catch(() => {});
      options.journal?.clear();
    }
    throw error;
  } finally {
    await follower.abandon();
    await file.close();
  }
}

/** A try that overlapped may have been first; then the same bytes are in place already. */
async function putInPlace(file: FileHandle, partial: string, target: string): Promise<void> {
  const mine = await file.stat();
  const isMine = async (path: string): Promise<boolean> => {
    const found = await statOf(path);
    return found?.ino === mine.ino && found.dev === mine.dev;
  };
  if (await isMine(partial)) {
    try {
      await rename(partial, target);
      return await fsyncDirectory(dirname(target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  if (!(await isMine(target))) throw damaged(target, 'Another program took its partial file away');
}

const statOf = (path: string) => stat(path).catch(() => undefined);

function partialPath(
  target: string,
  object: { readonly etag: string | undefined; readonly sizeBytes: number },
): string {
  const identity = JSON.stringify([object.etag ?? null, object.sizeBytes]);
  return `${target}.${createHash('sha256').update(identity).digest('hex').slice(0, 8)}.partial`;
}

interface PartialFile {
  readonly file: FileHandle;
  readonly follower: Follower;
  readonly parts: Parts;
  readonly seen: RemoteObject;
}

/**
 * Fetches every part that is missing, several stretches at once. Returns what the server called the object.
 */
async function fetchAll(job: Job, fetching: PartialFile, first: RangeAnswer | undefined): Promise<ObjectTag> {
  const { parts, seen } = fetching;
  const sink = fileSink(fetching);
  const large = parts.sizeBytes >= job.rangeThresholdBytes && first?.ranged !== false;
  const lines = large ? job.ranges : 1;
  const stop = new AbortController();
  const { signal } = job.options;
  const abort = (): void => stop.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  stop.signal.addEventListener('abort', () => first?.close(), { once: true });
  const mine: Job = { ...job, options: { ...job.options, signal: stop.signal } };
  let tag: ObjectTag | undefined = first;
  let failure: { readonly error: unknown } | undefined;

  const line = async (answer: RangeAnswer | undefined): Promise<void> => {
    let span = answer === undefined ? undefined : parts.take(answer.lengthBytes);
    let held = answer;
    for (span ??= parts.take(job.rangeThresholdBytes); span !== undefined; ) {
      tag = (await fetchSpan(mine, seen, sink, span, held)) ?? tag;
      held = undefined;
      // Not to run ahead of the disk: what is not noted is lost in a crash.
      await parts.settled(lines);
      span = parts.take(job.rangeThresholdBytes);
    }
  };
  const guarded = async (answer?: RangeAnswer): Promise<void> => {
    try {
      await line(answer);
    } catch (error) {
      failure ??= { error };
      stop.abort(error);
    }
  };
  try {
    await Promise.all([guarded(first), ...Array.from({ length: lines - 1 }, () => guarded())]);
  } finally {
    signal?.removeEventListener('abort', abort);
    // After a failure, too: what has arrived is noted for the next try.
    await parts.settled(0);
  }
  signal?.throwIfAborted();
  if (failure !== undefined) throw failure.error;
  return tag ?? (await askTag(mine, seen));
}
