/**
 * Errors of transfers, in our codes. A presigned URL is a key to the bytes: of a URL nothing but its host
 * ever goes into an error, and errors of the HTTP library, whose text may quote it, go no further than here.
 */
import { XMLParser } from 'fast-xml-parser';
import { fileFailure } from '../disk/errors.ts';
import { CourierError, type CourierErrorOptions, isCourierError } from '../errors/index.ts';

/** The part of a URL that may be shown. */
export function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return 'an invalid address';
  }
}

/**
 * Errors of the process, its computer or a share that went away, not of the file: the next attempt may
 * succeed.
 */
const PASSING = new Set([
  ...['EMFILE', 'ENFILE', 'ENOMEM', 'EINTR', 'EAGAIN'],
  ...['ESTALE', 'ENOTCONN', 'EHOSTDOWN', 'ENOMEDIUM'],
]);

/**
 * An error of the file system about `path`, which was to be read: most are about this one file, whatever they
 * are.
 */
export function readFailure(error: unknown, path: string): unknown {
  if (isCourierError(error)) return error;
  const { code, errno } = (error ?? {}) as NodeJS.ErrnoException;
  if (
    code === undefined ||
    errno === undefined ||
    code === 'ENOENT' ||
    code === 'ENOTDIR' ||
    PASSING.has(code)
  ) {
    return fileFailure(error, path);
  }
  return new CourierError('NDI_E_FILE_UNREADABLE', { detail: `${path} (${code}).` });
}

/**
 * One entry of an archive cannot be read, or changed while it was: an archive of the others can still be
 * made.
 */
export class EntryError extends CourierError {
  /** Its name in the archive. */
  readonly entry: string;

  constructor({ code, detail }: CourierError, entry: string) {
    super(code, detail === undefined ? {} : { detail });
    this.entry = entry;
  }
}

export function entryFailure(
  error: unknown,
  entry: { readonly name: string; readonly path: string },
): unknown {
  const failure = readFailure(error, entry.path);
  if (!isCourierError(failure) || failure instanceof EntryError) return failure;
  return failure.class === 'permanent' || failure.class === 'moved'
    ? new EntryError(failure, entry.name)
    : failure;
}

/** An object store's refusal as our error. `body` is the beginning of its XML. */
export function refusal(
  answer: { readonly status: number; readonly headers: Headers; readonly body: string },
  host: string,
  notReadyStatuses: readonly number[] = [],
): CourierError {
  const { status, headers, body } = answer;
  const code = errorCode(body);
  const requestId = headers['x-amz-request-id'];
  const options: CourierErrorOptions = {
    detail: `${host} answered ${status}${code === undefined ? '' : ` ${code}`}.`,
    ...(typeof requestId === 'string' && { requestId }),
    ...retryAfter(headers['retry-after']),
  };
  if (code === 'InvalidObjectState') return new CourierError('NDI_E_ARCHIVED', options);
  if (notReadyStatuses.includes(status)) return new CourierError('NDI_E_NOT_READY', options);
  // S3 tells an expired temporary key with 400.
  if (status === 403 || code === 'ExpiredToken') return new CourierError('NDI_E_URL_EXPIRED', options);
  // The store compared the bytes with their Content-MD5: they changed on the way.
  if (code === 'BadDigest') return new CourierError('NDI_E_INTEGRITY', options);
  if (code === 'EntityTooLarge') return new CourierError('NDI_E_FILE_TOO_LARGE', options);
  if (status === 404) return new CourierError('NDI_E_NOT_FOUND', options);
  if (status === 408 || code === 'RequestTimeout') return new CourierError('NDI_E_NETWORK', options);
  if (status === 429 || code === 'SlowDown') return new CourierError('NDI_E_RATE_LIMITED', options);
  if (status >= 500) return new CourierError('NDI_E_CLOUD_UNAVAILABLE', options);
  if (status >= 400) return new CourierError('NDI_E_BAD_REQUEST', options);
  return new CourierError('NDI_E_BAD_ANSWER', options);
}

// No entities: the body comes from outside, and a code has none.
const xml = new XMLParser({ processEntities: false, parseTagValue: false });

/** `<Error><Code>…` of an S3 error body, which may be cut off; undefined when it is none. */
function errorCode(body: string): string | undefined {
  if (!body.includes('<Error>')) return undefined;
  try {
    const code: unknown = xml.parse(body)?.Error?.Code;
    return typeof code === 'string' && /^[\w.]{1,64}$/.test(code) ? code : undefined;
  } catch {
    return undefined;
  }
}

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

function retryAfter(value: string | string[] | undefined): { retryAfterMs?: number } {
  if (typeof value !== 'string') return {};
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? { retryAfterMs: Math.max(0, ms) } : {};
}

/** An error of the connection, with the library's code and nothing of its text. */
export function networkFailure(error: unknown, host: string): CourierError {
  const code = (error as { code?: unknown } | undefined)?.code;
  const name = typeof code === 'string' && /^[A-Z_0-9]{1,40}$/.test(code) ? ` (${code})` : '';
  return new CourierError('NDI_E_NETWORK', { detail: `Host ${host}${name}.` });
}
