import { format, inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ErrorCode, isCourierError } from '../../errors/index.ts';
import { answer, startTestServer, type TestServer, tokenFor } from '../../test/setup/http-server.ts';
import type { TokenSource } from '../cloud/types.ts';
import { createTokenSource, type TokenSourceOptions, tokenClaims } from './token-source.ts';

const EMAIL = 'ana@example.org';
const PASSWORD = 'correct horse';
const login = { NDI_CLOUD_USERNAME: EMAIL, NDI_CLOUD_PASSWORD: PASSWORD };

let server: TestServer;
let issued: string[];
let secondsToLive: number;
beforeEach(async () => {
  issued = [];
  secondsToLive = 3600;
  server = await startTestServer((request, response) => {
    const { email, password } = JSON.parse(request.body) as { email: string; password: string };
    if (password !== PASSWORD) return answer(response, 401, { message: `Incorrect password ${password}` });
    const token = tokenFor(email, secondsToLive, String(issued.length));
    issued.push(token);
    answer(response, 200, { token, user: { id: '1' } });
  });
});
afterEach(() => server[Symbol.asyncDispose]());

const source = (options: Partial<TokenSourceOptions> = {}): TokenSource =>
  createTokenSource({ baseUrl: server.baseUrl, env: {}, ...options });
const codeOf = (work: Promise<unknown>): Promise<ErrorCode | 'none'> =>
  work.then(
    () => 'none' as const,
    (error: unknown) => {
      if (isCourierError(error)) return error.code;
      throw error;
    },
  );

describe('where a token comes from', () => {
  it('is the given one, then NDI_CLOUD_TOKEN while it lasts, then the login of the environment', async () => {
    const given = tokenFor(EMAIL, 600, 'given');
    const ofEnv = tokenFor(EMAIL, 600, 'env');
    expect(await source({ token: given, env: { NDI_CLOUD_TOKEN: ofEnv } }).get()).toBe(given);
    expect(await source({ env: { NDI_CLOUD_TOKEN: ofEnv, ...login } }).get()).toBe(ofEnv);
    expect(issued).toHaveLength(0);
    const old = tokenFor(EMAIL, -5);
    expect(await source({ env: { NDI_CLOUD_TOKEN: old, ...login } }).get()).toBe(issued[0]);
    expect(server.seen[0]).toMatchObject({ method: 'POST', path: '/auth/login' });
  });

  it('is the named profile and nobody else, or else the environment before the default profile', async () => {
    const profile = async () => ({ email: 'lab@example.org', password: PASSWORD, from: 'profile "lab"' });
    const claims = async (options: Partial<TokenSourceOptions>) =>
      tokenClaims(await source(options).get()).email;
    const namedProfile = () => ({ email: 'lab@example.org' });
    expect(await claims({ env: login, profile, namedProfile })).toBe('lab@example.org');
    expect(await claims({ env: login, profile })).toBe(EMAIL);
    expect(await claims({ profile })).toBe('lab@example.org');
    const stray = { NDI_CLOUD_TOKEN: tokenFor('stranger@example.org', 600) };
    expect(await claims({ env: stray, profile, namedProfile })).toBe('lab@example.org');
  });

  it('is an error that needs a login when there is nothing, or nothing left', async () => {
    expect(await codeOf(source().get())).toBe('NDI_E_NO_CREDENTIALS');
    expect(await codeOf(source({ env: { NDI_CLOUD_USERNAME: EMAIL } }).get())).toBe('NDI_E_NO_CREDENTIALS');
    expect(await codeOf(source({ env: { NDI_CLOUD_TOKEN: tokenFor(EMAIL, -5) } }).get())).toBe(
      'NDI_E_LOGIN_EXPIRED',
    );
    const refused = source({ token: 'opaque-token' });
    expect(await refused.get()).toBe('opaque-token');
    refused.invalidate('opaque-token');
    expect(await codeOf(refused.get())).toBe('NDI_E_LOGIN_EXPIRED');
  });
});

describe('renewal', () => {
  it('happens five minutes before the end, and not before', async () => {
    let now = Date.now();
    const tokens = source({ env: login, now: () => now });
    const first = await tokens.get();
    now += 54 * 60_000;
    expect(await tokens.get()).toBe(first);
    now += 90_000;
    expect(await tokens.get()).toBe(issued[1]);
  });

  it('is one login, however many requests wait for it', async () => {
    const tokens = source({ env: login });
    const got = await Promise.all(Array.from({ length: 20 }, () => tokens.get()));
    expect(new Set(got).size).toBe(1);
    tokens.invalidate(got[0] ?? '');
    // A late refusal of the old token does not throw away the new one.
    const next = await tokens.get();
    tokens.invalidate(got[0] ?? '');
    expect(await tokens.get()).toBe(next);
    expect(issued).toHaveLength(2);
  });

  it('treats a token that cannot be read as good until it is refused', async () => {
    server.use((_request, response) => answer(response, 200, { token: `opaque-${server.seen.length}` }));
    const tokens = source({ env: login });
    expect([await tokens.get(), await tokens.get()]).toEqual(['opaque-1', 'opaque-1']);
    tokens.invalidate('opaque-1');
    expect(await tokens.get()).toBe('opaque-2');
  });

  it('says wrong password, and does not try the same one again for a while, but tries another at once', async () => {
    let password = 'wrong';
    let now = Date.now();
    const tokens = source({
      profile: async () => ({ email: EMAIL, password, from: 'profile "lab"' }),
      now: () => now,
    });
    expect(await codeOf(tokens.get())).toBe('NDI_E_WRONG_PASSWORD');
    expect(await codeOf(tokens.get())).toBe('NDI_E_WRONG_PASSWORD');
    expect(server.seen).toHaveLength(3);
    now += 5 * 60_000 + 1;
    expect(await codeOf(tokens.get())).toBe('NDI_E_WRONG_PASSWORD');
    expect(server.seen).toHaveLength(6);
    password = PASSWORD;
    expect(await tokens.get()).toBe(issued[0]);
  });

  it('is retryable when the cloud is away, and uses the old token while it lives', async () => {
    let now = Date.now();
    const tokens = source({ env: login, now: () => now });
    const first = await tokens.get();
    server.use((_request, response) => answer(response, 503));
    now += 56 * 60_000;
    expect(await tokens.get()).toBe(first);
    now += 4 * 60_000;
    expect(await codeOf(tokens.get())).toBe('NDI_E_CLOUD_UNAVAILABLE');
    server.use((_request, response) => void response.socket?.destroy());
    expect(await codeOf(tokens.get())).toBe('NDI_E_NETWORK');
  });

  it('believes a refusal only when it is repeated, and no word about tokens at all', async () => {
    const say = (status: number, message: string, times: number) =>
      server.use((_request, response) =>
        server.seen.length <= times
          ? answer(response, status, { message })
          : answer(response, 200, { token: tokenFor(EMAIL, 3600), user: { id: '1' } }),
      );
    say(401, 'Incorrect username or password.', 2);
    await expect(source({ env: login }).get()).resolves.toMatch(/^ey/);
    const before = server.seen.length;
    say(401, 'token expired', before + 4);
    await expect(source({ env: login }).get()).resolves.toMatch(/^ey/);
    say(401, 'token expired', Infinity);
    expect(await codeOf(source({ env: login }).get())).toBe('NDI_E_CLOUD_UNAVAILABLE');
  });

  it('is asked for again where it is made when the cloud refuses for a moment', async () => {
    server.use((_request, response) =>
      server.seen.length < 4
        ? answer(response, server.seen.length === 2 ? 429 : 503)
        : answer(response, 200, { token: tokenFor(EMAIL, 3600), user: { id: '1' } }),
    );
    await expect(source({ env: login }).get()).resolves.toMatch(/^ey/);
    expect(server.seen).toHaveLength(4);
  });

  it('follows a profile that changes under it', async () => {
    let account: { email: string; password: string; from: string } | undefined = {
      email: 'one@example.org',
      password: PASSWORD,
      from: 'p',
    };
    let stamp = '1';
    const tokens = source({ profile: async () => account, profileStamp: () => stamp });
    const first = await tokens.get();
    stamp = '2';
    expect(await tokens.get(), 'the same account keeps its token').toBe(first);
    account = { email: 'two@example.org', password: PASSWORD, from: 'p' };
    stamp = '3';
    expect(tokenClaims(await tokens.get()).email).toBe('two@example.org');
    account = undefined;
    stamp = '4';
    expect(await codeOf(tokens.get())).toBe('NDI_E_NO_CREDENTIALS');
  });
});

describe('a token source', () => {
  it('shows no secret, however it is printed', async () => {
    const tokens = source({ env: login, token: 'a-given-token' });
    await tokens.get();
    tokens.invalidate('a-given-token');
    const token = await tokens.get();
    const wrong = source({ env: { ...login, NDI_CLOUD_PASSWORD: 'wr0ng-pass' } });
    const error = await wrong.get().catch((reason: unknown) => reason);
    const printed = [tokens, error].flatMap((one) => [
      String(one),
      JSON.stringify(one),
      format('%o %O %s', one, one, one),
      inspect(one, { depth: 20, showHidden: true }),
    ]);
    for (const secret of [PASSWORD, token, 'a-given-token', 'wr0ng-pass'])
      expect(printed.join('\n')).not.toContain(secret);
    expect(tokens.describe()).toBe(`${EMAIL} by NDI_CLOUD_USERNAME at ${server.baseUrl}`);
  });
});

describe('tokenClaims', () => {
  const jwt = (claims: unknown): string =>
    `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
  const nothing = { expiresAtMs: undefined, email: undefined };

  it('reads the expiry in milliseconds and the e-mail', () => {
    expect(tokenClaims(jwt({ exp: 1_800_000_000, email: EMAIL }))).toEqual({
      expiresAtMs: 1_800_000_000_000,
      email: EMAIL,
    });
  });

  it.each([
    ['a text', 'opaque-token'],
    ['two parts', jwt({ exp: 1 }).replace(/\.c2ln$/, '')],
    ['a payload that is no JSON', 'e30.bm8ganNvbg.c2ln'],
    ['a payload that is a list', jwt([1])],
    ['claims of the wrong kinds', jwt({ exp: '1800000000', email: 7 })],
  ])('reads nothing from %s', (_, token) => {
    expect(tokenClaims(token)).toEqual(nothing);
  });
});
