/**
 * One request and its answer: the pool, the stall watch, redirects, and errors in our words. Everything that
 * speaks HTTP in this room goes through `exchange`.
 */
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { CourierError, isCourierError } from '../errors/index.ts';
import { type Network, processNetwork } from '../net/network.ts';
import { type Headers, hostOf, networkFailure, refusal } from './failures.ts';
import type { TransferOptions } from './types.ts';

/**
 * Object stores are spoken to by HTTP/1.1: one connection per stream is what gives parallel streams their
 * bandwidth.
 */
const pools = new WeakMap<Network, Dispatcher>();
function poolOf(network: Network): Dispatcher {
  const known = pools.get(network);
  if (known !== undefined) return known;
  // Time limits of the library are off: the stall watch knows about throttles and about bytes in both
  // directions.
  const pool = network.dispatcher({ allowH2: false, headersTimeout: 0, bodyTimeout: 0, connectMs: 20_000 });
  pools.set(network, pool);
  return pool;
}

const DEFAULT_STALL_TIMEOUT_MS = 60_000;
const MAX_REDIRECTS = 3;
/** Enough of an error answer to find its code. */
const ERROR_BODY_BYTES = 4096;

/** Watches that bytes move, in either direction. */
export interface Watch {
  progressed(): void;
  /** Time spent in `body` does not count as a stall: it is our own throttle. */
  pausedFor<T>(body: () => Promise<T>): Promise<T>;
}

export interface Call {
  readonly method: 'GET' | 'PUT';
  readonly url: string;
  readonly headers: Record<string, string>;
  /** Made anew for every redirect. What it throws is what the call rejects with. */
  readonly body?: (watch: Watch) => AsyncIterable<Uint8Array> | Uint8Array;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The body, once. Its bytes are counted as moved; what breaks is raised in our words. */
  readonly body: AsyncIterable<Buffer>;
  /** To be called in any case; ends the connection if the body was not read to its end. */
  close(): void;
}

/**
 * Sends a call.
 * @throws the error of `refusal` for a status that `accept` does not know; NDI_E_NETWORK for a broken
 * connection;
 *   NDI_E_STALLED for silence; the reason of the caller's signal when that aborts
 */
export async function exchange(
  call: Call,
  options: TransferOptions,
  accept: (status: number) => boolean,
): Promise<Answer> {
  let { url } = call;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const outcome = await once({ ...call, url }, options, accept);
    if ('status' in outcome) return outcome;
    url = outcome.location;
  }
  throw new CourierError('NDI_E_BAD_ANSWER', { detail: `${hostOf(url)} redirects without end.` });
}

async function once(
  call: Call,
  options: TransferOptions,
  accept: (status: number) => boolean,
): Promise<Answer | { readonly location: string }> {
  const host = hostOf(call.url);
  const network = options.network ?? processNetwork();
  const watch = startWatch(options);
  const sending = guardedBody(call.body?.(watch));
  const inOurWords = (error: unknown): unknown => {
    if (options.signal?.aborted) return options.signal.reason;
    if (watch.stalled()) return new CourierError('NDI_E_STALLED', { detail: `Host ${host}.` });
    // The library may dress up an error of the body, or see the broken connection first.
    const failure = sending.failure();
    if (failure !== undefined) return failure.error;
    if (isCourierError(error)) return error;
    return network.failure(error, call.url) ?? networkFailure(error, host);
  };
  let answer: Dispatcher.ResponseData | undefined;
  const close = (): void => {
    watch.end();
    if (answer !== undefined && !answer.body.readableEnded) answer.body.destroy();
  };
  try {
    answer = await poolOf(network).request({
      ...placeOf(call.url),
      method: call.method,
      // Identity is asked for on purpose: compression on the way has corrupted archives (NDI Cloud
      // contract §3.2).
      headers: { ...call.headers, 'accept-encoding': 'identity' },
      // The library takes any iterable; its types only know streams.
      body: sending.body as Readable,
      signal: watch.signal,
    });
    answer.body.on('error', () => {});
    watch.progressed();
    const { statusCode: status, headers } = answer;
    if (accept(status)) {
      refuseEncoding(headers, host);
      // The answer of a PUT is not counted: the bytes that move are those of its body.
      const counted = call.method === 'GET' ? options : {};
      return { status, headers, body: watchedBody(answer.body, watch, counted, inOurWords), close };
    }
    const location = status >= 300 && status < 400 ? headers.location : undefined;
    if (typeof location !== 'string') {
      const body = await beginningOf(answer.body);
      throw refusal({ status, headers, body }, host, options.notReadyStatuses);
    }
    close();
    return { location: nextAddress(location, call.url) };
  } catch (error) {
    close();
    throw inOurWords(error);
  }
}

/**
 * The address to which an object is redirected.
 * @throws NDI_E_UNSAFE_REDIRECT for one that anybody on the way could read or change, or that is none
 */
function nextAddress(location: string, from: string): string {
  const next = URL.canParse(location, from) ? new URL(location, from) : undefined;
  const isSafe = next?.protocol === 'https:' || (next?.protocol === 'http:' && !from.startsWith('https:'));
  if (next !== undefined && isSafe) return next.href;
  const target =
    next === undefined ? 'something that is no address' : next.protocol + (next.host && `//${next.host}`);
  throw new CourierError('NDI_E_UNSAFE_REDIRECT', { detail: `${hostOf(from)} redirects to ${target}.` });
}

/** @throws TypeError for what is no address, as the library does */
function placeOf(address: string): { readonly origin: string; readonly path: string } {
  const { origin, pathname, search } = new URL(address);
  return { origin, path: pathname + search };
}

function guardedBody(body: AsyncIterable<Uint8Array> | Uint8Array | undefined): {
  readonly body: AsyncIterable<Uint8Array> | Uint8Array | null;
  failure(): { readonly error: unknown } | undefined;
} {
  let failure: { readonly error: unknown } | undefined;
  const guarded = async function* (pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* pieces;
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  const bytes = body === undefined || body instanceof Uint8Array;
  return { body: bytes ? (body ?? null) : guarded(body), failure: () => failure };
}

async function* watchedBody(
  body: AsyncIterable<Buffer>,
  watch: Watch,
  { onBytes, throttle, signal }: Pick<TransferOptions, 'onBytes' | 'throttle' | 'signal'>,
  inOurWords: (error: unknown) => unknown,
): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of body) {
      watch.progressed();
      onBytes?.(chunk.length);
      if (throttle !== undefined) await watch.pausedFor(() => throttle.take(chunk.length, signal));
      yield chunk;
    }
  } catch (error) {
    throw inOurWords(error);
  }
}

function refuseEncoding(headers: Headers, host: string): void {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== '' && encoding !== 'identity' && encoding !== 'aws-chunked') {
    throw new CourierError('NDI_E_BAD_ANSWER', { detail: `${host} sent a body encoded as ${encoding}.` });
  }
}

async function beginningOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= ERROR_BODY_BYTES) break;
    }
  } catch {
    // The status is known, and that is what counts.
  }
  return Buffer.concat(chunks).toString('utf8', 0, ERROR_BODY_BYTES);
}

function startWatch(options: TransferOptions): Watch & {
  readonly signal: AbortSignal;
  stalled(): boolean;
  end(): void;
} {
  const stallTimeoutMs = options.stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS;
  const controller = new AbortController();
  let progressedAt = performance.now();
  let paused = 0;
  let stalled = false;
  const timer = setInterval(
    () => {
      if (paused > 0 || performance.now() - progressedAt < stallTimeoutMs) return;
      stalled = true;
      controller.abort();
    },
    Math.max(5, Math.min(1000, stallTimeoutMs / 4)),
  );
  const { signal } = options;
  const abort = (): void => controller.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  return {
    signal: controller.signal,
    stalled: () => stalled,
    progressed: () => {
      progressedAt = performance.now();
    },
    pausedFor: async (body) => {
      paused += 1;
      try {
        return await body();
      } finally {
        paused -= 1;
        progressedAt = performance.now();
      }
    },
    end: () => {
      clearInterval(timer);
      signal?.removeEventListener('abort', abort);
    },
  };
}
