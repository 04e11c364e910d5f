/**
 * The frame of every route of the cloud: the request as a route sees it, and the work before and after it.
 * Answers and refusals are in `refusal.ts`.
 */
import type { HttpBindings } from '@hono/node-server';
import type { Context, Hono } from 'hono';
import type { Counters } from '../counters.ts';
import { type FaultHit, type FaultKind, type Faults, findHit, param } from '../faults.ts';
import { parseLenient } from '../json.ts';
import type { Knobs } from '../knobs.ts';
import type { Bucket } from '../objects/bucket.ts';
import type { Signer } from '../objects/sign.ts';
import type { RouteTable } from '../routes.ts';
import type { Store } from '../store.ts';
import type { Tasks } from '../tasks.ts';
import { type Answer, badRequest, Refusal, refuse, serverError, type UserRow } from './refusal.ts';
import type { Tokens } from './tokens.ts';

export type CloudEnv = { Bindings: HttpBindings };

export interface Cloud {
  readonly store: Store;
  readonly knobs: Knobs;
  readonly tasks: Tasks;
  readonly bucket: Bucket;
  readonly signer: Signer;
  readonly faults: Faults;
  readonly counters: Counters;
  readonly routes: RouteTable;
  readonly tokens: Tokens;
  readonly now: () => number;
  readonly log: (line: string) => void;
}

/** A request as a route sees it. */
export interface Ask {
  readonly cloud: Cloud;
  readonly user: UserRow | undefined;
  readonly hits: readonly FaultHit[];
  param(name: string): string;
  query(name: string): string | undefined;
  /** The body as JSON text, whatever its content type says (§9.3 item 3); `{}` where there is none. */
  json(): Promise<unknown>;
  /** The body as an object. 400 for anything else. */
  object(): Promise<Record<string, unknown>>;
  hit(kind: FaultKind): FaultHit | undefined;
  /** The moment whose state a list shows: now, or some time ago on a lagging replica. */
  asOf(): number;
}

export type Handler = (ask: Ask) => Answer | Promise<Answer>;
/**
 * `required`: 401 without a token; `optional`: anonymous is fine, a bad token is not; `none`: tokens are not
 * looked at.
 */
export type AuthMode = 'required' | 'optional' | 'none';

export interface Api {
  readonly cloud: Cloud;
  route(method: string, pattern: string, auth: AuthMode, handler: Handler): void;
}

/** Lambda takes at most this much, and answers at most this much (§4.4). */
export const MAX_BODY_BYTES = 6 * 1024 * 1024;

export function createApi(
  app: Hono<CloudEnv>,
  cloud: Cloud,
  respond: (c: Context<CloudEnv>, answer: Answer) => Promise<Response>,
): Api {
  return {
    cloud,
    route: (method, pattern, auth, handler) => {
      cloud.routes.add(method, pattern);
      app.on(method, pattern, async (c) => {
        try {
          const user = auth === 'none' ? undefined : await cloud.tokens.userOf(c.req.header('authorization'));
          if (auth === 'required' && user === undefined) throw refuse(401, { message: 'Unauthorized' });
          return await respond(c, await handler(createAsk(c, cloud, user)));
        } catch (error) {
          if (error instanceof Refusal) return respond(c, error.answer);
          cloud.log(
            `api: ${method} ${pattern}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
          );
          return respond(c, serverError().answer);
        }
      });
    },
  };
}

function createAsk(c: Context<CloudEnv>, cloud: Cloud, user: UserRow | undefined): Ask {
  const hits = cloud.faults.hits(c.env.incoming);
  const hit = (kind: FaultKind): FaultHit | undefined => findHit(hits, kind);
  const json = async (): Promise<unknown> => {
    const tooLong = refuse(413, { message: 'Request Too Long' });
    if (Number(c.req.header('content-length') ?? 0) > MAX_BODY_BYTES) throw tooLong;
    const text = await c.req.text();
    if (Buffer.byteLength(text) > MAX_BODY_BYTES) throw tooLong;
    if (text.trim() === '') return {};
    try {
      return parseLenient(text);
    } catch {
      throw badRequest('Unexpected token in JSON');
    }
  };
  return {
    cloud,
    user,
    hits,
    hit,
    param: (name) => c.req.param(name) ?? '',
    query: (name) => c.req.query(name),
    json,
    object: async () => {
      const value = await json();
      if (!isObject(value)) throw badRequest('The body must be a JSON object');
      return value;
    },
    asOf: () => cloud.now() - param(hit('replica-lag'), 'ms', hit('replica-lag') === undefined ? 0 : 2000),
  };
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The user of a route whose auth mode is `required`. */
export function userOf(ask: Ask): UserRow {
  if (ask.user === undefined) throw refuse(401, { message: 'Unauthorized' });
  return ask.user;
}

export interface Page {
  readonly page: number;
  readonly pageSize: number;
  readonly offset: number;
}

/** `page` is 1-based; a size above the cap is cut, not refused. */
export function pageOf(ask: Ask, defaultSize: number, maxSize: number): Page {
  const whole = (text: string | undefined, fallback: number): number => {
    const value = Number(text ?? fallback);
    return Number.isInteger(value) && value >= 1 ? value : fallback;
  };
  const page = whole(ask.query('page'), 1);
  const pageSize = Math.min(whole(ask.query('pageSize'), defaultSize), maxSize);
  return { page, pageSize, offset: (page - 1) * pageSize };
}

const WHEN_UNITS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000 };

/** How long until a deletion is final: `now`, `7d`, `24h`, `30m` (§2.4 D5); both clients default to `7d`. */
export function whenMs(text: string | undefined): number {
  if (text === 'now') return 0;
  const found = /^(\d{1,6})([dhm])$/.exec(text === undefined || text === '' ? '7d' : text);
  if (found === null) throw badRequest('Invalid value for when');
  return Number(found[1]) * (WHEN_UNITS[found[2] ?? ''] ?? 0);
}

export const iso = (ms: number): string => new Date(ms).toISOString();
export const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms));
