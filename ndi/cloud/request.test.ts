import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { type CourierError, isCourierError } from '../../errors/index.ts';
import { answer, type Handler, startTestServer, type TestServer } from '../../test/setup/http-server.ts';
import { type ApiCall, createRequester, type Requester, type RequesterOptions } from './request.ts';
import type { TokenSource } from './types.ts';

const open: Array<{ server: TestServer; requester: Requester }> = [];
afterEach(async () => {
  for (const { server, requester } of open.splice(0)) {
    await requester.close();
    await server[Symbol.asyncDispose]();
  }
});

async function start(handler: Handler, options: Partial<RequesterOptions> = {}) {
  const server = await startTestServer(handler);
  const requester = createRequester({ baseUrl: server.baseUrl, ...options });
  open.push({ server, requester });
  return { server, requester };
}

/** Gives out these tokens, one after each refusal. */
function tokensOf(...list: string[]): TokenSource & { refused: string[] } {
  const refused: string[] = [];
  return {
    refused,
    get: async () => list[Math.min(refused.length, list.length - 1)] ?? '',
    invalidate: (token) => void refused.push(token),
    describe: () => 'test',
  };
}

const get: ApiCall = {
  method: 'GET',
  path: ['a b', 'c/d'],
  query: { when: '7d', none: undefined },
  kind: 'read',
  what: 'thing',
};
const caught = async (work: Promise<unknown>): Promise<CourierError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isCourierError(error)) throw new Error(`expected a CourierError, got ${inspect(error)}`);
  return error;
};

describe('a request', () => {
  it('carries token, id and encoded path, and accepts gzip', async () => {
    const { server, requester } = await start(
      (_request, response) => {
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"ok":"é"}'));
      },
      { tokens: tokensOf('t1') },
    );
    const got = await requester.send(get);
    expect(got.text).toBe('{"ok":"é"}');
    const [seen] = server.seen;
    expect(seen?.path).toBe('/a%20b/c%2Fd?when=7d');
    expect(seen?.headers).toMatchObject({ authorization: 'Bearer t1', 'accept-encoding': 'gzip' });
    expect(seen?.headers['content-type']).toBeUndefined();
    expect(got.requestId).toBe(seen?.headers['x-request-id']);
    expect(got.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('sends text as it is, bare NaN included, and an empty POST with no body and no type', async () => {
    const { server, requester } = await start((_request, response) => answer(response, 200, '{}'));
    await requester.send({ method: 'POST', path: ['x'], text: '{"a":NaN}', kind: 'write', what: 'x' });
    await requester.send({ method: 'POST', path: ['x'], kind: 'write', what: 'x' });
    expect(server.seen[0]).toMatchObject({
      body: '{"a":NaN}',
      headers: { 'content-type': 'application/json' },
    });
    expect(server.seen[1]).toMatchObject({ body: '', headers: { 'content-length': '0' } });
    expect(server.seen[1]?.headers['content-type']).toBeUndefined();
  });

  it('renews the token once after a 401, and says when that did not help', async () => {
    const once = tokensOf('old', 'new');
    const { server, requester } = await start(
      (request, response) =>
        request.headers.authorization === 'Bearer new'
          ? answer(response, 200, '{}')
          : answer(response, 401, { error: 'token expired' }),
      { tokens: once },
    );
    await requester.send({ ...get, method: 'POST', text: '{}' });
    expect(server.seen.map((one) => one.body)).toEqual(['{}', '{}']);
    expect(once.refused).toEqual(['old']);

    const never = tokensOf('old', 'older');
    const second = await start((_request, response) => answer(response, 401), { tokens: never });
    expect((await caught(second.requester.send(get))).code).toBe('NDI_E_LOGIN_EXPIRED');
    expect(second.server.seen).toHaveLength(2);
    expect(never.refused).toEqual(['old', 'older']);
  });

  it('goes out without a token where that is allowed and there are no credentials', async () => {
    const { CourierError } = await import('../../errors/index.ts');
    const none: TokenSource = {
      get: async () => {
        throw new CourierError('NDI_E_NO_CREDENTIALS');
      },
      invalidate: () => undefined,
      describe: () => 'nobody',
    };
    const { server, requester } = await start((_request, response) => answer(response, 200, '{}'), {
      tokens: none,
    });
    await requester.send({ ...get, auth: 'optional' });
    expect(server.seen[0]?.headers.authorization).toBeUndefined();
    expect((await caught(requester.send(get))).code).toBe('NDI_E_NO_CREDENTIALS');
    server.use((_request, response) => answer(response, 403, { message: 'Forbidden' }));
    expect((await caught(requester.send({ ...get, auth: 'optional' }))).code).toBe('NDI_E_NO_CREDENTIALS');
  });

  it('prefers the request id that the server gives', async () => {
    const { server, requester } = await start((_request, response) =>
      answer(response, 404, '', { 'x-amzn-requestid': 'amz-7' }),
    );
    expect((await caught(requester.send(get))).requestId).toBe('amz-7');
    server.use((_request, response) =>
      answer(response, 404, '', { 'x-request-id': 'own-8', 'x-amzn-requestid': 'amz-7' }),
    );
    expect((await caught(requester.send(get))).requestId).toBe('own-8');
  });

  it('refuses an answer that is too large, packed or not', async () => {
    const { server, requester } = await start(
      (_request, response) => answer(response, 200, 'x'.repeat(70_000)),
      {
        maxAnswerBytes: 65_536,
      },
    );
    const plain = await caught(requester.send(get));
    expect(plain.code).toBe('NDI_E_ANSWER_TOO_LARGE');
    server.use((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'.repeat(1_000_000)));
    });
    expect((await caught(requester.send(get))).detail).toContain('larger than');
    server.use(
      (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip'),
    );
    expect((await caught(requester.send(get))).detail).toContain('damaged gzip');
  });
});

describe('a broken connection', () => {
  it('is NDI_E_NETWORK when refused, reset before or within the answer', async () => {
    const { server, requester } = await start((_request, response) => void response.socket?.destroy());
    expect((await caught(requester.send(get))).code).toBe('NDI_E_NETWORK');
    server.use((_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('part');
      setTimeout(() => response.socket?.destroy(), 20);
    });
    expect((await caught(requester.send(get))).code).toBe('NDI_E_NETWORK');
    const nobody = createRequester({ baseUrl: 'http://127.0.0.1:1/v1' });
    const refused = await caught(nobody.send(get));
    expect(refused.code).toBe('NDI_E_NETWORK');
    expect(refused.message).toContain('ECONNREFUSED');
    await nobody.close();
  });

  it('is NDI_E_STALLED when headers or body do not come, or the whole takes too long', async () => {
    const silent = await start(() => undefined, { timeouts: { headersMs: 200 } });
    expect((await caught(silent.requester.send(get))).code).toBe('NDI_E_STALLED');
    const halting = await start((_request, response) => void response.writeHead(200).write('{'), {
      timeouts: { bodyMs: 200 },
    });
    expect((await caught(halting.requester.send(get))).code).toBe('NDI_E_STALLED');
    const dripping = await start(
      (_request, response) => {
        response.writeHead(200);
        const timer = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(timer));
      },
      { timeouts: { totalMs: 150 } },
    );
    expect((await caught(dripping.requester.send(get))).code).toBe('NDI_E_STALLED');
  });

  it('is NDI_E_CANCELLED when the caller gave up, before or during', async () => {
    const { requester } = await start(() => undefined);
    const controller = new AbortController();
    const waiting = caught(requester.send({ ...get, signal: controller.signal }));
    setTimeout(() => controller.abort(new Error('stop')), 30);
    expect((await waiting).code).toBe('NDI_E_CANCELLED');
    expect((await caught(requester.send({ ...get, signal: controller.signal }))).code).toBe(
      'NDI_E_CANCELLED',
    );
  });

  it('is NDI_E_CANCELLED while a login hangs, too', async () => {
    const tokens: TokenSource = { ...tokensOf(), get: () => new Promise(() => undefined) };
    const { server, requester } = await start(() => undefined, { tokens });
    const controller = new AbortController();
    const waiting = caught(requester.send({ ...get, signal: controller.signal }));
    controller.abort();
    expect((await waiting).code).toBe('NDI_E_CANCELLED');
    expect(server.seen).toEqual([]);
  });
});

describe('a redirect', () => {
  const redirecting =
    (location: (port: string) => string, status = 302): Handler =>
    (request, response) => {
      if (request.path === '/arrived?page=2') return answer(response, 200, 'here');
      const port = request.headers.host?.split(':')[1] ?? '';
      response.writeHead(status, { location: location(port) }).end();
    };

  it('of a GET is followed within its own host, with the token', async () => {
    for (const where of ['/v1/arrived?page=2', '../arrived?page=2', '//127.0.0.1:PORT/v1/arrived?page=2']) {
      const { server, requester } = await start(
        redirecting((port) => where.replace('PORT', port)),
        { tokens: tokensOf('t1') },
      );
      expect((await requester.send({ ...get, path: ['a', 'b'] })).text).toBe('here');
      expect(server.seen.map((one) => one.headers.authorization)).toEqual(['Bearer t1', 'Bearer t1']);
    }
  });

  it('without end is an error after three', async () => {
    const { server, requester } = await start(redirecting(() => '/v1/again'));
    const error = await caught(requester.send(get));
    expect(error.code).toBe('NDI_E_SETTING');
    expect(error.detail).toMatch(
      /127\.0\.0\.1:\d+ redirects to http:\S+\/v1\/again; only .* not more than 3 times/,
    );
    expect(server.seen).toHaveLength(4);
  });

  it('to another host or port is named and never asked, and the token goes nowhere', async () => {
    const other = await start(() => undefined);
    const { host } = new URL(other.server.baseUrl);
    const { server, requester } = await start(
      redirecting(() => `http://${host}/v1/x?token=s3cr3t`),
      { tokens: tokensOf('t1') },
    );
    for (const method of ['GET', 'POST'] as const) {
      const error = await caught(requester.send({ ...get, method }));
      expect(error.code).toBe('NDI_E_SETTING');
      expect(error.detail).toContain(`redirects to http://${host}/v1/x, another host`);
      expect(error.detail).toContain('check NDI_CLOUD_URL');
      expect(inspect(error)).not.toContain('s3cr3t');
    }
    expect(other.server.seen).toEqual([]);
    expect(server.seen).toHaveLength(2);
  });

  it('of anything but a GET is named, also within the host', async () => {
    const { server, requester } = await start(redirecting(() => '/v1/arrived?page=2', 308));
    const error = await caught(requester.send({ ...get, method: 'POST', kind: 'write', json: {} }));
    expect(error.code).toBe('NDI_E_SETTING');
    expect(error.detail).toContain('/v1/arrived; only requests that read are followed');
    expect(server.seen).toHaveLength(1);
  });

  it('to no address, or to no place at all, is an error with the setting', async () => {
    for (const where of ['http://[', 'file:///etc/passwd', undefined]) {
      const { requester } = await start((_request, response) => {
        response.writeHead(301, where === undefined ? {} : { location: where }).end();
      });
      const error = await caught(requester.send(get));
      expect(error.code).toBe('NDI_E_SETTING');
      expect(error.detail).toContain('check NDI_CLOUD_URL');
    }
  });
});

describe('secrets', () => {
  it('are in no error, whatever the server repeats and however the error is printed', async () => {
    const secrets = ['tok-en-in-use', 'pass-word'];
    const { server, requester } = await start(
      (request, response) =>
        answer(response, 400, { message: `${request.headers.authorization} ${request.body}` }),
      { tokens: tokensOf(secrets[0] ?? '') },
    );
    const call: ApiCall = {
      ...get,
      method: 'POST',
      json: { pw: secrets[1] },
      secrets: [secrets[1] ?? ''],
      query: { sig: 'query-secret' },
    };
    const errors = [await caught(requester.send(call))];
    server.use((_request, response) => void response.socket?.destroy());
    errors.push(await caught(requester.send(call)));
    for (const error of errors) {
      const printed = [
        error.message,
        String(error),
        error.stack,
        JSON.stringify(error),
        inspect(error, { depth: 20, showHidden: true }),
      ];
      for (const secret of [...secrets, 'query-secret']) expect(printed.join('\n')).not.toContain(secret);
    }
  });
});
