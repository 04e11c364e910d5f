import { createHash, randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchReply, makeDataset, type TestClient, type TestSandbox, testSandbox } from '../testing.ts';

let held: TestSandbox;
let lab: TestClient;
let dataset: string;
const content = randomBytes(3_000_000);
let url: string;

beforeAll(async () => {
  held = await testSandbox();
  lab = await held.login('lab@sandbox.test');
  dataset = await makeDataset(lab);
  await put('main', content);
  url = await getUrl('main');
});
afterAll(() => held.close());

const putUrl = async (uid: string): Promise<string> =>
  (await lab.call('GET', `/datasets/${lab.user.organizationId}/${dataset}/files/${uid}`)).body.url;
const getUrl = async (uid: string): Promise<string> =>
  (await lab.call('GET', `/datasets/${dataset}/files/${uid}/detail`)).body.downloadUrl;
const put = async (uid: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  fetchReply(await putUrl(uid), { method: 'PUT', body: new Uint8Array(Buffer.from(body)), headers });
const md5 = (bytes: Buffer | string): string => createHash('md5').update(bytes).digest('hex');
const get = (headers: Record<string, string> = {}) => fetch(url, { headers });

it('PUT answers exactly 200 with the MD5 in quotes; the bytes come back', async () => {
  const reply = await put('small', 'hello');
  expect([reply.status, reply.headers.get('etag'), reply.text]).toEqual([200, `"${md5('hello')}"`, '']);
  const whole = await get();
  expect(whole.headers.get('etag')).toBe(`"${md5(content)}"`);
  expect(whole.headers.get('accept-ranges')).toBe('bytes');
  expect(Buffer.from(await whole.arrayBuffer()).equals(content)).toBe(true);
});

it('an object may be overwritten; an empty one is one', async () => {
  await put('again', 'first');
  await put('again', '');
  const reply = await fetchReply(await getUrl('again'));
  expect([reply.status, reply.text]).toEqual([200, '']);
});

describe('signatures', () => {
  const code = (text: string): string => /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? '';

  it('they sign the method: HEAD and PUT on a GET URL are refused, and GET on a PUT URL', async () => {
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(403);
    const wrong = await fetchReply(url, { method: 'PUT', body: 'x' });
    expect([wrong.status, code(wrong.text)]).toEqual([403, 'SignatureDoesNotMatch']);
    expect((await fetch(await putUrl('main'))).status).toBe(403);
  });

  it('they are refused with another key, a changed lifetime, or when there is none', async () => {
    const parsed = new URL(url);
    const other = url.replace('/main?', '/small?');
    const longer = url.replace('X-Amz-Expires=604799', 'X-Amz-Expires=999999');
    for (const forged of [other, longer])
      expect(code((await fetchReply(forged)).text)).toBe('SignatureDoesNotMatch');
    const bare = await fetchReply(parsed.origin + parsed.pathname);
    expect([bare.status, code(bare.text), bare.headers.get('content-type')]).toEqual([
      403,
      'AccessDenied',
      'application/xml',
    ]);
  });

  it('an expired URL is 403 for GET and for PUT', async () => {
    held.sandbox.knobs.urlTtlSeconds = 60;
    const [getOne, putOne] = [await getUrl('main'), await putUrl('late')];
    held.sandbox.knobs.clockOffsetMs = 61_000;
    for (const reply of [await fetchReply(getOne), await fetchReply(putOne, { method: 'PUT', body: 'x' })]) {
      expect([reply.status, code(reply.text)]).toEqual([403, 'AccessDenied']);
      expect(reply.text).toContain('Request has expired');
    }
    held.sandbox.knobs.clockOffsetMs = 0;
    held.sandbox.knobs.urlTtlSeconds = 604_799;
    expect((await fetch(getOne)).status).toBe(200);
  });

  it('a missing object is NoSuchKey', async () => {
    const missing = await putUrl('never');
    expect(missing).toContain('X-Amz-Signature=');
    const { status, body } = await lab.call('GET', `/datasets/${dataset}/files/never/detail`);
    expect([status, body.uploaded, body.downloadUrl]).toEqual([200, false, undefined]);
  });
});

describe('ranges', () => {
  const size = content.length;
  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=5-9', 5, 9],
    [`bytes=${size - 3}-`, size - 3, size - 1],
    ['bytes=-10', size - 10, size - 1],
    [`bytes=1-${size * 2}`, 1, size - 1],
    ['bytes=1048570-2097160', 1_048_570, 2_097_160],
  ])('%s is answered with its bytes', async (range, from, to) => {
    const reply = await get({ range });
    expect([reply.status, reply.headers.get('content-range')]).toEqual([206, `bytes ${from}-${to}/${size}`]);
    expect(Buffer.from(await reply.arrayBuffer()).equals(content.subarray(from, to + 1))).toBe(true);
  });

  it('a range beyond the end is 416 with the size; several ranges or nonsense give the whole', async () => {
    const beyond = await get({ range: `bytes=${size}-` });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${size}`]);
    expect(await beyond.text()).toContain('<Code>InvalidRange</Code>');
    for (const range of ['bytes=0-1,4-5', 'bytes=9-5', 'lines=1-2']) {
      const reply = await get({ range });
      expect(reply.status).toBe(200);
      await reply.arrayBuffer();
    }
  });

  it('If-Range keeps the range only for the same object', async () => {
    const same = await get({ range: 'bytes=0-0', 'if-range': `"${md5(content)}"` });
    const other = await get({ range: 'bytes=0-0', 'if-range': '"other"' });
    expect([same.status, other.status]).toEqual([206, 200]);
    await other.arrayBuffer();
  });
});

it('a precondition that fails is 304 for If-None-Match and 412 for If-Match', async () => {
  const tag = `"${md5(content)}"`;
  const unchanged = await get({ 'if-none-match': tag });
  expect([unchanged.status, await unchanged.text()]).toEqual([304, '']);
  expect((await get({ 'if-match': '"other"' })).status).toBe(412);
  expect((await get({ 'if-match': tag })).status).toBe(200);
  expect((await get({ 'if-modified-since': new Date().toUTCString() })).status).toBe(304);
});

it('a PUT without a length is refused, and a wrong Content-MD5 stores nothing', async () => {
  const target = await putUrl('chunked');
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest(
      target,
      { method: 'PUT', headers: { 'transfer-encoding': 'chunked' } },
      (reply) => {
        reply.resume();
        resolve(reply.statusCode);
      },
    );
    request.on('error', reject);
    request.write('x');
    request.end();
  });
  expect(status).toBe(501);
  const digest = await put('digest', 'hello', {
    'content-md5': Buffer.from(md5('other'), 'hex').toString('base64'),
  });
  expect([digest.status, digest.text.includes('BadDigest')]).toEqual([400, true]);
  expect((await lab.call('GET', `/datasets/${dataset}/files/digest/detail`)).body.uploaded).toBe(false);
});

it('Expect: 100-continue is answered before the body, and refused without one', async () => {
  const send = (target: string): Promise<{ continued: boolean; status: number | undefined }> =>
    new Promise((resolve, reject) => {
      let continued = false;
      const headers = { expect: '100-continue', 'content-length': 5 };
      const request = httpRequest(target, { method: 'PUT', headers }, (reply) => {
        reply.resume();
        resolve({ continued, status: reply.statusCode });
        if (!continued) request.destroy();
      });
      request.on('continue', () => {
        continued = true;
        request.end('hello');
      });
      request.on('error', reject);
      request.flushHeaders();
    });
  expect(await send(await putUrl('expect'))).toEqual({ continued: true, status: 200 });
  expect(await send(url)).toEqual({ continued: false, status: 403 });
});

it('a PUT that breaks off leaves no object', async () => {
  const target = await putUrl('broken');
  await new Promise<void>((resolve) => {
    const request = httpRequest(target, { method: 'PUT', headers: { 'content-length': 100 } });
    request.on('error', () => resolve());
    request.write('half', () => setTimeout(() => request.destroy(), 20));
    request.on('close', () => resolve());
  });
  const { body } = await lab.call('GET', `/datasets/${dataset}/files/broken/detail`);
  expect(body.uploaded).toBe(false);
});

it('an opaque ETag is no MD5, and still says whether the object changed', async () => {
  held.sandbox.knobs.etag = 'opaque';
  const { headers } = await get({ range: 'bytes=0-0' });
  expect(headers.get('x-amz-server-side-encryption')).toBe('aws:kms');
  const etag = headers.get('etag') ?? '';
  expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
  expect(etag).not.toBe(`"${md5(content)}"`);
  expect((await get({ 'if-none-match': etag })).status).toBe(304);
  held.sandbox.knobs.etag = 'md5';
});
