/** One GET of a range: asks, and says what came back in terms of the object. */
import { CourierError } from '../errors/index.ts';
import { type ObjectTag, objectTag } from './etag.ts';
import { type Answer, exchange } from './exchange.ts';
import { type Headers, hostOf } from './failures.ts';
import type { TransferOptions } from './types.ts';

export interface RangeRequest {
  readonly start: number;
  /** Exclusive; the server cuts it at the end of the object. */
  readonly end: number;
  /** Only if the object still has this ETag. */
  readonly ifMatch?: string | undefined;
}

/** `body` begins at `start` and holds `lengthBytes` bytes, or fewer when the connection breaks. */
export interface RangeAnswer extends ObjectTag, Pick<Answer, 'body' | 'close'> {
  readonly start: number;
  readonly lengthBytes: number;
  /** Size of the whole object. */
  readonly totalBytes: number;
  /** False when the server sent the whole object where a range was asked for. */
  readonly ranged: boolean;
}

/** `replaced`: the object is not the one that was asked for; it is shorter or has another ETag. */
export async function getRange(
  url: string,
  asked: RangeRequest,
  options: TransferOptions,
): Promise<RangeAnswer | 'replaced'> {
  const headers: Record<string, string> = { range: `bytes=${asked.start}-${asked.end - 1}` };
  if (asked.ifMatch !== undefined) headers['if-match'] = `"${asked.ifMatch}"`;
  const answer = await exchange({ method: 'GET', url, headers }, options, isAboutRanges);
  try {
    const extent = extentOf(answer.status, answer.headers, asked, hostOf(url));
    if (extent !== 'replaced') {
      const { body, close } = answer;
      return {
        ...extent,
        ...objectTag(answer.headers),
        body: extent.lengthBytes === 0 ? nothing() : body,
        close,
      };
    }
    answer.close();
    return 'replaced';
  } catch (error) {
    answer.close();
    throw error;
  }
}

const isAboutRanges = (status: number): boolean =>
  status === 200 || status === 206 || status === 412 || status === 416;

async function* nothing(): AsyncGenerator<Buffer> {}

function extentOf(
  status: number,
  headers: Headers,
  asked: RangeRequest,
  host: string,
): Pick<RangeAnswer, 'start' | 'lengthBytes' | 'totalBytes' | 'ranged'> | 'replaced' {
  if (status === 412) return 'replaced';
  const contentRange = String(headers['content-range'] ?? '');
  if (status === 416) {
    // An empty object has no range.
    const empty = asked.start === 0 && (contentRange === 'bytes */0' || contentRange === '');
    return empty ? { start: 0, lengthBytes: 0, totalBytes: 0, ranged: true } : 'replaced';
  }
  if (status === 200) {
    const length = headers['content-length'];
    if (typeof length !== 'string') throw badAnswer(host, 'sent a body of unknown length');
    return { start: 0, lengthBytes: Number(length), totalBytes: Number(length), ranged: false };
  }
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange);
  const [start, last, totalBytes] = (match ?? []).slice(1).map(Number);
  if (start === undefined || last === undefined || totalBytes === undefined || start !== asked.start) {
    throw badAnswer(host, `sent another range (${contentRange.slice(0, 60)}) than was asked for`);
  }
  if (last < start || last >= totalBytes || last >= asked.end) {
    throw badAnswer(host, `sent the impossible range ${contentRange.slice(0, 60)}`);
  }
  return { start, lengthBytes: last - start + 1, totalBytes, ranged: true };
}

const badAnswer = (host: string, what: string): CourierError =>
  new CourierError('NDI_E_BAD_ANSWER', { detail: `${host} ${what}.` });
