/**
 * The one place that makes API requests: address, token, body, timeouts, size guard, request id. One call is
 * one request, except that a 401 renews the token and asks once more; nothing else is repeated here, because
 * the API has no idempotency keys and a lost answer may mean finished work.
 *
 * Answers are held as text: Lambda cannot answer more than 6 MB, so nothing here is worth streaming; binaries
 * never pass through the API (NDI Cloud contract §2.7).
 */
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Dispatcher } from 'undici';
import { CourierError } from '../../errors/index.ts';
import { type Network, processNetwork } from '../../net/network.ts';
import { isCloudId } from '../ids.ts';
import {
  asksForLogin,
  brokenConnection,
  outcomeOf,
  type RawAnswer,
  type RequestInfo,
  type RouteKind,
} from './outcome.ts';
import { MAX_REDIRECTS, pathWithinHost, redirectOf } from './redirect.ts';
import type { TokenSource } from './types.ts';

const gunzipAsync = promisify(gunzip);

export interface Timeouts {
  readonly connectMs?: number;
  /** Until the first byte of the answer. The gateway gives up after 29 s (§1.1). */
  readonly headersMs?: number;
  /** Between two pieces of the answer. */
  readonly bodyMs?: number;
  /** For one request in all; guards against an answer that drips. */
  readonly totalMs?: number;
}

export interface RequesterOptions {
  /** With `/v1`, without a slash at the end. */
  readonly baseUrl: string;
  /** Absent for logging in, which needs none. */
  readonly tokens?: TokenSource;
  /** Requests at a time; more of them wait. §10 no. 28: 4–6. Default 6. */
  readonly connections?: number | undefined;
  readonly timeouts?: Timeouts | undefined;
  /** Proxy and certificates. Default: those of the process. */
  readonly network?: Network | undefined;
  /**
   * An answer above this is refused. Default 8 MiB, after unpacking: Lambda, which answers, can give 6 MB.
   */
  readonly maxAnswerBytes?: number;
}

export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path segments below the base address, not yet encoded. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  /** At most one of the two. `text` is sent as it is, because documents may hold bare NaN (§4.3). */
  readonly json?: unknown;
  readonly text?: string;
  /**
   * `optional`: goes out without a token when there are no credentials; published datasets are public (§1.6).
   */
  readonly auth?: 'required' | 'optional' | 'none';
  readonly kind: RouteKind;
  /** In words, for messages: `list documents of 668b…`. */
  readonly what: string;
  /** Exact texts of the body that no message may repeat. */
  readonly secrets?: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** Most requests where requests are repeated: fewer for a call that the caller can make smaller. */
  readonly maxAttempts?: number | undefined;
}

export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
  readonly requestId: string;
  readonly what: string;
}

export interface Requester {
  readonly baseUrl: string;
  /** A 2xx answer, or a `CourierError` that says what to do. */
  send(call: ApiCall): Promise<ApiAnswer>;
  close(): Promise<void>;
}

export function createRequester(options: RequesterOptions): Requester {
  const base = new URL(options.baseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  const timeouts = {
    connectMs: 10_000,
    headersMs: 60_000,
    bodyMs: 30_000,
    totalMs: 120_000,
    ...options.timeouts,
  };
  const maxBytes = options.maxAnswerBytes ?? 8 * 1024 * 1024;
  const network = options.network ?? processNetwork();
  const dispatcher = network.dispatcher({
    connections: options.connections ?? 6,
    connectMs: timeouts.connectMs,
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.bodyMs,
  });

  async function once(call: ApiCall, token: string | undefined, path: string): Promise<RawAnswer> {
    const requestId = randomUUID();
    const asked = askedOf(options.baseUrl, call, token);
    const deadline = startDeadline(call.signal, timeouts.totalMs);
    try {
      const response = await dispatcher.request({
        origin: base.origin,
        method: call.method,
        path,
        headers: headersOf(call, token, requestId),
        body: call.text ?? (call.json === undefined ? null : JSON.stringify(call.json)),
        signal: deadline.signal,
      });
      const redirect = redirectOf(
        response.statusCode,
        headerOf(response, 'location'),
        new URL(base.origin + path),
      );
      return { ...(await readAnswer(response, requestId, maxBytes, asked)), redirect };
    } catch (error) {
      if (error instanceof CourierError) throw error;
      if (call.signal?.aborted) throw cancelled(call);
      if (deadline.isOver())
        throw new CourierError('NDI_E_STALLED', {
          detail: `${call.what} (no whole answer in ${timeouts.totalMs / 1000} s)`,
          requestId,
        });
      throw network.failure(error, base.origin) ?? brokenConnection(asked, requestId, error);
    } finally {
      deadline.stop();
    }
  }

  /** Follows what a GET is redirected to within its host. */
  async function ask(call: ApiCall, token: string | undefined): Promise<RawAnswer> {
    let path = prefix + pathOf(call);
    for (let hops = 0; ; hops += 1) {
      const answered = await once(call, token, path);
      const { redirect } = answered;
      if (redirect === undefined || call.method !== 'GET' || hops === MAX_REDIRECTS) return answered;
      const next = pathWithinHost(redirect);
      if (next === undefined) return answered;
      path = next;
    }
  }

  async function send(call: ApiCall): Promise<ApiAnswer> {
    if (call.signal?.aborted) throw cancelled(call);
    const token = await tokenFor(call, options.tokens);
    let answered = await ask(call, token);
    let used = token;
    if (token !== undefined && asksForLogin(answered)) {
      // Nothing was done for a refused token, so asking again is safe even for a POST.
      options.tokens?.invalidate(token);
      used = await tokenFor(call, options.tokens);
      // Asked even when the text is the same: two logins within a second can give equal tokens, and the new
      // one is good.
      if (used !== undefined) answered = await ask(call, used);
      if (used !== undefined && asksForLogin(answered)) options.tokens?.invalidate(used);
    }
    const error = outcomeOf(askedOf(options.baseUrl, call, used), answered);
    if (error !== undefined) throw error;
    return { status: answered.status, text: answered.text, requestId: answered.requestId, what: call.what };
  }

  return { baseUrl: options.baseUrl, send, close: () => dispatcher.close() };
}

const askedOf = (baseUrl: string, call: ApiCall, token: string | undefined): RequestInfo => ({
  kind: call.kind,
  what: call.what,
  baseUrl,
  ids: call.path.filter(isCloudId),
  withToken: token !== undefined,
  secrets: token === undefined ? (call.secrets ?? []) : [...(call.secrets ?? []), token],
});

async function tokenFor(call: ApiCall, tokens: TokenSource | undefined): Promise<string | undefined> {
  if (tokens === undefined || call.auth === 'none') return undefined;
  try {
    return await unlessAborted(tokens.get(), call);
  } catch (error) {
    if (call.auth === 'optional' && error instanceof CourierError && error.code === 'NDI_E_NO_CREDENTIALS')
      return undefined;
    throw error;
  }
}

/** A login that others wait for as well goes on; only this caller stops waiting for it. */
async function unlessAborted<Value>(work: Promise<Value>, call: ApiCall): Promise<Value> {
  const { signal } = call;
  if (signal === undefined) return work;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(cancelled(call));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

const cancelled = (call: ApiCall): CourierError =>
  new CourierError('NDI_E_CANCELLED', { detail: call.what, cause: call.signal?.reason });

function pathOf(call: ApiCall): string {
  const path = call.path.map((segment) => `/${encodeURIComponent(segment)}`).join('');
  const query = Object.entries(call.query ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(String(value))}`)
    .join('&');
  return query === '' ? path : `${path}?${query}`;
}

function headersOf(call: ApiCall, token: string | undefined, requestId: string): Record<string, string> {
  const hasBody = call.text !== undefined || call.json !== undefined;
  return {
    accept: 'application/json',
    'accept-encoding': 'gzip',
    'user-agent': 'ndi-courier',
    'x-request-id': requestId,
    ...(hasBody ? { 'content-type': 'application/json' } : {}),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
}

/**
 * One signal for cancellation and deadline. Not `AbortSignal.any`: its links to a run-long signal pile up.
 */
function startDeadline(signal: AbortSignal | undefined, totalMs: number) {
  const controller = new AbortController();
  let over = false;
  const timer = setTimeout(() => {
    over = true;
    controller.abort();
  }, totalMs);
  const onAbort = (): void => controller.abort();
  // It may have been aborted while a token was renewed, and says so only once.
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    isOver: (): boolean => over,
    stop(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}

const headerOf = (response: Dispatcher.ResponseData, name: string): string | undefined => {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

async function readAnswer(
  response: Dispatcher.ResponseData,
  sentId: string,
  maxBytes: number,
  asked: RequestInfo,
): Promise<RawAnswer> {
  const serverId = headerOf(response, 'x-request-id') ?? headerOf(response, 'x-amzn-requestid');
  const requestId = serverId !== undefined && /^[\w.:=+/-]{1,128}$/.test(serverId) ? serverId : sentId;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(asked, requestId, maxBytes);
    chunks.push(chunk);
  }
  let body = Buffer.concat(chunks);
  if (headerOf(response, 'content-encoding') === 'gzip' && body.length > 0) {
    body = await unpack(body, maxBytes, asked, requestId);
  }
  return {
    status: response.statusCode,
    text: body.toString('utf8').replace(/^\uFEFF/, ''),
    requestId,
    retryAfter: headerOf(response, 'retry-after'),
    date: headerOf(response, 'date'),
  };
}

const tooLarge = (asked: RequestInfo, requestId: string, maxBytes: number): CourierError =>
  new CourierError('NDI_E_ANSWER_TOO_LARGE', {
    detail: `${asked.what} (the answer is larger than ${Math.round(maxBytes / 1024 / 1024)} MiB)`,
    requestId,
  });

async function unpack(
  body: Buffer,
  maxBytes: number,
  asked: RequestInfo,
  requestId: string,
): Promise<Buffer<ArrayBuffer>> {
  try {
    return (await gunzipAsync(body, { maxOutputLength: maxBytes })) as Buffer<ArrayBuffer>;
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE')
      throw tooLarge(asked, requestId, maxBytes);
    throw new CourierError('NDI_E_BAD_ANSWER', { detail: `${asked.what} (damaged gzip)`, requestId });
  }
}
