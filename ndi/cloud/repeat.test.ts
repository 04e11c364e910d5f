/**
 * Requests are repeated where they are made: reads and logins, within a budget, and never what may have
 * acted.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { isCourierError } from '../../errors/index.ts';
import { answer, startTestServer, type TestServer } from '../../test/setup/http-server.ts';
import { type RepeatPolicy, repeatRequests } from './repeat.ts';
import { type ApiCall, createRequester, type Requester } from './request.ts';

let server: TestServer | undefined;
let requester: Requester | undefined;
afterEach(async () => {
  await requester?.close();
  await server?.[Symbol.asyncDispose]();
});

/** A server that refuses the first requests with these statuses, in turn, and answers all others. */
async function refusing(
  statuses: readonly number[],
  policy: RepeatPolicy = {},
  headers: Record<string, string> = {},
) {
  const started = await startTestServer((_request, response) => {
    const status = statuses[started.seen.length - 1];
    answer(response, status ?? 200, '{}', status === undefined ? {} : headers);
  });
  server = started;
  requester = createRequester({ baseUrl: started.baseUrl });
  const repeating = repeatRequests(requester, { minWaitMs: 5, ...policy });
  const call = (change: Partial<ApiCall> = {}) =>
    repeating.send({ method: 'GET', path: ['x'], kind: 'read', auth: 'none', what: 'test', ...change }).then(
      () => 'done',
      (error: unknown) => (isCourierError(error) ? error.code : String(error)),
    );
  return { call, count: () => started.seen.length };
}

describe('a read', () => {
  it('is repeated until it works, six times at most', async () => {
    const { call, count } = await refusing([503, 500, 502, 504, 429, 503]);
    expect([await call(), count()]).toEqual(['done', 7]);
    const gone = await refusing(Array(9).fill(503));
    expect([await gone.call(), gone.count()]).toEqual(['NDI_E_CLOUD_UNAVAILABLE', 7]);
  });

  it('is not repeated where repeating cannot help', async () => {
    for (const [status, code] of [
      [404, 'NDI_E_NOT_FOUND'],
      [400, 'NDI_E_BAD_REQUEST'],
    ] as const) {
      const { call, count } = await refusing([status]);
      expect([await call(), count()]).toEqual([code, 1]);
    }
  });

  it('takes fewer attempts where the call says so', async () => {
    const { call, count } = await refusing(Array(9).fill(503));
    expect([await call({ maxAttempts: 2 }), count()]).toEqual(['NDI_E_CLOUD_UNAVAILABLE', 2]);
  });

  it('waits as long as Retry-After says, unless that is beyond the budget', async () => {
    const { call, count } = await refusing([429], {}, { 'retry-after': '1' });
    const startedMs = performance.now();
    expect([await call(), count()]).toEqual(['done', 2]);
    expect(performance.now() - startedMs).toBeGreaterThan(990);
    const beyond = await refusing([429], { withinMs: 500 }, { 'retry-after': '1' });
    expect([await beyond.call(), beyond.count()]).toEqual(['NDI_E_RATE_LIMITED', 1]);
  });

  it('ends when it is cancelled while it waits', async () => {
    const cancel = new AbortController();
    const { call } = await refusing([503], { minWaitMs: 60_000, maxWaitMs: 60_000, withinMs: 600_000 });
    setTimeout(() => cancel.abort(), 50);
    expect(await call({ signal: cancel.signal })).toContain('AbortError');
  });
});

describe('a write', () => {
  it('is repeated only when it was refused for its rate', async () => {
    const write = { method: 'POST', kind: 'write' } as const;
    for (const status of [500, 503, 504]) {
      const { call, count } = await refusing([status]);
      expect([(await call(write)) === 'done', count()]).toEqual([false, 1]);
    }
    const { call, count } = await refusing([429, 429]);
    expect([await call(write), count()]).toEqual(['done', 3]);
  });
});
