/**
 * Sending bytes to a presigned URL: one PUT with its length, as the NDI clients send it (NDI Cloud
 * contract §3.1): Content-Type application/octet-stream, no authorisation, never chunked.
 *
 *   putFile    a file; hashed beside the transfer, must not change while it is read
 *   putStream  bytes made on the way whose count is known
 *   putBytes   bytes in memory
 *
 * All three promise: a success is a 2xx whose ETag, where it is an MD5, is the MD5 of what was sent. Bytes
 * whose MD5 is known before they go carry it as Content-MD5, which a store compares with what came (RFC
 * 1864), also where its ETags are none. A PUT overwrites, so repeating one is harmless. They raise
 * NDI_E_URL_EXPIRED (403: ask for a new URL), NDI_E_NOT_FOUND, NDI_E_RATE_LIMITED, NDI_E_CLOUD_UNAVAILABLE,
 * NDI_E_NETWORK, NDI_E_STALLED, NDI_E_INTEGRITY, NDI_E_FILE_CHANGED, NDI_E_FILE_MISSING,
 * NDI_E_FILE_UNREADABLE.
 */
import type { Stats } from 'node:fs';
import { type FileHandle, stat } from 'node:fs/promises';
import { openSource, readSource, type Source } from '../disk/source.ts';
import { CourierError } from '../errors/index.ts';
import { type ObjectTag, objectTag } from './etag.ts';
import { exchange, type Watch } from './exchange.ts';
import { hostOf, readFailure } from './failures.ts';
import { followFile, hashBytes, INLINE_HASH_BYTES, startHash } from './hash.ts';
import type { Digests, PutResult, TransferOptions } from './types.ts';

const KiB = 1024;
/** 64 KiB reads halve the throughput (measured: 917 against 1,850 MiB/s). */
const MAX_READ_BYTES = 1024 * KiB;
/**
 * On a line so slow that a piece takes seconds, smaller pieces keep the stall watch and the progress honest.
 * Not smaller than a socket's buffer: see `readPieces`.
 */
const MIN_READ_BYTES = 64 * KiB;

export interface FileToPut {
  readonly path: string;
  /** The planned size; another one on disk is NDI_E_FILE_CHANGED. */
  readonly sizeBytes: number;
}

export async function putFile(
  url: string,
  { path, sizeBytes }: FileToPut,
  options: TransferOptions = {},
): Promise<PutResult> {
  let source: Source<FileHandle> | undefined;
  try {
    source = await openSource(path, sizeBytes);
    return sizeBytes <= INLINE_HASH_BYTES
      ? await putSmallFile(url, source, options)
      : await putLargeFile(url, source, options);
  } catch (error) {
    throw readFailure(error, path);
  } finally {
    await source?.file.close();
  }
}

export interface PutBytesOptions extends TransferOptions {
  /**
   * The last piece is about to be given to the connection: before it nothing can have been stored, after it
   * everything may be.
   */
  readonly onLastPiece?: () => void;
}

export async function putBytes(
  url: string,
  bytes: Uint8Array,
  options: PutBytesOptions = {},
): Promise<PutResult> {
  const digests = hashBytes(bytes, options.hash ?? 'md5');
  const known = digests.md5Hex === '' ? options : { ...options, knownMd5Hex: digests.md5Hex };
  const tag = await put(url, bytes.length, known, (watch) => paced(bytes, options, watch));
  return checked(url, bytes.length, digests, tag, known.knownMd5Hex);
}

export interface StreamToPut {
  /** Called once per try to send; must give the same bytes each time. */
  readonly open: () => AsyncIterable<Uint8Array>;
  readonly sizeBytes: number;
}

/**
 * Sends the bytes of a stream, opened anew for every redirect.
 * @throws as `putFile`; NDI_E_INTERNAL when the stream has other than `sizeBytes` bytes
 */
export async function putStream(
  url: string,
  { open: openStream, sizeBytes }: StreamToPut,
  options: TransferOptions = {},
): Promise<PutResult> {
  let hasher = startHash(options.hash ?? 'md5');
  const tag = await put(url, sizeBytes, options, async function* (watch) {
    hasher = startHash(options.hash ?? 'md5');
    let sent = 0;
    for await (const piece of openStream()) {
      sent += piece.length;
      if (sent > sizeBytes) break;
      hasher.update(piece);
      yield* paced(piece, options, watch);
    }
    if (sent !== sizeBytes) {
      throw new CourierError('NDI_E_INTERNAL', {
        detail: `a stream of ${sizeBytes} bytes had another length`,
      });
    }
  });
  return checked(url, sizeBytes, hasher.digests(), tag, undefined);
}

async function putSmallFile(
  url: string,
  source: Source<FileHandle>,
  options: TransferOptions,
): Promise<PutResult> {
  const bytes = await readSource(source);
  await ensureUnchanged(source);
  return await putBytes(url, bytes, options);
}

async function putLargeFile(
  url: string,
  source: Source<FileHandle>,
  options: TransferOptions,
): Promise<PutResult> {
  const { file, path, stats: before } = source;
  const follower = followFile(file.fd, options.hash ?? 'md5', path);
  try {
    const tag = await put(url, before.size, options, (watch) =>
      readPieces(file, path, before.size, options, watch, follower.advance),
    );
    const digests: Digests = await follower.finish(before.size);
    await ensureUnchanged(source);
    return checked(url, before.size, digests, tag, options.knownMd5Hex);
  } finally {
    await follower.abandon();
  }
}

async function put(
  url: string,
  sizeBytes: number,
  options: TransferOptions,
  body: (watch: Watch) => AsyncIterable<Uint8Array>,
): Promise<ObjectTag> {
  const { knownMd5Hex } = options;
  const answer = await exchange(
    {
      method: 'PUT',
      url,
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(sizeBytes),
        ...(knownMd5Hex === undefined
          ? {}
          : { 'content-md5': Buffer.from(knownMd5Hex, 'hex').toString('base64') }),
      },
      body: sizeBytes === 0 ? () => new Uint8Array(0) : body,
    },
    options,
    (status) => status >= 200 && status < 300,
  );
  try {
    // To its end, so that the connection can be used again.
    for await (const _ of answer.body);
    return objectTag(answer.headers);
  } finally {
    answer.close();
  }
}

/**
 * Reads the file in pieces that take about a quarter of a second each on this line. A buffer is used again
 * only two pieces later: a piece that fills the socket's buffer is waited for, so at most the last one given
 * away is still in the socket's hands.
 */
async function* readPieces(
  file: FileHandle,
  path: string,
  sizeBytes: number,
  options: TransferOptions,
  watch: Watch,
  onSent: (offset: number) => void,
): AsyncGenerator<Uint8Array> {
  const buffers = [0, 1, 2].map(() => Buffer.allocUnsafeSlow(Math.min(MAX_READ_BYTES, sizeBytes)));
  let readBytes = MAX_READ_BYTES / 4;
  let at = 0;
  for (let n = 0; at < sizeBytes; n += 1) {
    const buffer = buffers[n % buffers.length] as Buffer;
    const wanted = Math.min(readBytes, sizeBytes - at);
    const { bytesRead } = await file.read(buffer, 0, wanted, at);
    if (bytesRead === 0) throw changed(path);
    await throttled(bytesRead, options, watch);
    const startedAt = performance.now();
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
    watch.progressed();
    options.onBytes?.(bytesRead);
    onSent(at);
    readBytes = nextReadBytes(readBytes, performance.now() - startedAt);
  }
}

/** Bytes in memory, in pieces. */
async function* paced(bytes: Uint8Array, options: PutBytesOptions, watch: Watch): AsyncGenerator<Uint8Array> {
  let pieceBytes = MAX_READ_BYTES / 4;
  for (let at = 0; at < bytes.length; ) {
    const piece = bytes.subarray(at, at + pieceBytes);
    await throttled(piece.length, options, watch);
    const startedAt = performance.now();
    if (at + piece.length === bytes.length) options.onLastPiece?.();
    yield piece;
    at += piece.length;
    watch.progressed();
    options.onBytes?.(piece.length);
    pieceBytes = nextReadBytes(pieceBytes, performance.now() - startedAt);
  }
}

const nextReadBytes = (readBytes: number, tookMs: number): number => {
  if (tookMs > 1000) return Math.max(MIN_READ_BYTES, readBytes / 4);
  return tookMs < 250 ? Math.min(MAX_READ_BYTES, readBytes * 2) : readBytes;
};

const throttled = async (bytes: number, options: TransferOptions, watch: Watch): Promise<void> => {
  const { throttle, signal } = options;
  if (throttle !== undefined) await watch.pausedFor(() => throttle.take(bytes, signal));
};

/**
 * The open file and the one now at its path must be what they were: a program may write into it, or put
 * another in its place.
 */
async function ensureUnchanged({ file, stats: before, path }: Source<FileHandle>): Promise<void> {
  const [after, there] = await Promise.all([file.stat(), stat(path)]);
  const same = (a: Stats): boolean =>
    a.size === before.size && a.mtimeMs === before.mtimeMs && a.ino === before.ino;
  if (!same(after) || !same(there)) throw changed(path);
}

const changed = (path: string): CourierError => new CourierError('NDI_E_FILE_CHANGED', { detail: path });

function checked(
  url: string,
  sizeBytes: number,
  digests: Digests,
  tag: ObjectTag,
  knownMd5Hex: string | undefined,
): PutResult {
  if (digests.md5Hex !== '' && tag.md5Hex !== undefined && tag.md5Hex !== digests.md5Hex) {
    throw new CourierError('NDI_E_INTEGRITY', {
      detail: `${hostOf(url)} stored other bytes than were sent.`,
    });
  }
  // The store compared the bytes that went with the hash that was taken before.
  const isCompared = knownMd5Hex !== undefined && (digests.md5Hex === '' || digests.md5Hex === knownMd5Hex);
  return { sizeBytes, ...digests, etag: tag.etag, isProven: isCompared || tag.md5Hex !== undefined };
}
