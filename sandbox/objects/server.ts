/**
 * The object store's HTTP: presigned PUT, GET and HEAD with S3's manners (NDI Cloud contract §3). Plain
 * `node:http`, because only that moves hundreds of megabytes per second here; memory stays at a few chunks
 * whatever the size of an object.
 */
import type { IncomingMessage, OutgoingHttpHeaders, RequestListener, ServerResponse } from 'node:http';
import type { Counters } from '../counters.ts';
import { drained } from '../drained.ts';
import { intakeOf } from '../fault-wire.ts';
import { type FaultHit, type Faults, findHit, param } from '../faults.ts';
import type { Knobs } from '../knobs.ts';
import type { Bucket, ObjectInfo } from './bucket.ts';
import { preconditionStatus, rangeOf } from './conditions.ts';
import type { Signer } from './sign.ts';
import { xmlError } from './xml.ts';

/** S3's limit for a single PUT (§4.4). */
const MAX_PUT_BYTES = 5 * 1024 ** 3;
const CHUNK_BYTES = 1024 * 1024;

export interface ObjectServerDeps {
  readonly bucket: Bucket;
  readonly signer: Signer;
  readonly faults: Faults;
  readonly counters: Counters;
  readonly knobs: Knobs;
  readonly now: () => number;
  /** The storage class of an object in cold storage, which cannot be read there. */
  readonly coldTierOf: (key: string) => string | undefined;
  /** Called after an object is stored, before the answer goes out: where imports and file rows start. */
  readonly onPut: (info: ObjectInfo, hits: readonly FaultHit[]) => void;
  readonly log: (line: string) => void;
}

interface Exchange {
  readonly deps: ObjectServerDeps;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly key: string;
  readonly hits: readonly FaultHit[];
}

/** The path of an object request, decoded: the key. Undefined for a path that is no key. */
export function keyOf(url: string): string | undefined {
  try {
    return decodeURIComponent(new URL(url, 'http://objects').pathname.slice(1));
  } catch {
    return undefined;
  }
}

export function createObjectListener(deps: ObjectServerDeps): RequestListener {
  return (request, response) => {
    const key = keyOf(request.url ?? '/') ?? '';
    const exchange: Exchange = { deps, request, response, key, hits: deps.faults.hits(request) };
    serve(exchange).catch((error: unknown) => {
      deps.log(`objects: ${error instanceof Error ? error.message : String(error)}`);
      if (!response.headersSent) refuse(exchange, 500, 'InternalError', 'We encountered an internal error.');
      else response.destroy();
    });
  };
}

async function serve(exchange: Exchange): Promise<void> {
  const { request, deps } = exchange;
  if (refuseUnsigned(exchange)) return;
  if (request.method === 'PUT') return put(exchange);
  if (request.method === 'GET') return get(exchange);
  deps.log(`objects: ${request.method} is not served`);
  refuse(exchange, 405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.');
}

function send(exchange: Exchange, status: number, headers: OutgoingHttpHeaders, body?: string): void {
  const { request, response } = exchange;
  response.writeHead(status, {
    'x-amz-request-id': Date.now().toString(16).toUpperCase(),
    Server: 'AmazonS3',
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** An XML error. A PUT's body is not read any further, as in S3: the connection closes behind the answer. */
function refuse(
  exchange: Exchange,
  status: number,
  code: string,
  message: string,
  extra: Record<string, string> = {},
): void {
  const { request, response } = exchange;
  const body = xmlError(code, message, extra);
  const unread = request.method === 'PUT' && !request.complete;
  if (unread) {
    // Read off what is on its way, so that the client gets to see the answer, but not gigabytes of it.
    let left = 16 * CHUNK_BYTES;
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) request.socket.destroySoon();
    });
    response.once('finish', () => setTimeout(() => request.socket.destroySoon(), 1000).unref());
  }
  const headers: OutgoingHttpHeaders = {
    'Content-Type': 'application/xml',
    'Content-Length': Buffer.byteLength(body),
  };
  if (unread) headers.Connection = 'close';
  send(exchange, status, headers, body);
}

/**
 * 403 for a missing, foreign or expired signature; the method is part of it, so HEAD on a GET URL fails, too
 * (§3.3).
 */
function refuseUnsigned(exchange: Exchange): boolean {
  const { deps, request, key, hits } = exchange;
  const query = new URL(request.url ?? '/', 'http://objects').searchParams;
  const forced = findHit(hits, 'expired-url') !== undefined;
  const verdict = deps.signer.verify(request.method ?? '', key, query);
  if (verdict.ok && !forced) return false;
  if (forced || (!verdict.ok && verdict.why === 'expired')) {
    const expires = !verdict.ok && verdict.why === 'expired' ? verdict.expiresMs : deps.now() - 1000;
    refuse(exchange, 403, 'AccessDenied', 'Request has expired', {
      Expires: new Date(expires).toISOString(),
      ServerTime: new Date(deps.now()).toISOString(),
    });
  } else if (!verdict.ok && verdict.why === 'missing') refuse(exchange, 403, 'AccessDenied', 'Access Denied');
  else {
    const message =
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.';
    refuse(exchange, 403, 'SignatureDoesNotMatch', message);
  }
  return true;
}

const etagOf = (knobs: Knobs, { md5 }: ObjectInfo): string =>
  knobs.etag === 'md5' ? `"${md5}"` : `"${[...md5].reverse().join('')}"`;

/**
 * An ETag of a KMS-encrypted object looks like an MD5 and is none; the header beside it says so (§10 row 19).
 */
const tagsOf = (knobs: Knobs, info: ObjectInfo): OutgoingHttpHeaders => ({
  ETag: etagOf(knobs, info),
  ...(knobs.etag === 'opaque' ? { 'x-amz-server-side-encryption': 'aws:kms' } : {}),
});

async function put(exchange: Exchange): Promise<void> {
  const { deps, request, response, key, hits } = exchange;
  const length = request.headers['content-length'];
  if (request.headers['transfer-encoding'] !== undefined) {
    const message = 'A header you provided implies functionality that is not implemented';
    return refuse(exchange, 501, 'NotImplemented', message, { Header: 'Transfer-Encoding' });
  }
  if (length === undefined) {
    return refuse(exchange, 411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.');
  }
  if (Number(length) > MAX_PUT_BYTES) {
    return refuse(exchange, 400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size');
  }
  if (request.headers['if-none-match'] === '*' && deps.bucket.info(key) !== undefined) {
    const message = 'At least one of the pre-conditions you specified did not hold';
    return refuse(exchange, 412, 'PreconditionFailed', message);
  }
  if (request.headers.expect !== undefined) response.writeContinue();
  const info = await takeBody(exchange, Number(length));
  if (info === undefined) return;
  deps.onPut(info, hits);
  send(exchange, 200, { ...tagsOf(deps.knobs, info), 'Content-Length': 0 });
}

/**
 * Streams the body into the bucket. Undefined: the connection broke, or the digest was wrong, and nothing is
 * stored.
 */
async function takeBody(exchange: Exchange, length: number): Promise<ObjectInfo | undefined> {
  const { deps, request, key, hits } = exchange;
  const writer = deps.bucket.writer(key);
  const intake = intakeOf(hits, request);
  const corrupt = findHit(hits, 'corrupt-put');
  const flipAt = corrupt === undefined ? -1 : param(corrupt, 'atByte', Math.floor(length / 2));
  deps.counters.object(key, 'puts', 1);
  const take = (chunk: Buffer): Promise<unknown> | undefined => {
    deps.counters.object(key, 'bytesReceived', chunk.length);
    const at = flipAt - writer.bytes();
    if (at >= 0 && at < chunk.length) chunk[at] = chunk[at]! ^ 0xff;
    const full = writer.write(chunk);
    const held = intake?.pace(chunk.length);
    return held === undefined ? full : Promise.all([full, held]);
  };
  try {
    await drain(request, take);
  } catch {
    await writer.abort();
    return undefined;
  }
  if (!request.complete || writer.bytes() !== length) {
    await writer.abort();
    return undefined;
  }
  const wanted = request.headers['content-md5'];
  const readableDelayMs = param(findHit(hits, 'uploaded-before-readable'), 'ms', 0);
  const contentType = request.headers['content-type'] ?? 'binary/octet-stream';
  const readableMs = readableDelayMs === 0 ? 0 : deps.now() + readableDelayMs;
  const info = await writer.commit(contentType, readableMs);
  if (wanted !== undefined && wanted !== Buffer.from(info.md5, 'hex').toString('base64')) {
    deps.bucket.remove(key);
    refuse(exchange, 400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.');
    return undefined;
  }
  return info;
}

/**
 * Reads a body by its events: an async iterator would join the chunks by copying them. Rejects where the
 * connection breaks.
 */
function drain(
  request: IncomingMessage,
  take: (chunk: Buffer) => Promise<unknown> | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    // Node may say 'end' while the last chunk is still being waited for.
    let last: Promise<unknown> | undefined;
    let ended = false;
    request.on('data', (chunk: Buffer) => {
      last = take(chunk);
      if (last === undefined) return;
      request.pause();
      last.then(() => request.resume(), reject);
    });
    request.once('end', () => {
      ended = true;
      Promise.resolve(last).then(() => resolve(), reject);
    });
    request.once('error', reject);
    request.once('close', () => {
      if (!ended) reject(new Error('connection closed'));
    });
  });
}

async function get(exchange: Exchange): Promise<void> {
  const { deps, request, response, key, hits } = exchange;
  const info = deps.bucket.info(key);
  if (info === undefined || info.readableMs > deps.now()) {
    return refuse(exchange, 404, 'NoSuchKey', 'The specified key does not exist.', { Key: key });
  }
  const cold = findHit(hits, 'archived') === undefined ? deps.coldTierOf(key) : 'GLACIER';
  if (cold !== undefined) {
    const message = "The operation is not valid for the object's storage class";
    return refuse(exchange, 403, 'InvalidObjectState', message, { StorageClass: cold });
  }
  const etag = etagOf(deps.knobs, info);
  const headers: OutgoingHttpHeaders = {
    'Last-Modified': new Date(info.modifiedMs).toUTCString(),
    ...tagsOf(deps.knobs, info),
    'Accept-Ranges': 'bytes',
  };
  const unmet = preconditionStatus(request.headers, info, etag);
  if (unmet === 304) return send(exchange, 304, headers);
  if (unmet === 412) {
    const message = 'At least one of the pre-conditions you specified did not hold';
    return refuse(exchange, 412, 'PreconditionFailed', message);
  }
  const range = rangeOf(request.headers, info, etag);
  if (range === 'unsatisfiable') {
    response.setHeader('Content-Range', `bytes */${info.size}`);
    const extra = { RangeRequested: String(request.headers.range), ActualObjectSize: String(info.size) };
    return refuse(exchange, 416, 'InvalidRange', 'The requested range is not satisfiable', extra);
  }
  headers['Content-Type'] = info.contentType;
  const from = range?.from ?? 0;
  const length = (range?.to ?? info.size - 1) - from + 1;
  headers['Content-Length'] = length;
  if (range !== undefined) headers['Content-Range'] = `bytes ${range.from}-${range.to}/${info.size}`;
  deps.counters.object(key, 'gets', 1);
  response.writeHead(range === undefined ? 200 : 206, { Server: 'AmazonS3', ...headers });
  await sendBytes(exchange, from, length);
}

async function sendBytes({ deps, response, key }: Exchange, from: number, length: number): Promise<void> {
  const file = await deps.bucket.open(key);
  if (file === undefined) throw new Error('object vanished');
  try {
    for (let sent = 0; sent < length && !response.destroyed; ) {
      // A fresh buffer each time: the socket may still hold the one before.
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, length - sent));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, from + sent);
      if (bytesRead === 0) throw new Error('object is shorter than its record');
      sent += bytesRead;
      deps.counters.object(key, 'bytesSent', bytesRead);
      if (!response.write(buffer.subarray(0, bytesRead))) await drained(response);
    }
    if (!response.destroyed) response.end();
  } finally {
    await file.close();
  }
}
