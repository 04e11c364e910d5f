import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { UnzipLimits } from './types.ts';
import { DEFAULT_LIMITS, readEntries } from './unzip.ts';
import { zipDocuments } from './zip-documents.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'unzip-'));
  path = join(dir, 'a.zip');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** One entry as a liar would write it. */
interface ForgedEntry {
  name?: string | Buffer;
  localName?: string;
  data?: Buffer;
  stored?: Buffer;
  method?: number;
  flags?: number;
  crc?: number;
  size?: number;
  compressed?: number;
  madeBy?: number;
  attributes?: number;
  offset?: number;
  extra?: Buffer;
}

function forge(
  entries: ForgedEntry[],
  end: { count?: number; comment?: string; size?: number; offset?: number } = {},
): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let at = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.name ?? 'a');
    const data = entry.data ?? Buffer.from('hello');
    const stored = entry.stored ?? (entry.method === 8 ? deflateRawSync(data) : data);
    const common = (nameBytes: number, extraBytes: number): Buffer => {
      const bytes = Buffer.alloc(26);
      bytes.writeUInt16LE(20, 0);
      bytes.writeUInt16LE(entry.flags ?? 0x0800, 2);
      bytes.writeUInt16LE(entry.method ?? 0, 4);
      bytes.writeUInt32LE(entry.crc ?? crc32(data), 10);
      bytes.writeUInt32LE(entry.compressed ?? stored.length, 14);
      bytes.writeUInt32LE(entry.size ?? data.length, 18);
      bytes.writeUInt16LE(nameBytes, 22);
      bytes.writeUInt16LE(extraBytes, 24);
      return bytes;
    };
    const localName = Buffer.from(entry.localName ?? name);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common(localName.length, 0), localName, stored]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(entry.attributes ?? 0, 6);
    tail.writeUInt32LE(entry.offset ?? at, 10);
    const madeBy = Buffer.from([20, entry.madeBy ?? 3]);
    const extra = entry.extra ?? Buffer.alloc(0);
    centrals.push(
      Buffer.concat([
        Buffer.from('PK\x01\x02'),
        madeBy,
        common(name.length, extra.length),
        tail,
        name,
        extra,
      ]),
    );
    locals.push(local);
    at += local.length;
  }
  const directory = Buffer.concat(centrals);
  const comment = Buffer.from(end.comment ?? '');
  const last = Buffer.alloc(22);
  last.write('PK\x05\x06', 'latin1');
  last.writeUInt16LE(end.count ?? entries.length, 8);
  last.writeUInt16LE(end.count ?? entries.length, 10);
  last.writeUInt32LE(end.size ?? directory.length, 12);
  last.writeUInt32LE(end.offset ?? at, 16);
  last.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...locals, directory, last, comment]);
}

async function codeOf(archive: Buffer, limits: UnzipLimits = DEFAULT_LIMITS): Promise<string> {
  writeFileSync(path, archive);
  try {
    for await (const _ of readEntries(path, limits));
    return 'read';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

const symlink = 0o120777 * 0x10000;
const zeroes = Buffer.alloc(3_000_000);
const wide = Buffer.from([1, 0, 8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);

describe('an honest archive', () => {
  it.each<[string, ForgedEntry[]]>([
    [
      'stored and deflated entries',
      [{ name: 'a' }, { name: 'b', method: 8 }, { name: 'c', data: Buffer.alloc(0) }],
    ],
    ['a folder', [{ name: 'd/', data: Buffer.alloc(0) }, { name: 'd/a' }]],
    ['a name that is not UTF-8', [{ name: Buffer.from([0x61, 0xe9]), flags: 0 }]],
    ['unix permissions', [{ attributes: 0o100644 * 0x10000 }]],
    ['attributes of another system', [{ madeBy: 0, attributes: symlink }]],
    ['an extra field', [{ extra: Buffer.from([0x55, 0x54, 1, 0, 0]) }]],
    ['nothing', []],
  ])('with %s is read', async (_, entries) => {
    expect(await codeOf(forge(entries))).toBe('read');
  });

  it('with a comment that looks like an end is read', async () => {
    expect(
      await codeOf(forge([{}], { comment: 'PK\x05\x06 and more, much more than twenty-two bytes' })),
    ).toBe('read');
  });

  it('of the ZIP64 kind is read', async () => {
    writeFileSync(join(dir, 'x.bin'), Buffer.alloc(100_000, 'x'));
    const program = `import sys, zipfile
zipfile.ZIP64_LIMIT = 1000
zipfile.ZIP_FILECOUNT_LIMIT = 1
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:
    z.write(sys.argv[2], "x.bin")
    z.writestr("y.txt", "y")
    z.writestr("z.txt", "z")`;
    execFileSync('python3', ['-c', program, path, join(dir, 'x.bin')]);
    expect(await codeOf(readFileSync(path))).toBe('read');
    const found = new Map<string, Buffer>();
    for await (const { name, bytes } of readEntries(path)) found.set(name, bytes);
    expect([...found.keys()]).toEqual(['x.bin', 'y.txt', 'z.txt']);
    expect(found.get('x.bin')?.equals(readFileSync(join(dir, 'x.bin')))).toBe(true);
  });
});

describe('an unsafe archive', () => {
  const badNames = [
    '../a',
    'a/../../b',
    '/a',
    'C:\\a',
    'c:a',
    'a\\b',
    '..',
    '.',
    './a',
    'a//b',
    'a/./b',
    '',
    'a\u0000b',
    'a\nb',
  ];
  it.each(badNames)('with the name %j is refused for good', async (name) => {
    expect(await codeOf(forge([{ name }]))).toBe('NDI_E_ZIP_UNSAFE');
  });

  it.each<[string, ForgedEntry[]]>([
    ['a name twice', [{ name: 'a' }, { name: 'a' }]],
    ['names that differ in case only', [{ name: 'a' }, { name: 'A' }]],
    ['names that differ in spelling only', [{ name: 'é' }, { name: 'e\u0301' }]],
    ['a file and a folder of one name', [{ name: 'a' }, { name: 'a/', data: Buffer.alloc(0) }]],
    ['a folder with content', [{ name: 'a/' }]],
    ['encryption', [{ flags: 1 }]],
    ['strong encryption', [{ flags: 0x41 }]],
    ['a masked directory', [{ flags: 0x2000 }]],
    ['a link', [{ data: Buffer.from('/etc/passwd'), attributes: symlink }]],
    ['a device', [{ attributes: 0o060644 * 0x10000 }]],
    ['a bomb', [{ method: 8, data: zeroes }]],
    ['a size that is a lie', [{ method: 8, data: zeroes, size: 1000 }]],
    ['an unknown packing', [{ method: 12 }]],
    ['entries that share bytes', [{ name: 'a' }, { name: 'b', offset: 0 }]],
    ['an entry that reaches into the next', [{ name: 'a', compressed: 40, size: 40 }, { name: 'b' }]],
    ['an impossible size', [{ size: 0xffffffff, method: 8, extra: wide }]],
  ])('with %s is refused for good', async (_, entries) => {
    expect(await codeOf(forge(entries))).toBe('NDI_E_ZIP_UNSAFE');
  });

  it('with more than the limits is refused for good', async () => {
    const archive = forge([
      { name: 'a', data: Buffer.alloc(60) },
      { name: 'b', data: Buffer.alloc(60) },
    ]);
    const limits = { maxEntries: 2, maxEntryBytes: 60, maxTotalBytes: 120, maxRatio: 200 };
    expect(await codeOf(archive, limits)).toBe('read');
    for (const lower of [{ maxEntries: 1 }, { maxEntryBytes: 59 }, { maxTotalBytes: 119 }]) {
      expect(await codeOf(archive, { ...limits, ...lower })).toBe('NDI_E_ZIP_UNSAFE');
    }
    expect(await codeOf(forge([{ method: 8, data: zeroes }]), { ...DEFAULT_LIMITS, maxRatio: 2000 })).toBe(
      'read',
    );
  });
});

describe('an archive that is not there', () => {
  it('is a missing file', async () => {
    const first = readEntries(join(dir, 'none')).next();
    await expect(first).rejects.toMatchObject({ code: 'NDI_E_FILE_MISSING' });
  });
});

describe('a damaged archive', () => {
  it.each<[string, () => Buffer]>([
    ['nothing at all', () => Buffer.alloc(0)],
    ['another thing', () => Buffer.from('<html>not found</html>'.repeat(20))],
    ['cut off', () => forge([{ data: Buffer.alloc(500) }]).subarray(0, -10)],
    ['cut off at the front', () => forge([{ data: Buffer.alloc(500) }]).subarray(40)],
    ['a wrong CRC', () => forge([{ crc: 1 }])],
    ['a wrong CRC, deflated', () => forge([{ crc: 1, method: 8 }])],
    ['a body that does not inflate', () => forge([{ method: 8, stored: Buffer.alloc(20, 0xff) }])],
    [
      'a body that ends early',
      () =>
        forge([
          {
            method: 8,
            stored: deflateRawSync(Buffer.alloc(5000, 'ab')).subarray(0, -2),
            data: Buffer.alloc(5000, 'ab'),
          },
        ]),
    ],
    ['a size too long', () => forge([{ method: 8, size: 6 }])],
    ['stored with two sizes', () => forge([{ size: 4 }])],
    ['another name in the header', () => forge([{ name: 'a', localName: 'b' }])],
    ['too many entries announced', () => forge([{}], { count: 2 })],
    ['too few entries announced', () => forge([{ name: 'a' }, { name: 'b' }], { count: 1 })],
    ['a directory elsewhere', () => forge([{}], { offset: 3 })],
    ['a directory behind the end', () => forge([{}], { offset: 1000 })],
  ])('is to be fetched again: %s', async (_, make) => {
    expect(await codeOf(make())).toBe('NDI_E_ZIP_CORRUPT');
  });

  it('is refused or read right, whichever byte is turned round and wherever it is cut', async () => {
    const entries = [
      { name: 'a.json', bytes: Buffer.from('{"a":1}'.repeat(50)) },
      { name: 'b', bytes: Buffer.from([1, 2, 3]) },
    ];
    const archive = await zipDocuments(entries);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(archive.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        async (at, flip, cut) => {
          const bad = Buffer.from(cut ? archive.subarray(0, at) : archive);
          if (!cut) bad[at] = (bad[at] as number) ^ flip;
          writeFileSync(path, bad);
          try {
            const found: Array<[string, string]> = [];
            for await (const entry of readEntries(path))
              found.push([entry.name, entry.bytes.toString('hex')]);
            // A flip in a date, or in a name at both places, is all that goes unseen.
            expect(found.map(([, hex]) => hex)).toEqual(entries.map(({ bytes }) => bytes.toString('hex')));
          } catch (error) {
            expect((error as { code: string }).code).toMatch(/^NDI_E_ZIP_(CORRUPT|UNSAFE)$/);
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
