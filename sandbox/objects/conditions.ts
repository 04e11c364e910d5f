/** Conditional and range requests, as RFC 9110 has them and S3 does them. */
import type { IncomingHttpHeaders } from 'node:http';
import type { ObjectInfo } from './bucket.ts';

const lists = (header: string, etag: string): boolean =>
  header
    .split(',')
    .some(
      (tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag || `"${tag.trim()}"` === etag,
    );

const seconds = (ms: number): number => Math.floor(ms / 1000);

/** 412 or 304 where a precondition does not hold, undefined where the object is to be sent. */
export function preconditionStatus(
  headers: IncomingHttpHeaders,
  info: ObjectInfo,
  etag: string,
): 304 | 412 | undefined {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  const unmodified = Date.parse(headers['if-unmodified-since'] ?? '');
  const modified = Date.parse(headers['if-modified-since'] ?? '');
  if (match !== undefined) {
    if (!lists(match, etag)) return 412;
  } else if (!Number.isNaN(unmodified) && seconds(info.modifiedMs) > seconds(unmodified)) return 412;
  if (noneMatch !== undefined) return lists(noneMatch, etag) ? 304 : undefined;
  if (!Number.isNaN(modified) && seconds(info.modifiedMs) <= seconds(modified)) return 304;
  return undefined;
}

export interface ByteRange {
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
}

/**
 * The range asked for; undefined means the whole object (no, a malformed or a multiple range, or an
 * `If-Range` that fails).
 */
export function rangeOf(
  headers: IncomingHttpHeaders,
  info: ObjectInfo,
  etag: string,
): ByteRange | 'unsatisfiable' | undefined {
  const found = /^bytes=(\d*)-(\d*)$/.exec((headers.range ?? '').trim());
  if (found === null) return undefined;
  const ifRange = String(headers['if-range'] ?? '') || undefined;
  if (ifRange !== undefined) {
    const same = ifRange.includes('"')
      ? lists(ifRange, etag)
      : seconds(info.modifiedMs) <= seconds(Date.parse(ifRange));
    if (!same) return undefined;
  }
  const [, first = '', last = ''] = found;
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), info.size);
    return length === 0 ? 'unsatisfiable' : { from: info.size - length, to: info.size - 1 };
  }
  const from = Number(first);
  if (last !== '' && Number(last) < from) return undefined;
  if (from >= info.size) return 'unsatisfiable';
  return { from, to: last === '' ? info.size - 1 : Math.min(Number(last), info.size - 1) };
}
