/**
 * Many small files in zips against a raw undici loop that sends ready-made zips of the same size, and zips
 * against Python: `node bench/transfer-small.ts [files] [bytes] [rounds]`.
 */
import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { readEntries } from '../transfer/unzip.ts';
import { putZip, writeZip } from '../transfer/zip.ts';
import { zipDocuments } from '../transfer/zip-documents.ts';
import { storedZipBytes } from '../transfer/zip-format.ts';
import { compare, report, startBench } from './transfer-kit.ts';

const count = Number(process.argv[2] ?? 10_000);
const sizeBytes = Number(process.argv[3] ?? 4096);
const rounds = Number(process.argv[4] ?? 5);
const PER_ZIP = 2000;
const WINDOW = 4;
const bench = await startBench();
try {
  const files = join(bench.dir, 'files');
  mkdirSync(files);
  const entries = Array.from({ length: count }, (_, n) => {
    const name = `41${n.toString(16).padStart(14, '0')}_${n.toString(16).padStart(16, '0')}`;
    const path = join(files, name);
    writeFileSync(path, randomFillSync(Buffer.alloc(sizeBytes)));
    return { name, path, sizeBytes };
  });
  const units = Array.from({ length: Math.ceil(count / PER_ZIP) }, (_, n) =>
    entries.slice(n * PER_ZIP, (n + 1) * PER_ZIP),
  );
  const inWindow = async <T>(
    all: readonly T[],
    body: (one: T, n: number) => Promise<unknown>,
  ): Promise<void> => {
    const left = all.map((one, n) => [one, n] as const);
    const line = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) await body(next[0], next[1]);
    };
    await Promise.all(Array.from({ length: WINDOW }, line));
  };
  const dispatcher = new Agent({ allowH2: false });
  const raw = async (url: string, body: Buffer): Promise<void> => {
    const answer = await request(url, { method: 'PUT', body, dispatcher });
    await answer.body.dump();
  };
  const ready = units.map((unit) => Buffer.alloc(storedZipBytes(unit)));
  for (const sink of ['stored', 'discard']) {
    const url = (n: number): string => bench.url(`${sink}${n}`);
    report(
      `${count} files of ${sizeBytes} bytes in ${units.length} zips, ${sink}`,
      await compare(
        {
          raw: () => inWindow(ready, (body, n) => raw(url(n), body)),
          'raw, files read first': () =>
            inWindow(units, (unit, n) =>
              raw(url(n), Buffer.concat(unit.map((entry) => readFileSync(entry.path)))),
            ),
          'putZip, no hash': () => inWindow(units, (unit, n) => putZip(url(n), unit, { hash: 'none' })),
          'putZip, md5': () => inWindow(units, (unit, n) => putZip(url(n), unit, { hash: 'md5' })),
          'putZip, both': () => inWindow(units, (unit, n) => putZip(url(n), unit)),
        },
        rounds,
      ),
      'raw',
    );
  }
  const json = Buffer.from(
    JSON.stringify({ base: { id: 'x'.repeat(33) }, data: Array.from({ length: 240 }, (_, n) => n / 7) }),
  ).subarray(0, 2200);
  const documents = Array.from({ length: 10_000 }, (_, n) => ({ name: `${n}.json`, bytes: json }));
  const archive = join(bench.dir, 'documents.zip');
  const list = join(bench.dir, 'list.txt');
  writeFileSync(join(bench.dir, 'doc.json'), json);
  writeFileSync(list, entries.map((entry) => entry.path).join('\n'));
  const python =
    (program: string, ...args: string[]) =>
    async (): Promise<void> =>
      void execFileSync('python3', ['-c', `import sys, zipfile, os\n${program}`, ...args]);
  report(
    'ZIP of 10,000 documents of 2.2 KB',
    await compare(
      {
        python: python(
          `d = open(sys.argv[1], 'rb').read()
with zipfile.ZipFile(sys.argv[2], 'w', zipfile.ZIP_DEFLATED) as z:
    for n in range(10000): z.writestr(f'{n}.json', d)`,
          join(bench.dir, 'doc.json'),
          archive,
        ),
        zipDocuments: async () => writeFileSync(archive, await zipDocuments(documents)),
        'unzip by python': python(
          `z = zipfile.ZipFile(sys.argv[1])
for n in z.namelist(): z.read(n)`,
          archive,
        ),
        readEntries: async () => {
          for await (const _ of readEntries(archive));
        },
      },
      rounds,
    ),
    'python',
  );
  report(
    'ZIP of the small files to disk',
    await compare(
      {
        python: python(
          `with zipfile.ZipFile(sys.argv[2], 'w') as z:
    for p in open(sys.argv[1]).read().split('\\n'): z.write(p, os.path.basename(p))`,
          list,
          archive,
        ),
        'writeZip store': async () => void (await writeZip(entries, archive, { level: 'store' })),
        'writeZip level 1': async () => void (await writeZip(entries, archive, { level: 1 })),
      },
      rounds,
    ),
    'python',
  );
} finally {
  bench.stop();
}
