/**
 * The wire faults, applied to one response: they answer before the work, throw the answer away, or spoil its
 * body.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { drained } from './drained.ts';
import { type FaultHit, findHit, type Interception, param } from './fault-kinds.ts';
import { xmlError } from './objects/xml.ts';
import { resetConnection } from './reset.ts';

/** Answers without doing the work where a switch says so: refusals of a gateway, a lock or a store. */
export function answerEarly({ origin, request, response, hits }: Interception): boolean {
  const objects = origin === 'objects';
  const send = (status: number, body: string, type: string, headers: OutgoingHttpHeaders = {}): true => {
    // The body is read off, as a gateway does: otherwise the client sees a broken pipe and not the status.
    request.resume();
    response.writeHead(status, {
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(body),
      ...headers,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
    return true;
  };
  const json = 'application/json';
  const slow = findHit(hits, '429');
  if (slow !== undefined) {
    const headers = { 'Retry-After': String(param(slow, 'retryAfterSeconds', 1)) };
    return objects
      ? send(
          param(slow, 'status', 503),
          xmlError('SlowDown', 'Please reduce your request rate.'),
          'application/xml',
          headers,
        )
      : send(429, '{"message":"Too Many Requests"}', json, headers);
  }
  const broken = findHit(hits, '5xx');
  if (broken !== undefined) {
    const status = param(broken, 'status', 500);
    if (objects) {
      const code = status === 503 ? 'ServiceUnavailable' : 'InternalError';
      return send(
        status,
        xmlError(code, 'We encountered an internal error. Please try again.'),
        'application/xml',
      );
    }
    if (status === 500) return send(500, 'An error occured.  Please check the logs.', 'text/plain');
    const message =
      status === 504
        ? 'Endpoint request timed out'
        : status === 503
          ? 'Service Unavailable'
          : 'Internal server error';
    return send(status, JSON.stringify({ message }), json);
  }
  const locked = findHit(hits, '423');
  if (locked !== undefined) {
    const heldUntil = new Date(Date.now() + param(locked, 'ttlSeconds', 1800) * 1000).toISOString();
    return send(
      423,
      JSON.stringify({ message: 'Locked', heldBy: 'another user', heldUntil, reason: 'migration' }),
      json,
    );
  }
  if (findHit(hits, 'expired-token') !== undefined) return send(401, '{"error":"token expired"}', json);
  return false;
}

/** The work is done, the caller never learns it: the answer is dropped for a 504 or a reset. */
export function discardAnswer({ request, response }: Interception, hit: FaultHit): void {
  const real = { writeHead: response.writeHead.bind(response), end: response.end.bind(response) };
  let over = false;
  const finish = async (): Promise<void> => {
    if (over) return;
    over = true;
    await sleep(param(hit, 'delayMs', 0));
    if (hit.kind === 'reset-after') {
      resetConnection(request.socket);
      return;
    }
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    const body = '{"message":"Endpoint request timed out"}';
    real.writeHead(504, { 'Content-Type': 'application/json', 'Content-Length': body.length });
    real.end(body);
  };
  const lastCallback = (args: unknown[]): void => {
    const callback = args.findLast((arg) => typeof arg === 'function') as (() => void) | undefined;
    if (callback !== undefined) setImmediate(callback);
  };
  response.writeHead = () => response;
  response.flushHeaders = () => undefined;
  response.write = ((...args: unknown[]) => {
    lastCallback(args);
    return true;
  }) as ServerResponse['write'];
  response.end = ((...args: unknown[]) => {
    lastCallback(args);
    void finish();
    return response;
  }) as ServerResponse['end'];
}

interface BodyPlan {
  /** After how many body bytes something happens, and what. */
  readonly cutBytes: number;
  readonly onCut: 'truncate' | 'stall' | undefined;
  readonly stallMs: number;
  readonly bytesPerSecond: number;
  readonly flipByte: number;
}

function planBody(hits: readonly FaultHit[], totalBytes: number): BodyPlan {
  const cut = findHit(hits, 'truncated-get') ?? findHit(hits, 'stalled-body');
  const half = Math.floor(totalBytes * param(cut, 'fraction', 0.5));
  const flip = findHit(hits, 'corrupt-get');
  return {
    cutBytes:
      cut === undefined ? Number.POSITIVE_INFINITY : Math.min(param(cut, 'afterBytes', half), totalBytes),
    onCut: cut === undefined ? undefined : cut.kind === 'truncated-get' ? 'truncate' : 'stall',
    stallMs: param(cut, 'stallMs', 600_000),
    bytesPerSecond: param(findHit(hits, 'slow-body'), 'bytesPerSecond', Number.POSITIVE_INFINITY),
    flipByte: flip === undefined ? -1 : param(flip, 'atByte', Math.floor(totalBytes / 2)),
  };
}

const SHAPING = new Set(['slow-body', 'stalled-body', 'truncated-get', 'corrupt-get']);

/** Slows, stalls, cuts or corrupts the body of the answer, chunk by chunk; memory stays at one chunk. */
export function shapeAnswer({ request, response, hits }: Interception): void {
  if (!hits.some((hit) => SHAPING.has(hit.kind))) return;
  const real = {
    writeHead: response.writeHead.bind(response) as (
      status: number,
      headers: OutgoingHttpHeaders,
    ) => ServerResponse,
    write: response.write.bind(response) as (chunk: Uint8Array) => boolean,
    end: response.end.bind(response) as () => ServerResponse,
  };
  const silent = findHit(hits, 'truncated-get')?.params.silent === true;
  let plan = planBody(hits, 0);
  let sent = 0;
  let queue: Promise<void> = Promise.resolve();

  const pass = async (chunk: Uint8Array): Promise<void> => {
    for (let from = 0; from < chunk.length; ) {
      if (response.destroyed) return;
      if (sent >= plan.cutBytes) {
        if (plan.onCut === 'stall') await sleep(plan.stallMs, undefined, { ref: false });
        if (!silent) cutConnection(request, response);
        return;
      }
      const slice = Math.max(1, Math.min(64 * 1024, Math.floor(plan.bytesPerSecond / 20)));
      const piece = Buffer.from(chunk.subarray(from, from + Math.min(slice, plan.cutBytes - sent)));
      const flipAt = plan.flipByte - sent;
      if (flipAt >= 0 && flipAt < piece.length) piece[flipAt] = piece[flipAt]! ^ 0xff;
      from += piece.length;
      sent += piece.length;
      if (Number.isFinite(plan.bytesPerSecond)) await sleep((piece.length / plan.bytesPerSecond) * 1000);
      if (!real.write(piece) && !response.destroyed) await drained(response);
    }
  };
  const asBytes = (chunk: unknown): Uint8Array =>
    typeof chunk === 'string' ? Buffer.from(chunk) : chunk instanceof Uint8Array ? chunk : new Uint8Array();

  response.writeHead = ((status: number, ...rest: unknown[]) => {
    const given = rest.findLast((arg) => typeof arg === 'object' && arg !== null) as
      | OutgoingHttpHeaders
      | undefined;
    const headers: OutgoingHttpHeaders = { ...response.getHeaders() };
    for (const [name, value] of Object.entries(given ?? {})) headers[name.toLowerCase()] = value;
    plan = planBody(hits, Number(headers['content-length'] ?? 0));
    if (silent && Number.isFinite(plan.cutBytes)) headers['content-length'] = plan.cutBytes;
    return real.writeHead(status, headers);
  }) as ServerResponse['writeHead'];
  response.write = ((chunk: unknown, ...rest: unknown[]) => {
    const callback = rest.find((arg) => typeof arg === 'function') as (() => void) | undefined;
    queue = queue
      .then(() => pass(asBytes(chunk)))
      .then(() => {
        callback?.();
        response.emit('drain');
      });
    return false;
  }) as ServerResponse['write'];
  response.end = ((chunk?: unknown) => {
    queue = queue
      .then(() => pass(asBytes(chunk)))
      .then(() => {
        if (response.destroyed) return;
        // An empty body cannot be cut in two: the connection ends instead.
        if (plan.onCut === 'truncate' && !silent && sent >= plan.cutBytes) cutConnection(request, response);
        else real.end();
      });
    return response;
  }) as ServerResponse['end'];
}

/** Ends the connection in the middle of an answer, after what was written has left. */
function cutConnection(request: IncomingMessage, response: ServerResponse): void {
  response.flushHeaders();
  setImmediate(() => request.socket.destroySoon());
}

/**
 * How a request's body is taken in under a fault: at what pace, and where it stops. For the object store's
 * PUT.
 */
export function intakeOf(
  hits: readonly FaultHit[],
  request: IncomingMessage,
): { pace(bytes: number): Promise<void> | undefined } | undefined {
  const reset = findHit(hits, 'reset-during');
  const slow = findHit(hits, 'slow-body');
  const stall = findHit(hits, 'stalled-body');
  if (reset === undefined && slow === undefined && stall === undefined) return undefined;
  const total = Number(request.headers['content-length'] ?? 0);
  let taken = 0;
  let stalled = false;
  const cut = param(reset ?? stall, 'afterBytes', Math.floor(total * param(reset ?? stall, 'fraction', 0.5)));
  const bytesPerSecond = param(slow, 'bytesPerSecond', Number.POSITIVE_INFINITY);
  return {
    pace: (bytes) => {
      taken += bytes;
      if (taken >= cut && reset !== undefined) {
        resetConnection(request.socket);
        // Even where this was the whole body: what was reset is not stored.
        return Promise.reject(new Error('reset by a fault'));
      }
      if (taken >= cut && stall !== undefined && !stalled) {
        stalled = true;
        return sleep(param(stall, 'stallMs', 600_000), undefined, { ref: false });
      }
      return Number.isFinite(bytesPerSecond) ? sleep((bytes / bytesPerSecond) * 1000) : undefined;
    },
  };
}
