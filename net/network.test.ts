import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { type CourierError, isCourierError } from '../errors/index.ts';
import { createRequester } from '../ndi/cloud/request.ts';
import { answer, startTestServer, type TestServer } from '../test/setup/http-server.ts';
import { PROXY_PASSWORD, startProxy, type TestProxy } from '../test/support/proxy.ts';
import { putBytes } from '../transfer/put.ts';
import { networkOf } from './network.ts';

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});
const keep = <One extends { close(): Promise<unknown> }>(one: One): One => {
  opened.push(one);
  return one;
};

const READ = { method: 'GET', path: ['x'], kind: 'read', what: 'x' } as const;

async function server(): Promise<{
  readonly http: TestServer;
  readonly named: string;
  readonly port: string;
}> {
  const http = await startTestServer((_request, response) => answer(response, 200, { ok: true }));
  keep({ close: async () => http[Symbol.asyncDispose]() });
  const { port } = new URL(http.baseUrl);
  return { http, named: `http://cloud.test:${port}/v1`, port };
}

const proxy = async (options?: Parameters<typeof startProxy>[0]): Promise<TestProxy> =>
  keep(await startProxy(options));

function requesterTo(baseUrl: string, env: Record<string, string>) {
  return keep(createRequester({ baseUrl, network: networkOf(env), timeouts: { connectMs: 2_000 } }));
}

async function failing(work: Promise<unknown>): Promise<CourierError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isCourierError(error)) throw new Error(`expected a CourierError, got ${inspect(error)}`);
  return error;
}

describe('the API', () => {
  it('is asked through the proxy, and directly where NO_PROXY or loopback says so', async () => {
    const { http, named, port } = await server();
    const { url, asked } = await proxy({ needsLogin: true });
    const env = { HTTP_PROXY: url };
    const got = await requesterTo(named, env).send(READ);
    expect(got.status).toBe(200);
    expect(asked).toEqual([`cloud.test:${port}`]);
    expect(http.seen[0]?.headers.host).toBe(`cloud.test:${port}`);
    expect(JSON.stringify(http.seen)).not.toContain('proxy-authorization');
    await requesterTo(http.baseUrl, env).send(READ);
    await requesterTo(`http://localhost:${port}/v1`, env).send(READ);
    expect(asked).toHaveLength(1);
    const direct = await failing(requesterTo(named, { ...env, NO_PROXY: 'cloud.test' }).send(READ));
    expect(direct.code).toBe('NDI_E_NETWORK');
    expect(asked).toHaveLength(1);
  });

  it('asks for a tunnel to an address with https', async () => {
    const { port } = await server();
    const { url, asked } = await proxy();
    await failing(requesterTo(`https://cloud.test:${port}/v1`, { HTTPS_PROXY: url }).send(READ));
    expect(asked).toEqual([`cloud.test:${port}`]);
  });
});

describe('a proxy that fails', () => {
  it('is named without its password: refused name, refused tunnel, nobody there', async () => {
    const { named, port } = await server();
    const strict = await proxy({ needsLogin: true });
    const wrong = `http://lab:wr0ng-secret@127.0.0.1:${strict.port}`;
    const plain = await failing(requesterTo(named, { HTTP_PROXY: wrong }).send(READ));
    const secure = `https://cloud.test:${port}/v1`;
    const tunnel = await failing(requesterTo(secure, { HTTPS_PROXY: wrong }).send(READ));
    for (const error of [plain, tunnel]) {
      expect(error.code).toBe('NDI_E_PROXY');
      expect(error.detail).toContain(`http://127.0.0.1:${strict.port} (from HTTP`);
      expect(error.detail).toContain('answered 407 for cloud.test');
      expect(inspect(error)).not.toContain('wr0ng-secret');
    }
    strict.refuseWith = 403;
    const refused = await failing(requesterTo(secure, { HTTPS_PROXY: strict.url }).send(READ));
    expect(refused.detail).toContain('answered 403');
    expect(inspect(refused)).not.toContain(PROXY_PASSWORD);
    const nobody = { HTTPS_PROXY: 'http://lab:wr0ng-secret@127.0.0.1:1' };
    const unreached = await failing(requesterTo(secure, nobody).send(READ));
    expect(unreached).toMatchObject({ code: 'NDI_E_PROXY' });
    expect(unreached.detail).toContain('http://127.0.0.1:1 (from HTTPS_PROXY) could not be reached');
    expect(inspect(unreached)).not.toContain('wr0ng-secret');
  });

  it('is not blamed for a host that is asked directly', async () => {
    const env = { HTTP_PROXY: 'http://127.0.0.1:1' };
    expect((await failing(requesterTo('http://127.0.0.1:1/v1', env).send(READ))).code).toBe('NDI_E_NETWORK');
  });

  it('that is no address fails the request with the name of the variable', async () => {
    const error = await failing(
      requesterTo('http://cloud.test/v1', { http_proxy: 'ftp://x:pw@y' }).send(READ),
    );
    expect(error.code).toBe('NDI_E_SETTING');
    expect(error.detail).toContain('http_proxy');
  });
});

describe('the object store', () => {
  it('is reached through the proxy, and its errors show no password either', async () => {
    const { http, port } = await server();
    const { url, asked } = await proxy({ needsLogin: true });
    const network = networkOf({ HTTP_PROXY: url });
    await putBytes(`http://store.test:${port}/k?X-Amz-Signature=s`, Buffer.from('bytes'), { network });
    expect(asked).toEqual([`store.test:${port}`]);
    expect(http.seen[0]?.body).toBe('bytes');
    const wrong = networkOf({ HTTP_PROXY: `http://lab:wr0ng-secret@${new URL(url).host}` });
    const error = await failing(
      putBytes(`http://store.test:${port}/k`, Buffer.from('x'), { network: wrong }),
    );
    expect(error).toMatchObject({ code: 'NDI_E_PROXY' });
    expect(inspect(error)).not.toContain('wr0ng-secret');
  });
});
