/**
 * Everything the cloud does wrong, on demand. One middleware stands in front of both origins; a switch names
 * a route, a kind, and how often it fires.
 *
 * A kind belongs to one of three places, and `KINDS` says which:
 *   wire     handled here: the connection, the status or the body is spoiled (`fault-wire.ts`)
 *   handler  handled by the route: it asks `hits(incoming)` (replica lag, page order, duplicates, dead URLs)
 *   worker   handled by the asynchronous work: it asks `worker(name)` for the pseudo-routes of
 *            `WORKER_ROUTES`; a switch on `PUT object` reaches the work that this PUT starts, too
 */
import type { IncomingMessage, RequestListener } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { CourierError } from '../errors/index.ts';
import type { Counters } from './counters.ts';
import {
  type FaultHit,
  type FaultOrigin,
  type FaultSpec,
  type FaultState,
  findHit,
  type Interception,
  KINDS,
  param,
} from './fault-kinds.ts';
import { answerEarly, discardAnswer, shapeAnswer } from './fault-wire.ts';
import { resetConnection } from './reset.ts';
import { normalizeRoute, type RouteTable } from './routes.ts';

export * from './fault-kinds.ts';

export interface FaultControl {
  /**
   * Answers the id. Throws `NDI_E_USAGE` for an unknown kind or route, so that a typo does not pass as "no
   * fault".
   */
  set(spec: FaultSpec): string;
  /** One switch, or all of them. Answers how many there were. */
  clear(id?: string): number;
  list(): FaultState[];
  requests(): ReturnType<Counters['report']>;
  resetRequests(): void;
}

export interface Faults extends FaultControl {
  /** The switches that fired for this request. */
  hits(incoming: IncomingMessage): readonly FaultHit[];
  /** The switches that fire for a piece of asynchronous work. */
  worker(name: string, subject: string): FaultHit[];
  wrap(origin: 'api' | 'objects', name: RouteNamer, listener: RequestListener): RequestListener;
}

/** The route's name and the path to show (no query). */
export type RouteNamer = (request: IncomingMessage) => { route: string; path: string };

const WORKER_ROUTES = [
  'IMPORT documents',
  'IMPORT files',
  'MAKE download',
  'RUN compute',
  'SIGN urls',
  'MOVE tiers',
];
const OBJECT_ROUTES = ['PUT object', 'GET object', 'HEAD object'];
const NO_HITS: readonly FaultHit[] = [];

const usage = (detail: string): CourierError => new CourierError('NDI_E_USAGE', { detail });

function checkSpec(spec: FaultSpec, routes: RouteTable): FaultOrigin {
  if (typeof spec?.route !== 'string' || spec.route === '') throw usage('a fault needs a route');
  if (!Object.hasOwn(KINDS, spec.kind)) throw usage(`unknown kind of fault: ${String(spec.kind)}`);
  for (const name of ['count', 'skip', 'probability'] as const) {
    const value = spec[name];
    if (value !== undefined && !(typeof value === 'number' && value >= 0))
      throw usage(`${name} must be a number`);
  }
  if (WORKER_ROUTES.includes(spec.route)) return 'worker';
  if (OBJECT_ROUTES.includes(spec.route)) return 'objects';
  if (spec.route === '*' || spec.route.startsWith('/')) return spec.origin ?? 'api';
  if (!routes.has(spec.route)) throw usage(`no such route: ${spec.route}`);
  return 'api';
}

/** Compiles what a switch is about into one question, so that a request asks and does not parse. */
function matcher(spec: FaultSpec): (route: string, path: string) => boolean {
  const key = typeof spec.params?.key === 'string' ? new RegExp(spec.params.key) : undefined;
  const keyFits = (path: string): boolean => key === undefined || key.test(path);
  if (spec.route === '*') return (_route, path) => keyFits(path);
  if (spec.route.startsWith('/')) {
    const pattern = new RegExp(spec.route.replace(/^\/|\/$/g, ''));
    return (route, path) => keyFits(path) && pattern.test(`${route.split(' ', 1)[0]} ${path}`);
  }
  const wanted = normalizeRoute(spec.route);
  return (route, path) => normalizeRoute(route) === wanted && keyFits(path);
}

export function createFaults(deps: {
  routes: RouteTable;
  counters: Counters;
  random?: () => number;
}): Faults {
  const { routes, counters, random = Math.random } = deps;
  const active = new Map<string, { state: FaultState; fits: (route: string, path: string) => boolean }>();
  const hitsOf = new WeakMap<IncomingMessage, readonly FaultHit[]>();
  let nextId = 1;

  const fire = (origin: FaultOrigin, route: string, path: string): FaultHit[] => {
    const hits: FaultHit[] = [];
    for (const { state, fits } of active.values()) {
      if (state.origin !== origin || !fits(route, path)) continue;
      state.seen++;
      if (state.seen <= (state.skip ?? 0) || state.fired >= (state.count ?? Number.POSITIVE_INFINITY))
        continue;
      if (state.probability !== undefined && random() >= state.probability) continue;
      state.fired++;
      hits.push({ id: state.id, kind: state.kind, params: state.params ?? {} });
    }
    return hits;
  };

  return {
    set: (spec) => {
      const origin = checkSpec(spec, routes);
      const id = spec.id ?? `fault-${nextId++}`;
      active.set(id, { state: { ...spec, id, origin, seen: 0, fired: 0 }, fits: matcher(spec) });
      return id;
    },
    clear: (id) => {
      if (id !== undefined) return active.delete(id) ? 1 : 0;
      const { size } = active;
      active.clear();
      return size;
    },
    list: () => [...active.values()].map(({ state }) => ({ ...state })),
    requests: () => counters.report(),
    resetRequests: () => counters.reset(),
    hits: (incoming) => hitsOf.get(incoming) ?? NO_HITS,
    worker: (name, subject) => (active.size === 0 ? [] : fire('worker', name, subject)),
    wrap: (origin, name, listener) => (request, response) => {
      const { route, path } = name(request);
      const hits = active.size === 0 ? NO_HITS : fire(origin, route, path);
      const startedMs = performance.now();
      response.once('close', () => {
        counters.record({
          origin,
          method: request.method ?? '',
          path,
          route,
          status: response.writableFinished ? response.statusCode : 0,
          durationMs: Math.round(performance.now() - startedMs),
          ...(hits.length === 0 ? {} : { faults: hits.map((hit) => hit.kind) }),
        });
      });
      if (hits.length === 0) return void listener(request, response);
      hitsOf.set(request, hits);
      void intercept({ origin, request, response, hits, listener });
    },
  };
}

/** Applies the wire faults in the order in which the network would: before the work, then to its answer. */
async function intercept(interception: Interception): Promise<void> {
  const { request, response, hits, listener } = interception;
  const latency = findHit(hits, 'latency');
  if (latency !== undefined) await sleep(param(latency, 'ms', 1000));
  if (request.destroyed && !request.complete) return;
  if (findHit(hits, 'reset-before') !== undefined) {
    resetConnection(request.socket);
    return;
  }
  if (answerEarly(interception)) return;
  const after = findHit(hits, 'reset-after') ?? findHit(hits, '504-after-work');
  if (after !== undefined) discardAnswer(interception, after);
  else shapeAnswer(interception);
  listener(request, response);
}
