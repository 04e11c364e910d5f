/**
 * Tokens: signed JWTs with the claims of a Cognito ID token (NDI Cloud contract §1.4). There is no refresh.
 */
import { jwtVerify, SignJWT } from 'jose';
import type { Knobs } from '../knobs.ts';
import { type Store, stateSecret } from '../store.ts';
import { Refusal, type UserRow } from './refusal.ts';

export interface Tokens {
  issue(user: UserRow): Promise<string>;
  /**
   * The user of an `Authorization` header; undefined without one. 401 for a token that is not good (any
   * more).
   */
  userOf(header: string | undefined): Promise<UserRow | undefined>;
  /** All tokens issued so far become invalid, whatever their `exp` says. */
  expireAll(): void;
}

interface KnownToken {
  readonly userId: string;
  readonly expiresMs: number;
  readonly generation: number;
}

const MAX_KNOWN = 1000;

export function createTokens(deps: { store: Store; knobs: Knobs; now: () => number }): Tokens {
  const { store, knobs, now } = deps;
  const key = stateSecret(store, 'tokenSecret');
  const known = new Map<string, KnownToken>();
  const generation = (): number => Number(store.setting('tokenGeneration') ?? 0);
  let current = generation();

  const verify = async (token: string): Promise<KnownToken> => {
    const cached = known.get(token);
    if (cached !== undefined) return cached;
    // Expiry is judged below, by the sandbox's own clock.
    const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'], currentDate: new Date(0) });
    const entry = {
      userId: String(payload.sub),
      expiresMs: (payload.exp ?? 0) * 1000,
      generation: Number(payload.gen ?? 0),
    };
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(token, entry);
    return entry;
  };
  const unauthorized = (error: string): Refusal => new Refusal({ status: 401, body: { error } });

  return {
    issue: async (user) => {
      const issued = Math.floor(now() / 1000);
      return new SignJWT({ email: user.email, token_use: 'id', 'cognito:username': user.id, gen: current })
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
        .setSubject(user.id)
        .setIssuer('ndi-cloud-sandbox')
        .setIssuedAt(issued)
        .setExpirationTime(issued + knobs.tokenTtlSeconds)
        .sign(key);
    },
    userOf: async (header) => {
      if (header === undefined) return undefined;
      const token = /^Bearer\s+(\S+)$/i.exec(header)?.[1];
      if (token === undefined) throw unauthorized('invalid token');
      const entry = await verify(token).catch(() => undefined);
      if (entry === undefined) throw unauthorized('invalid token');
      if (entry.expiresMs <= now() || entry.generation < current) throw unauthorized('token expired');
      const user = store.get<UserRow>('SELECT * FROM users WHERE id=?', entry.userId);
      if (user === undefined) throw unauthorized('invalid token');
      return user;
    },
    expireAll: () => {
      current = generation() + 1;
      store.setSetting('tokenGeneration', String(current));
    },
  };
}
