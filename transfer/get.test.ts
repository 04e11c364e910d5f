import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { getToFile } from './get.ts';
import { noise, type ObjectServer, sendXml, startObjectServer } from './object-server.test.fixture.ts';
import type { GetOptions, PartJournal } from './types.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
/** Large objects are small here: four ranges from 1 MiB on, parts of 256 KiB. */
const SMALL_PARTS: GetOptions = { rangeThresholdBytes: MiB, partSizeBytes: 256 * KiB, retryDelayMs: 1 };

let server: ObjectServer;
let dir: string;
let target: string;

beforeAll(async () => {
  server = await startObjectServer();
});
afterAll(() => server.close());
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'get-'));
  target = join(dir, 'target.bin');
  server.fault = undefined;
  server.ranges = true;
  server.etag = (bytes) => createHash('md5').update(bytes).digest('hex');
  server.log.length = 0;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const failing = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it succeeded')),
    (error: unknown) => error as { code: string; message: string; stack: string },
  );
const put = (sizeBytes: number, seed = 1): Buffer => {
  const bytes = noise(sizeBytes, seed);
  server.objects.set('o', bytes);
  return bytes;
};
const arrived = (): Buffer => readFileSync(target);
const sent = (): number => server.log.reduce((sum, entry) => sum + entry.bytes, 0);

function memoryJournal(): PartJournal & { plan: ReturnType<PartJournal['load']>; marks: number[] } {
  const journal = {
    plan: undefined as ReturnType<PartJournal['load']>,
    marks: [] as number[],
    load: () => journal.plan && { ...journal.plan, done: [...journal.marks] },
    begin: (plan: Parameters<PartJournal['begin']>[0]) => {
      journal.plan = { ...plan, done: [] };
      journal.marks = [];
    },
    markDone: (part: number) => void journal.marks.push(part),
    clear: () => {
      journal.plan = undefined;
      journal.marks = [];
    },
  };
  return journal;
}

/** Sends the first `bytes` of what would be sent, then breaks the connection. */
const breakAfter = (bytes: number) => (request: IncomingMessage, response: ServerResponse) => {
  const whole = server.objects.get('o') as Buffer;
  const [start = 0, last = whole.length - 1] = (/(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [])
    .slice(1)
    .map(Number);
  const end = Math.min(last + 1, whole.length);
  response.writeHead(206, {
    etag: `"${server.etag(whole)}"`,
    'content-length': end - start,
    'content-range': `bytes ${start}-${end - 1}/${whole.length}`,
  });
  const piece = whole.subarray(start, Math.min(end, start + bytes));
  const entry = server.log.at(-1);
  if (entry !== undefined) entry.bytes = piece.length;
  response.write(piece, () => setTimeout(() => response.destroy(), 5));
  return true;
};

describe('getToFile', () => {
  it.each([0, 1, 256 * KiB, MiB - 1, MiB, MiB + 1, 5 * MiB + 3])(
    'fetches %i bytes, verified',
    async (size) => {
      const bytes = put(size);
      let counted = 0;
      const result = await getToFile(server.url('o'), target, {
        ...SMALL_PARTS,
        expectedSizeBytes: size,
        hash: 'both',
        onBytes: (moved) => (counted += moved),
      });
      expect(result).toEqual({
        sizeBytes: size,
        md5Hex: createHash('md5').update(bytes).digest('hex'),
        sha256Hex: createHash('sha256').update(bytes).digest('hex'),
        etag: size === 0 ? undefined : server.etag(bytes),
        resumedBytes: 0,
      });
      expect(arrived().equals(bytes)).toBe(true);
      expect(counted).toBe(size);
      expect(readdirSync(dir)).toEqual(['target.bin']);
    },
  );

  it('takes a small object in one request, a large one in several at once', async () => {
    put(MiB);
    await getToFile(server.url('o'), target, SMALL_PARTS);
    expect(server.log).toHaveLength(1);
    put(6 * MiB);
    await getToFile(server.url('o'), target, SMALL_PARTS);
    expect(server.log.slice(1)).toHaveLength(6);
    expect(sent()).toBe(7 * MiB);
  });

  it('works where ranges are not known, even after a break', async () => {
    const bytes = put(3 * MiB);
    server.ranges = false;
    let broken = false;
    server.fault = (_, response) => {
      if (broken) return false;
      broken = true;
      response.writeHead(200, { etag: `"${server.etag(bytes)}"`, 'content-length': bytes.length });
      response.write(bytes.subarray(0, 2 * MiB), () => setTimeout(() => response.destroy(), 5));
      return true;
    };
    await getToFile(server.url('o'), target, SMALL_PARTS);
    expect(arrived().equals(bytes)).toBe(true);
    expect(server.log).toHaveLength(2);
  });

  it('takes a body up again where it broke', async () => {
    const bytes = put(MiB);
    server.fault = (request, response, seen) => (seen < 5 ? breakAfter(200_000)(request, response) : false);
    await getToFile(server.url('o'), target, SMALL_PARTS);
    expect(arrived().equals(bytes)).toBe(true);
    expect(sent()).toBeLessThanOrEqual(MiB);
  });

  it('gives up when nothing comes any more, and goes on from there with the same journal', async () => {
    const bytes = put(5 * MiB);
    const journal = memoryJournal();
    server.fault = (request, response, seen) =>
      seen > 1 && request.socket.resetAndDestroy() !== undefined
        ? true
        : breakAfter(600 * KiB)(request, response);
    const error = await failing(getToFile(server.url('o'), target, { ...SMALL_PARTS, ranges: 1, journal }));
    expect(error.code).toBe('NDI_E_NETWORK');
    expect(journal.load()?.done).toEqual([0, 1]);
    server.fault = undefined;
    server.log.length = 0;
    const result = await getToFile(server.url('o'), target, { ...SMALL_PARTS, journal });
    expect(result.resumedBytes).toBe(512 * KiB);
    expect(sent()).toBe(5 * MiB - 512 * KiB);
    expect(arrived().equals(bytes)).toBe(true);
    expect(journal.load()).toBeUndefined();
  });

  it('starts over when the object is another one now', async () => {
    put(5 * MiB, 1);
    const journal = memoryJournal();
    server.fault = (request, response, seen) =>
      seen > 1 && request.socket.resetAndDestroy() !== undefined
        ? true
        : breakAfter(600 * KiB)(request, response);
    await failing(getToFile(server.url('o'), target, { ...SMALL_PARTS, ranges: 1, journal }));
    server.fault = undefined;
    for (const size of [5 * MiB, 3 * MiB]) {
      const bytes = put(size, size);
      const result = await getToFile(server.url('o'), target, { ...SMALL_PARTS, journal });
      expect(result.resumedBytes).toBe(0);
      expect(arrived().equals(bytes)).toBe(true);
    }
  });

  it('starts over when the object changes on the way, and says so when it never rests', async () => {
    put(5 * MiB, 1);
    let changes = 0;
    server.fault = (_request, _response, seen) => {
      if (seen === 2) put(5 * MiB, 100 + changes++);
      return false;
    };
    await getToFile(server.url('o'), target, SMALL_PARTS);
    expect(arrived().equals(server.objects.get('o') as Buffer)).toBe(true);
    server.fault = (_request, _response, seen) => {
      if (seen > 1) put(5 * MiB, 100 + changes++);
      return false;
    };
    const error = await failing(getToFile(server.url('o'), join(dir, 'other'), SMALL_PARTS));
    expect(error).toMatchObject({ code: 'NDI_E_FILE_CHANGED', class: 'moved' });
    expect(readdirSync(dir)).toEqual(['target.bin']);
  });

  it('asks for a new URL when one expires, and goes on with the same part', async () => {
    const bytes = put(5 * MiB);
    let asked = 0;
    const valid = (): string => `${server.url('o')}&n=${asked}`;
    let served = 0;
    server.fault = (request, response) => {
      const n = Number(/n=(\d+)/.exec(request.url ?? '')?.[1]);
      // Each URL is good for two requests.
      if (n * 2 > served++) return false;
      served -= 1;
      sendXml(response, 403, 'AccessDenied');
      return true;
    };
    const source = async (): Promise<string> => {
      asked += 1;
      return valid();
    };
    await getToFile(source, target, { ...SMALL_PARTS, ranges: 2 });
    expect(arrived().equals(bytes)).toBe(true);
    expect(asked).toBe(3);
    expect(sent()).toBe(5 * MiB);
  });

  it('gives an expired URL back to who gave only that one, or never a good one', async () => {
    put(MiB);
    server.fault = (_, response) => {
      sendXml(response, 403, 'AccessDenied');
      return true;
    };
    const error = await failing(getToFile(server.url('o'), target, SMALL_PARTS));
    expect(error.code).toBe('NDI_E_URL_EXPIRED');
    expect(error.message + error.stack).not.toMatch(/secretsecret/);
    server.log.length = 0;
    const never = await failing(getToFile(async () => server.url('o'), target, SMALL_PARTS));
    expect(never.code).toBe('NDI_E_URL_EXPIRED');
    expect(server.log).toHaveLength(3);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('passes on what the answer means', async () => {
    expect((await failing(getToFile(server.url('none'), target))).code).toBe('NDI_E_NOT_FOUND');
    const soon = getToFile(server.url('none'), target, { notReadyStatuses: [403, 404] });
    expect((await failing(soon)).code).toBe('NDI_E_NOT_READY');
    server.fault = (_, response) => {
      sendXml(response, 403, 'InvalidObjectState');
      return true;
    };
    expect((await failing(getToFile(server.url('o'), target))).code).toBe('NDI_E_ARCHIVED');
  });

  it.each([
    ['small', 100 * KiB],
    ['large', 3 * MiB],
  ])('throws damaged bytes away (%s)', async (_, size) => {
    put(size);
    server.etag = () => 'd41d8cd98f00b204e9800998ecf8427e';
    const journal = memoryJournal();
    const error = await failing(getToFile(server.url('o'), target, { ...SMALL_PARTS, journal }));
    expect(error.code).toBe('NDI_E_INTEGRITY');
    expect(readdirSync(dir)).toEqual([]);
    expect(journal.load()).toBeUndefined();
    server.etag = () => undefined;
    const expected = { expectedMd5Hex: '0'.repeat(32) };
    expect((await failing(getToFile(server.url('o'), target, { ...SMALL_PARTS, ...expected }))).code).toBe(
      'NDI_E_INTEGRITY',
    );
  });

  it('refuses another size than expected, and a body that was compressed on the way', async () => {
    put(1000);
    const other = getToFile(server.url('o'), target, { expectedSizeBytes: 999 });
    expect((await failing(other)).code).toBe('NDI_E_INTEGRITY');
    server.fault = (_, response) => {
      response.setHeader('content-encoding', 'gzip');
      return false;
    };
    expect((await failing(getToFile(server.url('o'), target))).code).toBe('NDI_E_BAD_ANSWER');
  });

  it('notices a body that stops, and goes on after it', async () => {
    const bytes = put(MiB);
    server.fault = (_, response, seen) => {
      if (seen > 1) return false;
      response.writeHead(206, {
        etag: `"${server.etag(bytes)}"`,
        'content-length': MiB,
        'content-range': `bytes 0-${MiB - 1}/${MiB}`,
      });
      response.write(bytes.subarray(0, 300_000));
      return true;
    };
    await getToFile(server.url('o'), target, { ...SMALL_PARTS, stallTimeoutMs: 100 });
    expect(arrived().equals(bytes)).toBe(true);
    expect(server.log[1]?.range).toBe('bytes=300000-1048575');
  });

  it('replaces what is at the target, unless its MD5 proves it is the object', async () => {
    const bytes = put(2 * MiB);
    writeFileSync(target, noise(2 * MiB, 77));
    expect((await getToFile(server.url('o'), target, SMALL_PARTS)).resumedBytes).toBe(0);
    expect(arrived().equals(bytes)).toBe(true);
    const before = statSync(target);
    expect((await getToFile(server.url('o'), target, SMALL_PARTS)).resumedBytes).toBe(2 * MiB);
    expect(statSync(target).ino).toBe(before.ino);
  });

  it('survives a try that was given up and runs on beside it', async () => {
    const bytes = put(8 * MiB);
    const journal = memoryJournal();
    const both = [1, 2, 3].map((ranges) =>
      getToFile(server.url('o'), target, { ...SMALL_PARTS, ranges, journal }),
    );
    const results = await Promise.all(both);
    expect(results.map((result) => result.md5Hex)).toEqual(Array(3).fill(server.etag(bytes)));
    expect(arrived().equals(bytes)).toBe(true);
    expect(readdirSync(dir)).toEqual(['target.bin']);
  });

  it('stops at once when the caller aborts, and keeps what came', async () => {
    put(5 * MiB);
    const journal = memoryJournal();
    const controller = new AbortController();
    const reason = new Error('enough');
    server.fault = (_request, _response, seen) => seen > 3;
    let moved = 0;
    const got = getToFile(server.url('o'), target, {
      ...SMALL_PARTS,
      journal,
      signal: controller.signal,
      onBytes: (bytes) => {
        moved += bytes;
        if (moved === 3 * MiB) setTimeout(() => controller.abort(reason), 30);
      },
    });
    expect(await failing(got)).toBe(reason);
    expect(journal.marks.length).toBeGreaterThanOrEqual(8);
    expect(statSync(join(dir, readdirSync(dir)[0] ?? '')).size).toBe(5 * MiB);
  });

  it('says where it cannot write', async () => {
    put(10);
    const error = await failing(getToFile(server.url('o'), join(dir, 'no', 'such', 'dir')));
    expect(error.code).toBe('NDI_E_FILE_MISSING');
  });
});
