import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CourierError, isCourierError } from '../errors/index.ts';
import { repeatRequests } from '../ndi/cloud/repeat.ts';
import { createRequester } from '../ndi/cloud/request.ts';
import { makeCertificate } from '../sandbox/certificate.ts';
import { PROXY_PASSWORD, startProxy, type TestProxy } from '../test/support/proxy.ts';
import { putBytes } from '../transfer/put.ts';
import { networkOf } from './network.ts';

const dir = mkdtempSync(join(tmpdir(), 'courier-certificates-'));
const path = (name: string): string => join(dir, name);
const made = makeCertificate(['cloud.test', 'localhost']);
const received: string[] = [];
const server = createServer({ cert: made.cert, key: made.key }, (request, response) => {
  received.push(`${request.method} ${request.headers.host}`);
  const location = new URL(request.url ?? '/', 'http://x').searchParams.get('to');
  if (location !== null) response.writeHead(307, { location });
  request.resume().on('end', () => response.end('{}'));
});
let port = 0;
let proxy: TestProxy;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  proxy = await startProxy();
  writeFileSync(path('ca.pem'), `Our lab\n${made.ca}`);
  writeFileSync(path('other.pem'), makeCertificate(['localhost']).ca);
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await proxy.close();
  rmSync(dir, { recursive: true, force: true });
});

const READ = { method: 'GET', path: ['x'], kind: 'read', what: 'x' } as const;

async function read(url: string, env: Record<string, string>): Promise<number> {
  const plain = createRequester({ baseUrl: url, network: networkOf(env) });
  try {
    return (await repeatRequests(plain).send(READ)).status;
  } finally {
    await plain.close();
  }
}

async function failing(work: Promise<unknown>): Promise<CourierError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isCourierError(error)) throw new Error(`expected a CourierError, got ${inspect(error)}`);
  return error;
}

const direct = (): string => `https://localhost:${port}/v1`;
const behind = (): string => `https://cloud.test:${port}/v1`;

describe('a CA file', () => {
  it('makes the lab’s certificates good, directly and through a proxy, for cloud and object store', async () => {
    const env = { COURIER_CA_FILE: path('ca.pem'), HTTPS_PROXY: proxy.url };
    expect(await read(direct(), env)).toBe(200);
    expect(await read(behind(), env)).toBe(200);
    await putBytes(`https://cloud.test:${port}/key`, Buffer.from('x'), { network: networkOf(env) });
    expect(received).toEqual([`GET localhost:${port}`, `GET cloud.test:${port}`, `PUT cloud.test:${port}`]);
    expect(new Set(proxy.asked)).toEqual(new Set([`cloud.test:${port}`]));
  });

  it('that is missing or of another authority is a refusal that names the setting, at once', async () => {
    const startedMs = performance.now();
    const none = await failing(read(direct(), {}));
    expect(none.code).toBe('NDI_E_CERTIFICATE');
    expect(none.detail).toBe(
      `The certificate of localhost:${port} comes from an authority that is not trusted here. No CA file is set: name one with COURIER_CA_FILE, or \`caFile\` under \`network\` in config.json (UNABLE_TO_VERIFY_LEAF_SIGNATURE).`,
    );
    const env = { COURIER_CA_FILE: path('other.pem'), HTTPS_PROXY: proxy.url };
    const wrong = await failing(read(behind(), env));
    expect(wrong.code).toBe('NDI_E_CERTIFICATE');
    expect(wrong.detail).toContain(`The CA file in use is ${path('other.pem')}`);
    const object = putBytes(`${behind()}?X-Amz-Signature=s`, Buffer.from('x'), { network: networkOf(env) });
    expect(await failing(object)).toMatchObject({ code: 'NDI_E_CERTIFICATE', effect: 'none' });
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });

  it('helps no certificate for another name', async () => {
    const error = await failing(read(`https://127.0.0.1:${port}/v1`, { COURIER_CA_FILE: path('ca.pem') }));
    expect(error.code).toBe('NDI_E_CERTIFICATE');
    expect(error.detail).toContain('is for another name (ERR_TLS_CERT_ALTNAME_INVALID)');
  });

  it('that cannot be used is an error about the file, and is read again once it is mended', async () => {
    mkdirSync(path('folder'));
    writeFileSync(path('empty.pem'), '');
    writeFileSync(path('key.pem'), made.key);
    writeFileSync(path('cut.pem'), made.ca + made.ca.replace(/\n.{64}\n/, '\n'));
    for (const [name, why] of [
      ['nowhere.pem', 'cannot be read (ENOENT)'],
      ['folder', 'cannot be read (EISDIR)'],
      ['empty.pem', 'holds no certificate in PEM form'],
      ['key.pem', 'holds no certificate in PEM form'],
      ['cut.pem', 'has a certificate that cannot be read, number 2'],
    ] as const) {
      const error = await failing(read(direct(), { COURIER_CA_FILE: path(name) }));
      expect(error.code, name).toBe('NDI_E_CA_FILE');
      expect(error.detail).toContain(`${path(name)} (from COURIER_CA_FILE) ${why}`);
    }
    const network = networkOf({ COURIER_CA_FILE: path('late.pem') });
    const put = () => putBytes(`https://localhost:${port}/key`, Buffer.from('x'), { network });
    expect((await failing(put())).code).toBe('NDI_E_CA_FILE');
    writeFileSync(path('late.pem'), made.ca);
    expect((await put()).sizeBytes).toBe(1);
  });
});

describe('a proxy with https', () => {
  it('is trusted by the same file, and named where its certificate is not', async () => {
    const secure = await startProxy({ needsLogin: true, tls: makeCertificate(['127.0.0.1']) });
    const own = makeCertificate(['127.0.0.1']);
    const known = await startProxy({ needsLogin: true, tls: own });
    writeFileSync(path('both.pem'), made.ca + own.ca);
    try {
      const env = { COURIER_CA_FILE: path('both.pem'), HTTPS_PROXY: known.url };
      expect(await read(behind(), env)).toBe(200);
      expect(known.asked).toEqual([`cloud.test:${port}`]);
      const error = await failing(read(behind(), { ...env, HTTPS_PROXY: secure.url }));
      expect(error.code).toBe('NDI_E_CERTIFICATE');
      expect(error.detail).toContain(
        `cloud.test:${port} or of the proxy https://127.0.0.1:${secure.port} comes`,
      );
      expect(inspect(error)).not.toContain(PROXY_PASSWORD);
      expect(secure.asked).toEqual([]);
    } finally {
      await secure.close();
      await known.close();
    }
  });
});

describe('an object’s redirect', () => {
  const put = (to: string) => {
    const network = networkOf({ COURIER_CA_FILE: path('ca.pem') });
    const url = `https://localhost:${port}/key?X-Amz-Signature=s&to=${encodeURIComponent(to)}`;
    return putBytes(url, Buffer.from('x'), { network });
  };

  it('from https to anything else is refused, and nobody is asked there', async () => {
    const asked: string[] = [];
    const plain = createPlainServer((request, response) => {
      asked.push(request.url ?? '');
      response.end();
    });
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port: plainPort } = plain.address() as AddressInfo;
    for (const [to, shown] of [
      [`http://localhost:${plainPort}/key?sig=s3cr3t`, `http://localhost:${plainPort}`],
      ['ftp://files.lab/key', 'ftp://files.lab'],
      ['file:///etc/passwd', 'file:'],
      ['http://[', 'something that is no address'],
    ] as const) {
      const error = await failing(put(to));
      expect(error.code, to).toBe('NDI_E_UNSAFE_REDIRECT');
      expect(error.detail).toBe(`localhost:${port} redirects to ${shown}.`);
      expect(inspect(error)).not.toMatch(/s3cr3t|X-Amz/);
    }
    expect(asked).toEqual([]);
    plain.close();
  });

  it('to https is followed', async () => {
    expect((await put('/elsewhere')).sizeBytes).toBe(1);
    expect((await put(`https://localhost:${port}/elsewhere`)).sizeBytes).toBe(1);
  });
});
