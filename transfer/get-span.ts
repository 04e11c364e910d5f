/** One object of a download, and the fetching of one stretch of it over as many answers as that takes. */
import { CourierError } from '../errors/index.ts';
import type { ObjectTag } from './etag.ts';
import { getRange, type RangeAnswer } from './get-range.ts';
import { receive, type Sink } from './get-receive.ts';
import type { Span } from './parts.ts';
import { createTries, type Urls } from './tries.ts';
import type { TransferOptions } from './types.ts';

/** The parameters of every request of a download. */
export interface FetchContext {
  readonly urls: Urls;
  readonly options: TransferOptions;
  readonly retryDelayMs: number;
}

/** The object as the server described it. */
export interface RemoteObject extends ObjectTag {
  readonly sizeBytes: number;
}

/**
 * Another object has taken the place of the one that was seen. Thrown through the lanes of a download, which
 * then starts again.
 */
export class ObjectReplaced extends Error {}

/** Everything was on disk: nothing told yet whether the object is still the same, and what its MD5 is. */
export async function askTag(job: FetchContext, seen: RemoteObject): Promise<ObjectTag> {
  const tries = createTries(job.urls, job.retryDelayMs, job.options.signal);
  for (;;) {
    const url = await job.urls.get();
    try {
      const answer = await getRange(url, { start: 0, end: 1, ifMatch: seen.etag }, job.options);
      if (answer === 'replaced') throw new ObjectReplaced();
      answer.close();
      if (answer.totalBytes !== seen.sizeBytes || answer.etag !== seen.etag) throw new ObjectReplaced();
      return answer;
    } catch (error) {
      await tries.again(error, url);
    }
  }
}

/**
 * Fetches one stretch, taking it up again where the connection broke. `held` is an answer that has begun to
 * bring it.
 */
export async function fetchSpan(
  job: FetchContext,
  seen: RemoteObject,
  sink: Sink,
  span: Span,
  held: RangeAnswer | undefined,
): Promise<ObjectTag | undefined> {
  const tries = createTries(job.urls, job.retryDelayMs, job.options.signal);
  let tag: ObjectTag | undefined;
  let at = span.start;
  while (at < span.end) {
    const url = await job.urls.get();
    try {
      const asked = { start: at, end: span.end, ifMatch: seen.etag };
      const answer = held ?? (await getRange(url, asked, job.options));
      held = undefined;
      if (answer === 'replaced') throw new ObjectReplaced();
      try {
        if (answer.totalBytes !== seen.sizeBytes || answer.etag !== seen.etag) throw new ObjectReplaced();
        tag = answer;
        const promisedEnd = Math.min(span.end, answer.start + answer.lengthBytes);
        await receive(answer, { start: at, end: promisedEnd }, sink, (end) => {
          at = end;
          tries.progressed();
        });
        if (at < promisedEnd) throw new CourierError('NDI_E_NETWORK', { detail: 'The body ended early.' });
      } finally {
        answer.close();
      }
    } catch (error) {
      await tries.again(error, url);
    }
  }
  return tag;
}
