import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { noise, type ObjectServer, sendXml, startObjectServer } from './object-server.test.fixture.ts';
import { putBytes, putFile, putStream } from './put.ts';
import { createThrottle } from './throttle.ts';

const MiB = 1024 * 1024;
let server: ObjectServer;
let dir: string;

beforeAll(async () => {
  server = await startObjectServer();
});
afterAll(() => server.close());
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'put-'));
  server.fault = undefined;
  server.log.length = 0;
  server.etag = (bytes) => createHash('md5').update(bytes).digest('hex');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const digest = (name: string, bytes: Buffer) => createHash(name).update(bytes).digest('hex');
const file = (sizeBytes: number): { path: string; bytes: Buffer } => {
  const path = join(dir, `f${sizeBytes}`);
  const bytes = noise(sizeBytes);
  writeFileSync(path, bytes);
  return { path, bytes };
};
const failing = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it succeeded')),
    (error: unknown) => error as { code: string; message: string; retryAfterMs?: number; stack: string },
  );

describe('putFile', () => {
  it.each([0, 1, 65_536, MiB, MiB + 1, 9 * MiB + 17])(
    'sends a file of %i bytes whole and hashed',
    async (size) => {
      const { path, bytes } = file(size);
      let counted = 0;
      const result = await putFile(
        server.url('a'),
        { path, sizeBytes: size },
        { hash: 'both', onBytes: (moved) => (counted += moved) },
      );
      expect(result).toEqual({
        sizeBytes: size,
        md5Hex: digest('md5', bytes),
        sha256Hex: digest('sha256', bytes),
        etag: digest('md5', bytes),
        isProven: true,
      });
      expect(server.objects.get('a')?.equals(bytes)).toBe(true);
      expect(counted).toBe(size);
    },
  );

  it('sends length and type, no authorisation, never chunked', async () => {
    const { path } = file(3 * MiB);
    let headers: Record<string, unknown> = {};
    server.fault = (request) => {
      headers = request.headers;
      return false;
    };
    await putFile(server.url('a'), { path, sizeBytes: 3 * MiB });
    expect(headers).toMatchObject({
      'content-length': String(3 * MiB),
      'content-type': 'application/octet-stream',
      'accept-encoding': 'identity',
    });
    expect(headers).not.toHaveProperty('authorization');
    expect(headers).not.toHaveProperty('transfer-encoding');
  });

  it('hashes only what is asked for', async () => {
    const { path, bytes } = file(2 * MiB);
    const result = await putFile(server.url('a'), { path, sizeBytes: 2 * MiB });
    expect(result).toMatchObject({ md5Hex: digest('md5', bytes), sha256Hex: '' });
  });

  it('refuses a file of another size than planned, or none', async () => {
    const { path } = file(10);
    expect((await failing(putFile(server.url('a'), { path, sizeBytes: 11 }))).code).toBe(
      'NDI_E_FILE_CHANGED',
    );
    const gone = putFile(server.url('a'), { path: join(dir, 'none'), sizeBytes: 1 });
    expect((await failing(gone)).code).toBe('NDI_E_FILE_MISSING');
    expect(server.log).toEqual([]);
  });

  it.each([
    ['grows', (path: string) => appendFileSync(path, 'x')],
    [
      'is replaced',
      (path: string) => {
        writeFileSync(`${path}.new`, noise(4 * MiB, 9));
        renameSync(`${path}.new`, path);
      },
    ],
    ['shrinks', (path: string) => writeFileSync(path, 'x')],
  ])('notices a file that %s while it is sent', async (_, change) => {
    const { path } = file(4 * MiB);
    let done = false;
    const sent = putFile(
      server.url('a'),
      { path, sizeBytes: 4 * MiB },
      {
        onBytes: () => {
          if (!done) change(path);
          done = true;
        },
      },
    );
    expect((await failing(sent)).code).toBe('NDI_E_FILE_CHANGED');
  });

  it('takes an ETag of other bytes as damage, but not one made with KMS', async () => {
    const { path } = file(2 * MiB);
    server.etag = () => 'd41d8cd98f00b204e9800998ecf8427e';
    const damaged = putFile(server.url('a'), { path, sizeBytes: 2 * MiB });
    expect((await failing(damaged)).code).toBe('NDI_E_INTEGRITY');
    server.fault = (_, response) => {
      response.setHeader('x-amz-server-side-encryption', 'aws:kms');
      return false;
    };
    await putFile(server.url('a'), { path, sizeBytes: 2 * MiB });
    server.fault = undefined;
    server.etag = () => 'd41d8cd98f00b204e9800998ecf8427e-7';
    expect((await putFile(server.url('a'), { path, sizeBytes: 2 * MiB })).etag).toMatch(/-7$/);
  });
});

describe('answers', () => {
  const answer = (status: number, code: string, headers: Record<string, string> = {}) => {
    server.fault = (request, response) => {
      request.resume();
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      request.on('end', () => sendXml(response, status, code));
      return true;
    };
    return failing(putBytes(server.url('a'), Buffer.from('hello')));
  };

  it.each([
    [403, 'AccessDenied', 'NDI_E_URL_EXPIRED'],
    [400, 'ExpiredToken', 'NDI_E_URL_EXPIRED'],
    [403, 'InvalidObjectState', 'NDI_E_ARCHIVED'],
    [404, 'NoSuchKey', 'NDI_E_NOT_FOUND'],
    [400, 'EntityTooLarge', 'NDI_E_FILE_TOO_LARGE'],
    [400, 'BadDigest', 'NDI_E_INTEGRITY'],
    [400, 'RequestTimeout', 'NDI_E_NETWORK'],
    [500, 'InternalError', 'NDI_E_CLOUD_UNAVAILABLE'],
    [503, 'SlowDown', 'NDI_E_RATE_LIMITED'],
    [304, 'NotModified', 'NDI_E_BAD_ANSWER'],
  ])('%i %s is %s', async (status, code, expected) => {
    const error = await answer(status, code);
    expect(error.code).toBe(expected);
    if (status !== 304) expect(error.message).toMatch(/\[request REQ1\]/);
  });

  it('say how long to wait', async () => {
    expect(await answer(429, 'TooMany', { 'retry-after': '7' })).toMatchObject({
      code: 'NDI_E_RATE_LIMITED',
      retryAfterMs: 7000,
    });
    const date = new Date(Date.now() + 60_000).toUTCString();
    const error = await answer(503, 'SlowDown', { 'retry-after': date });
    expect(error.retryAfterMs).toBeGreaterThan(50_000);
  });

  it('mean "not yet" to who says so', async () => {
    server.fault = (_, response) => {
      sendXml(response, 404, 'NoSuchKey');
      return true;
    };
    const put = putBytes(server.url('a'), Buffer.from('x'), { notReadyStatuses: [403, 404] });
    expect((await failing(put)).code).toBe('NDI_E_NOT_READY');
  });

  it('that redirect are followed with the whole body', async () => {
    server.fault = (request, response, seen) => {
      if (seen > 1) return false;
      request.resume();
      request.on('end', () => response.writeHead(307, { location: '/elsewhere?sig=1' }).end());
      return true;
    };
    await putBytes(server.url('a'), Buffer.from('hello'));
    expect(server.objects.get('elsewhere')?.toString()).toBe('hello');
    server.fault = (_, response) => {
      response.writeHead(307, { location: '/again' }).end();
      return true;
    };
    expect((await failing(putBytes(server.url('a'), Buffer.from('hello')))).code).toBe('NDI_E_BAD_ANSWER');
  });
});

describe('the connection', () => {
  it('that is reset is a network error, and no error shows the signature', async () => {
    const { path } = file(8 * MiB);
    server.fault = (request) => {
      request.once('data', () => request.socket.resetAndDestroy());
      return true;
    };
    const error = await failing(putFile(server.url('a'), { path, sizeBytes: 8 * MiB }));
    expect(error.code).toBe('NDI_E_NETWORK');
    expect(JSON.stringify(error) + error.message + error.stack).not.toMatch(/secretsecret|X-Amz/);
  });

  it('to nowhere is a network error; an address that is none, too', async () => {
    const nowhere = failing(putBytes('http://127.0.0.1:1/x?X-Amz-Signature=s', Buffer.from('x')));
    expect(await nowhere).toMatchObject({
      code: 'NDI_E_NETWORK',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    const none = await failing(putBytes('::X-Amz-Signature=secretsecret', Buffer.from('x')));
    expect(JSON.stringify(none) + none.message + none.stack).not.toMatch(/secretsecret/);
  });

  it('that takes no byte stalls, and so does an answer that never comes', async () => {
    const { path } = file(32 * MiB);
    server.fault = () => true;
    const full = putFile(server.url('a'), { path, sizeBytes: 32 * MiB }, { stallTimeoutMs: 100 });
    expect((await failing(full)).code).toBe('NDI_E_STALLED');
    server.fault = (request) => {
      request.resume();
      return true;
    };
    const silent = putBytes(server.url('a'), Buffer.from('x'), { stallTimeoutMs: 100 });
    expect((await failing(silent)).code).toBe('NDI_E_STALLED');
  });

  it('is no stall while our own throttle holds it', async () => {
    const throttle = createThrottle(2 * MiB);
    const startedAt = performance.now();
    const bytes = noise(MiB);
    await putBytes(server.url('a'), bytes, { throttle, stallTimeoutMs: 60 });
    expect(performance.now() - startedAt).toBeGreaterThan(200);
    expect(server.objects.get('a')?.equals(bytes)).toBe(true);
  });

  it('ends with the reason of the caller who aborts', async () => {
    const { path } = file(32 * MiB);
    server.fault = () => true;
    const controller = new AbortController();
    const reason = new Error('enough');
    const sent = putFile(
      server.url('a'),
      { path, sizeBytes: 32 * MiB },
      { signal: controller.signal, onBytes: () => controller.abort(reason) },
    );
    expect(await failing(sent)).toBe(reason);
    expect(await failing(putBytes(server.url('a'), Buffer.from('x'), { signal: controller.signal }))).toBe(
      reason,
    );
  });
});

describe('putStream', () => {
  it('sends what is made on the way, with its length', async () => {
    const bytes = noise(3 * MiB + 5);
    async function* pieces() {
      yield bytes.subarray(0, 7);
      yield bytes.subarray(7, 2 * MiB);
      yield bytes.subarray(2 * MiB);
    }
    const result = await putStream(server.url('a'), { open: pieces, sizeBytes: bytes.length });
    expect(result.md5Hex).toBe(digest('md5', bytes));
    expect(server.objects.get('a')?.equals(bytes)).toBe(true);
  });

  it.each([9, 11])('refuses a stream of 10 bytes said to have %i', async (sizeBytes) => {
    async function* pieces() {
      yield Buffer.alloc(10);
    }
    const error = await failing(putStream(server.url('short'), { open: pieces, sizeBytes }));
    expect(error.code).toBe('NDI_E_INTERNAL');
    expect(server.objects.has('short')).toBe(false);
  });
});
