import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EntryError } from './failures.ts';
import { noise, type ObjectServer, startObjectServer } from './object-server.test.fixture.ts';
import type { ZipEntry } from './types.ts';
import { readEntries, readJsonEntries } from './unzip.ts';
import { putZip, writeZip } from './zip.ts';
import { zipDocuments } from './zip-documents.ts';
import { storedZipBytes } from './zip-format.ts';

const MiB = 1024 * 1024;
let dir: string;
let server: ObjectServer;

beforeAll(async () => {
  server = await startObjectServer();
});
afterAll(() => server.close());
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'zip-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const failing = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it succeeded')),
    (error: unknown) => error as { code: string; message: string },
  );
async function unzipped(path: string): Promise<Map<string, Buffer>> {
  const entries = new Map<string, Buffer>();
  for await (const { name, bytes } of readEntries(path)) entries.set(name, bytes);
  return entries;
}
/** Python's zipfile as the second opinion; it checks every CRC. */
const byPython = (path: string): string[] => {
  const program = `import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print("\\n".join(z.namelist()))`;
  return execFileSync('python3', ['-c', program, path], { encoding: 'utf8' }).trim().split('\n');
};
const file = (name: string, bytes: Buffer): ZipEntry => {
  const path = join(dir, name);
  writeFileSync(path, bytes);
  return { name, path, sizeBytes: bytes.length };
};
const text = (sizeBytes: number): Buffer =>
  Buffer.from('{"a":[1,2,3]}\n'.repeat(sizeBytes / 14 + 1)).subarray(0, sizeBytes);

describe('an archive', () => {
  it('holds what was put in, at every level, small or large', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.stringMatching(/^[\wäé☃-]{1,20}$/), { maxLength: 20 }),
        fc.infiniteStream(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.nat(200_000).map(text))),
        fc.constantFrom(0, 1, 6, 9),
        async (names, contents, level) => {
          const entries = names.map((name) => ({ name, bytes: contents.next().value as Uint8Array }));
          const bytes = await zipDocuments(entries, level as 0);
          const path = join(dir, 'a.zip');
          writeFileSync(path, bytes);
          const found = await unzipped(path);
          expect([...found.keys()]).toEqual(names);
          for (const entry of entries) expect(found.get(entry.name)?.equals(entry.bytes)).toBe(true);
          if (level === 0) {
            expect(bytes.length).toBe(
              storedZipBytes(entries.map(({ name, bytes: { length } }) => ({ name, sizeBytes: length }))),
            );
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is the same for the same entries, and other programs read it', async () => {
    const entries = [
      { name: 'b.json', bytes: text(500_000) },
      { name: 'é.json', bytes: Buffer.alloc(0) },
      { name: 'a', bytes: noise(3000) },
    ];
    const first = await zipDocuments(entries);
    expect(first.equals(await zipDocuments(entries))).toBe(true);
    const path = join(dir, 'a.zip');
    writeFileSync(path, first);
    expect(byPython(path)).toEqual(['b.json', 'é.json', 'a']);
    expect(execFileSync('unzip', ['-tq', path], { encoding: 'utf8' })).toMatch(/No errors/);
  });

  it.each(['', '.', '..', 'a/b', 'a\\b', 'c:x', 'a\nb', 'x'.repeat(256)])(
    'refuses the name %j',
    async (name) => {
      expect((await failing(zipDocuments([{ name, bytes: Buffer.alloc(1) }]))).code).toBe('NDI_E_BAD_ID');
    },
  );

  it('refuses a name twice', async () => {
    const twice = ['a', 'b', 'a'].map((name) => ({ name, bytes: Buffer.alloc(1) }));
    expect((await failing(writeZip(twice, join(dir, 'a.zip')))).code).toBe('NDI_E_BAD_ID');
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('writeZip', () => {
  const mixed = (): ZipEntry[] => [
    file('large', noise(9 * MiB + 1)),
    ...Array.from({ length: 300 }, (_, n) => file(`small${n}`, noise(n * 13, n + 1))),
    { name: 'memory', bytes: text(4000) },
    file('medium', noise(700_000)),
  ];

  it.each(['store', 1, 'auto'] as const)('writes files of all sizes (%s)', async (level) => {
    const entries = mixed();
    const path = join(dir, 'a.zip');
    const result = await writeZip(entries, path, { level });
    expect(result).toEqual({ sizeBytes: statSync(path).size, deflated: level === 1 });
    expect(byPython(path)).toEqual(entries.map((entry) => entry.name));
    const found = await unzipped(path);
    for (const entry of entries) {
      const bytes = 'bytes' in entry ? entry.bytes : readFileSync(entry.path);
      expect(found.get(entry.name)?.equals(bytes)).toBe(true);
    }
  });

  it('leaves large archives to archiver, with the same result', async () => {
    const entries = [file('x', text(40 * MiB)), file('y', text(30 * MiB)), file('z', Buffer.alloc(0))];
    const path = join(dir, 'a.zip');
    const { sizeBytes, deflated } = await writeZip(entries, path);
    expect(deflated).toBe(true);
    expect(sizeBytes).toBeLessThan(MiB);
    expect(byPython(path)).toEqual(['x', 'y', 'z']);
    const limits = { maxEntries: 9, maxEntryBytes: 100 * MiB, maxTotalBytes: 100 * MiB, maxRatio: 2000 };
    for await (const { name, bytes } of readEntries(path, limits))
      expect(bytes.equals(readFileSync(join(dir, name)))).toBe(true);
    await writeZip(entries, path);
    expect(statSync(path).size).toBe(sizeBytes);
  });

  it('deflates by content', async () => {
    const compressible = [file('t1', text(100_000)), file('t2', text(50_000))];
    expect((await writeZip(compressible, join(dir, 'a.zip'))).deflated).toBe(true);
    const recordings = [file('n1', noise(100_000)), file('n2', noise(50_000))];
    expect((await writeZip(recordings, join(dir, 'b.zip'))).deflated).toBe(false);
    expect(await writeZip([], join(dir, 'c.zip'))).toEqual({ sizeBytes: 22, deflated: false });
  });

  it.each([10, 300_000, 9 * MiB])(
    'notices that a file of %i bytes is gone or of another size',
    async (size) => {
      const entry = file('f', noise(size)) as Extract<ZipEntry, { path: string }>;
      const path = join(dir, 'a.zip');
      for (const level of ['store', 1] as const) {
        const longer = { ...entry, sizeBytes: size + 1 };
        expect((await failing(writeZip([longer], path, { level }))).code).toBe('NDI_E_FILE_CHANGED');
        const gone = { ...entry, path: join(dir, 'gone') };
        expect((await failing(writeZip([gone], path, { level }))).code).toBe('NDI_E_FILE_MISSING');
      }
      expect(readdirSync(dir)).toEqual(['f']);
    },
  );

  it('notices that a large file of a large archive is gone', async () => {
    const entries = [file('x', text(70 * MiB)), { name: 'y', path: join(dir, 'gone'), sizeBytes: 1 }];
    expect((await failing(writeZip(entries, join(dir, 'a.zip')))).code).toBe('NDI_E_FILE_MISSING');
    expect(readdirSync(dir)).toEqual(['x']);
  });
});

describe('putZip', () => {
  it.each(['store', 1] as const)('sends an archive in one request (%s)', async (level) => {
    const entries = Array.from({ length: 500 }, (_, n) => file(`f${n}`, text(n * 7)));
    const scratchDir = join(dir, 'scratch');
    mkdirSync(scratchDir);
    const result = await putZip(server.url('zip'), entries, { level, scratchDir });
    const stored = server.objects.get('zip') as Buffer;
    expect(result).toMatchObject({
      sizeBytes: stored.length,
      md5Hex: createHash('md5').update(stored).digest('hex'),
    });
    const path = join(dir, 'got.zip');
    writeFileSync(path, stored);
    expect([...(await unzipped(path)).keys()]).toEqual(entries.map((entry) => entry.name));
    expect(readdirSync(scratchDir)).toEqual([]);
  });

  it.each([
    ['longer than said', (path: string) => ({ path, sizeBytes: 11 }), 'NDI_E_FILE_CHANGED'],
    ['a folder', () => ({ path: dir, sizeBytes: 10 }), 'NDI_E_FILE_UNREADABLE'],
    ['gone', (path: string) => ({ path: `${path}.gone`, sizeBytes: 10 }), 'NDI_E_FILE_MISSING'],
  ])('says which entry is %s', async (_what, bad, code) => {
    for (const level of ['auto', 'store', 1] as const) {
      const entries = [file('a', noise(10)), { name: 'b', ...bad(join(dir, 'a')) }, file('c', noise(10))];
      const error = await failing(putZip(server.url('zip3'), entries, { level }));
      expect(error).toBeInstanceOf(EntryError);
      expect(error).toMatchObject({ code, entry: 'b' });
    }
    const large = [file('x', text(70 * MiB)), { name: 'b', ...bad(join(dir, 'a')) }];
    const error = await failing(putZip(server.url('zip3'), large, { level: 1 }));
    expect(error).toMatchObject({ code, entry: 'b' });
    expect(server.objects.has('zip3')).toBe(false);
  });

  it('tells a changed file from a broken connection', async () => {
    const entries = [file('a', noise(10)), { name: 'b', path: join(dir, 'a'), sizeBytes: 11 }];
    expect((await failing(putZip(server.url('zip2'), entries))).code).toBe('NDI_E_FILE_CHANGED');
    expect(server.objects.has('zip2')).toBe(false);
  });
});

describe('readJsonEntries', () => {
  it('gives the text of JSON entries alone', async () => {
    const path = join(dir, 'a.zip');
    const entries = [
      { name: 'a.json', bytes: Buffer.from('\ufeff{"ü":1}') },
      { name: 'b.txt', bytes: Buffer.from('no') },
      { name: 'c.JSON', bytes: text(300_000) },
    ];
    writeFileSync(path, await zipDocuments(entries));
    const found: Array<[string, number]> = [];
    for await (const { name, pieces } of readJsonEntries(path)) {
      let sizeBytes = 0;
      for await (const piece of pieces) sizeBytes += piece.length;
      found.push([name, sizeBytes]);
    }
    expect(found).toEqual([
      ['a.json', 11],
      ['c.JSON', 300_000],
    ]);
  });

  it.each([0, 1] as const)('gives an entry that is never held as a whole (level %i)', async (level) => {
    const path = join(dir, 'a.zip');
    const content = Buffer.concat([Buffer.from('ü'), text(9 * MiB), Buffer.from('ü')]);
    writeFileSync(path, await zipDocuments([{ name: 'a.json', bytes: content }], level));
    const read = async (): Promise<Buffer[]> => {
      const found: Buffer[] = [];
      for await (const { pieces } of readJsonEntries(path)) {
        for await (const piece of pieces) found.push(piece);
      }
      return found;
    };
    const pieces = await read();
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(MiB);
    expect(Buffer.concat(pieces).equals(content)).toBe(true);
    const archive = readFileSync(path);
    // In the middle of the data: nothing of a damaged entry is given.
    archive[Math.floor(archive.length / 2)]! ^= 0x10;
    writeFileSync(path, archive);
    let given = 0;
    const readDamaged = async (): Promise<void> => {
      for await (const { pieces: some } of readJsonEntries(path)) for await (const _ of some) given += 1;
    };
    expect((await failing(readDamaged())).code).toBe('NDI_E_ZIP_CORRUPT');
    expect(given).toBe(0);
  });

  it('refuses text that is none', async () => {
    const path = join(dir, 'a.zip');
    writeFileSync(path, await zipDocuments([{ name: 'a.json', bytes: Buffer.from([0x22, 0xff, 0x22]) }]));
    const read = async () => {
      for await (const _ of readJsonEntries(path));
    };
    expect((await failing(read())).code).toBe('NDI_E_BAD_JSON');
  });
});
