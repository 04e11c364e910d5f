/**
 * Where the bearer token comes from, and how it stays valid: tokens last an hour, there is no refresh (NDI
 * Cloud contract §1.4), so a new one is a new login. Tokens live in memory only.
 *
 * Order: a token that was given, `NDI_CLOUD_TOKEN` while it lasts, the profile that was named; and when none
 * was named, `NDI_CLOUD_USERNAME` with `NDI_CLOUD_PASSWORD`, then the default profile. Credentials are looked
 * up again at every renewal, so that a login made in another process is picked up without a restart.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { decodeJwt, type JWTPayload } from 'jose';
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { Network } from '../../net/network.ts';
import { requestToken } from '../cloud/auth.ts';
import { repeatRequests } from '../cloud/repeat.ts';
import { createRequester, type Timeouts } from '../cloud/request.ts';
import type { TokenSource } from '../cloud/types.ts';
import { type Environment, setting } from './environment.ts';

export interface Credentials {
  readonly email: string;
  readonly password: string;
  /** For people: `profile "lab"`. */
  readonly from: string;
}

export interface TokenSourceOptions {
  readonly baseUrl: string;
  readonly env: Environment;
  /** Before all else. */
  readonly token?: string | undefined;
  /**
   * Credentials of the chosen profile, read anew each time; `undefined` when there is no profile. May throw
   * needs-login errors.
   */
  readonly profile?: () => Promise<Credentials | undefined>;
  /** Changes whenever the profile may have changed; cheap. */
  readonly profileStamp?: () => string;
  /**
   * Set when the person named a profile: then no other account may stand in for it. Its e-mail, if it is
   * known.
   */
  readonly namedProfile?: (() => { readonly email: string | undefined }) | undefined;
  readonly timeouts?: Timeouts | undefined;
  readonly network?: Network | undefined;
  readonly renewBeforeMs?: number;
  /** How long credentials that were refused are not tried again; guards an account from being locked. */
  readonly refusedForMs?: number;
  readonly now?: () => number;
}

interface HeldToken {
  readonly token: string;
  /** `undefined` when it cannot be read from the token. */
  readonly expiresAtMs: number | undefined;
  /**
   * Which credentials it was made with; `undefined` for a token from outside, which nobody here can renew.
   */
  readonly credentialsKey: string | undefined;
}

/** A token from outside is used nearly to its end; a little is left for the request on its way. */
const GIVEN_MARGIN_MS = 30_000;

const LOGIN_REPEATS = { attempts: 5, withinMs: 15_000 } as const;

/** Waits before a refused login is tried again. Identity services lock an account after five refusals. */
const REFUSED_AGAIN_AFTER_MS = [300, 1_000] as const;

/** Clouds refuse good passwords now and then, and a run that believes it waits for a person. */
async function convinced(login: () => Promise<string>): Promise<string> {
  for (const waitMs of REFUSED_AGAIN_AFTER_MS) {
    try {
      return await login();
    } catch (error) {
      if (!isCourierError(error, 'NDI_E_WRONG_PASSWORD')) throw error;
      await sleep(waitMs);
    }
  }
  return login();
}

export interface TokenClaims {
  readonly expiresAtMs: number | undefined;
  readonly email: string | undefined;
}

/** The claims of a token, unverified: only the server can verify it. Nothing for a token that is no JWT. */
export function tokenClaims(token: string): TokenClaims {
  let claims: JWTPayload;
  try {
    claims = decodeJwt(token);
  } catch {
    return { expiresAtMs: undefined, email: undefined };
  }
  // Claims are whatever JSON the issuer wrote, whatever jose's types say.
  const { exp, email }: Record<string, unknown> = claims;
  return {
    expiresAtMs: typeof exp === 'number' && Number.isFinite(exp) ? exp * 1000 : undefined,
    email: typeof email === 'string' ? email : undefined,
  };
}

const keyOf = (credentials: Credentials): string =>
  createHash('sha256')
    .update(JSON.stringify([credentials.email, credentials.password]))
    .digest('base64');

export function createTokenSource(options: TokenSourceOptions): TokenSource {
  const now = options.now ?? Date.now;
  const renewBeforeMs = options.renewBeforeMs ?? 5 * 60_000;
  const refusedForMs = options.refusedForMs ?? 5 * 60_000;
  // Everything secret is in this closure, where neither inspect nor JSON can see it.
  const refusedTokens = new Set<string>();
  const refusedLogins = new Map<string, { untilMs: number; error: CourierError }>();
  let held: HeldToken | undefined;
  let stamp = options.profileStamp?.() ?? '';
  let renewal: Promise<string> | undefined;
  let speaker = 'no login yet';

  const livesFor = (expiresAtMs: number | undefined, marginMs: number): boolean =>
    expiresAtMs === undefined || expiresAtMs - marginMs > now();

  const isFresh = (one: HeldToken): boolean =>
    livesFor(one.expiresAtMs, one.credentialsKey === undefined ? GIVEN_MARGIN_MS : renewBeforeMs);

  function givenToken(): (HeldToken & { readonly from: string }) | undefined {
    const profileEmail = options.namedProfile?.().email;
    const candidates = [
      { token: options.token?.trim(), from: 'the given token' },
      { token: setting(options.env, 'NDI_CLOUD_TOKEN'), from: 'NDI_CLOUD_TOKEN' },
    ];
    for (const { token, from } of candidates) {
      if (token === undefined || !/^[\x21-\x7e]+$/.test(token) || refusedTokens.has(token)) continue;
      const claims = tokenClaims(token);
      if (!livesFor(claims.expiresAtMs, GIVEN_MARGIN_MS)) continue;
      // A stray NDI_CLOUD_TOKEN of somebody else must not act in the name of the profile that was asked for.
      const isOther = claims.email?.toLowerCase() !== profileEmail?.toLowerCase();
      if (profileEmail !== undefined && claims.email !== undefined && isOther) continue;
      return { token, from, expiresAtMs: claims.expiresAtMs, credentialsKey: undefined };
    }
    return undefined;
  }

  function fromEnvironment(): Credentials | undefined {
    const email = setting(options.env, 'NDI_CLOUD_USERNAME');
    // Not trimmed: a password may start or end with a blank.
    const password = options.env.NDI_CLOUD_PASSWORD;
    if (email === undefined || password === undefined || password === '') return undefined;
    return { email, password, from: 'NDI_CLOUD_USERNAME' };
  }

  async function credentials(): Promise<Credentials | undefined> {
    if (options.namedProfile !== undefined) return options.profile?.();
    return fromEnvironment() ?? (await options.profile?.());
  }

  function noLogin(): CourierError {
    const hadToken =
      refusedTokens.size > 0 || options.token !== undefined || setting(options.env, 'NDI_CLOUD_TOKEN');
    if (!hadToken) return new CourierError('NDI_E_NO_CREDENTIALS', { detail: `For ${options.baseUrl}.` });
    return new CourierError('NDI_E_LOGIN_EXPIRED', {
      detail: 'The token has run out, and there are no credentials to get another one.',
    });
  }

  async function logIn(found: Credentials): Promise<string> {
    const key = keyOf(found);
    const refused = refusedLogins.get(key);
    if (refused !== undefined && refused.untilMs > now()) throw refused.error;
    const requester = createRequester({
      baseUrl: options.baseUrl,
      connections: 1,
      timeouts: options.timeouts,
      network: options.network,
    });
    try {
      // A login that fails would throw away the request for which it is made, which may be one that nobody
      // repeats.
      const token = await convinced(() => requestToken(repeatRequests(requester, LOGIN_REPEATS), found));
      refusedLogins.clear();
      held = { token, expiresAtMs: tokenClaims(token).expiresAtMs, credentialsKey: key };
      speaker = `${found.email} by ${found.from}`;
      return token;
    } catch (error) {
      if (isCourierError(error, 'NDI_E_WRONG_PASSWORD')) {
        held = undefined;
        refusedLogins.set(key, { untilMs: now() + refusedForMs, error });
      }
      throw error;
    } finally {
      await requester.close();
    }
  }

  async function renew(): Promise<string> {
    // Read before the credentials are: a login made in between is then noticed next time.
    stamp = options.profileStamp?.() ?? '';
    const given = givenToken();
    if (given !== undefined) {
      held = given;
      speaker = given.from;
      return given.token;
    }
    const found = await credentials();
    const old =
      held !== undefined && found !== undefined && held.credentialsKey === keyOf(found) ? held : undefined;
    held = old;
    if (found === undefined) throw noLogin();
    if (old !== undefined && isFresh(old)) return old.token;
    try {
      return await logIn(found);
    } catch (error) {
      // The cloud is away for a moment, but the old token of the same account still lives: use it up.
      const isPassing = error instanceof CourierError && error.class === 'retryable';
      if (isPassing && old !== undefined && old === held && livesFor(old.expiresAtMs, 10_000))
        return old.token;
      throw error;
    }
  }

  const source: TokenSource = {
    async get() {
      if (renewal === undefined && held !== undefined && isFresh(held)) {
        if (stamp === (options.profileStamp?.() ?? '')) return held.token;
      }
      // However many requests find the token gone, one login is made.
      renewal ??= renew().finally(() => {
        renewal = undefined;
      });
      return renewal;
    },
    invalidate(token) {
      if (held?.token !== token) return;
      // Only a token from outside can come back by itself.
      if (held.credentialsKey === undefined) refusedTokens.add(token);
      held = undefined;
    },
    describe: () => `${speaker} at ${options.baseUrl}`,
  };
  Object.defineProperty(source, inspect.custom, { value: () => `TokenSource(${source.describe()})` });
  Object.defineProperty(source, 'toString', { value: () => `TokenSource(${source.describe()})` });
  Object.defineProperty(source, 'toJSON', { value: () => source.describe() });
  return source;
}
