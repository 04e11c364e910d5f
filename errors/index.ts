/**
 * The one error type that crosses the house. A status number, an SQL error or an HTTP body never leaves the
 * room that understands it: it becomes a `CourierError` there. Imports nothing, so every room may use it,
 * workflows included.
 */
import { ERRORS, type ErrorCode } from './table.ts';
import type { ErrorAbout, ErrorClass, ErrorEffect } from './types.ts';

export { ERRORS, type ErrorCode } from './table.ts';
export type { ErrorClass, ErrorEntry } from './types.ts';
export { WAITS, type WaitEntry, type WaitKind } from './waits.ts';

/** Room that a full disk lacks. */
export interface NeededRoom {
  /** A path on that disk; it need not exist. */
  readonly path: string;
  /** Bytes that must be free; absent where only the failure of a write is known. */
  readonly freeBytes?: number;
}

export interface CourierErrorOptions {
  /** The particulars in a few words: the file, the id, the path. Never a secret, never a presigned URL. */
  readonly detail?: string;
  /** The server's own wish for the next try. */
  readonly retryAfterMs?: number | undefined;
  /** The other side's id of this request, so that its keepers can find it. */
  readonly requestId?: string | undefined;
  /** Of a full disk: where there must be room again. */
  readonly room?: NeededRoom;
  readonly cause?: unknown;
}

export class CourierError extends Error {
  // Set on the instance: Temporal matches error types by `name`.
  override readonly name = 'CourierError';
  readonly code: ErrorCode;
  readonly class: ErrorClass;
  readonly about: ErrorAbout;
  readonly effect: ErrorEffect;
  readonly nextStep: string;
  readonly detail: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly requestId: string | undefined;
  readonly room: NeededRoom | undefined;

  constructor(code: ErrorCode, options: CourierErrorOptions = {}) {
    const entry = ERRORS[code];
    const request = options.requestId === undefined ? '' : ` [request ${options.requestId}]`;
    super(
      options.detail === undefined
        ? entry.sentence + request
        : `${entry.sentence} ${options.detail}${request}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.class = entry.class;
    this.about = entry.about;
    this.effect = entry.effect;
    this.nextStep = entry.nextStep;
    this.detail = options.detail;
    this.retryAfterMs = options.retryAfterMs;
    this.requestId = options.requestId;
    this.room = options.room;
  }
}

export const isCourierError = (error: unknown, code?: ErrorCode): error is CourierError =>
  error instanceof CourierError && (code === undefined || error.code === code);

/**
 * True when the item that was worked on cannot be done, and all others can: it is listed, and the work goes
 * on.
 */
export const isAboutItem = (error: unknown): error is CourierError =>
  isCourierError(error) && error.about === 'item' && error.class !== 'retryable';

/**
 * After such an error the request may have been carried out: look before repeating it (contract §10 no. 3).
 */
export const mayHaveActed = (error: unknown): boolean => isCourierError(error) && error.effect === 'unknown';

/** The answer says that nothing was done. Of a request that was given up nobody knows, whoever gave it up. */
export const wasRefused = (error: unknown): boolean =>
  isCourierError(error) && error.effect === 'none' && error.code !== 'NDI_E_CANCELLED';

/** For the end of a switch over a discriminated union: a new member is then a compile error. */
export function assertNever(value: never): never {
  throw new CourierError('NDI_E_INTERNAL', { detail: `unexpected value ${JSON.stringify(value)}` });
}

/** Our code for an error of the disk, by the operating system's code; undefined for everything else. */
export function diskErrorCode(error: unknown): ErrorCode | undefined {
  switch ((error as { code?: unknown } | null | undefined)?.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'NDI_E_DISK_FULL';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'NDI_E_READ_ONLY';
    case 'ENOMEM':
      return 'NDI_E_OUT_OF_MEMORY';
    // The disk failed, or its file system went away (a cable, a share, its server): nothing is said of the
    // file.
    case 'EIO':
    case 'ENXIO':
    case 'ENODEV':
    case 'ENOMEDIUM':
    case 'ESTALE':
    case 'EREMOTEIO':
    case 'ENOTCONN':
    case 'EHOSTDOWN':
      return 'NDI_E_DISK_IO';
    default:
      return undefined;
  }
}
