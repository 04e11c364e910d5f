/**
 * A file of a dataset turns into something else between the look and the read: it is refused by name, at
 * once, however it is read.
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hashFile } from './hash.ts';
import { noise, type ObjectServer, startObjectServer } from './object-server.test.fixture.ts';
import { putFile } from './put.ts';
import { putZip, writeZip } from './zip.ts';

const MiB = 1024 * 1024;
/** Far beyond what one small file takes, far below what a pipe or an endless file would. */
const AT_ONCE_MS = 10_000;

const CHANGES: Readonly<Record<string, (path: string) => void>> = {
  'a pipe': (path) => execFileSync('mkfifo', [path]),
  'a link to an endless device': (path) => symlinkSync('/dev/zero', path),
  'a folder': (path) => mkdirSync(path),
};

const READERS: Readonly<Record<string, (url: string, path: string, sizeBytes: number) => Promise<unknown>>> =
  {
    'a PUT': (url, path, sizeBytes) => putFile(url, { path, sizeBytes }),
    'a stored zip': (url, path, sizeBytes) =>
      putZip(url, [{ name: 'x', path, sizeBytes }], { level: 'store' }),
    'a zip whose level a sample decides': (url, path, sizeBytes) =>
      putZip(url, [{ name: 'x', path, sizeBytes }]),
    'a deflated zip': (url, path, sizeBytes) => putZip(url, [{ name: 'x', path, sizeBytes }], { level: 1 }),
    'a large deflated zip': (_url, path, sizeBytes) =>
      writeZip(
        [
          { name: 'first', bytes: new Uint8Array(65 * MiB) },
          { name: 'x', path, sizeBytes },
        ],
        `${path}.zip`,
        { level: 1 },
      ),
    'a hash': (_url, path) => hashFile(path, 'md5'),
  };

describe.runIf(process.platform !== 'win32')('a file of a dataset', () => {
  let server: ObjectServer;
  let dir: string;
  let path: string;

  beforeAll(async () => {
    server = await startObjectServer();
  });
  afterAll(() => server.close());
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'odd-'));
    path = join(dir, 'file');
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const refusalOf = async (work: Promise<unknown>): Promise<string> => {
    const startedAt = performance.now();
    const error = (await work.then(
      () => Promise.reject(new Error('it succeeded')),
      (failure: unknown) => failure,
    )) as { code: string };
    expect(performance.now() - startedAt).toBeLessThan(AT_ONCE_MS);
    return error.code;
  };

  describe.each(Object.keys(READERS))('that is read by %s', (how) => {
    const read = READERS[how]!;

    it.each(Object.keys(CHANGES))('is refused at once when it is %s', async (what) => {
      CHANGES[what]!(path);
      for (const sizeBytes of [0, 5_000, 2 * MiB])
        expect(await refusalOf(read(server.url('x'), path, sizeBytes))).toBe('NDI_E_FILE_UNREADABLE');
      expect(server.objects.has('x')).toBe(false);
    });

    it.runIf(how !== 'a hash')('is refused when it is shorter or longer than it was', async () => {
      for (const sizeBytes of [5_000, 2 * MiB]) {
        writeFileSync(path, noise(sizeBytes));
        truncateSync(path, sizeBytes - 1);
        expect(await refusalOf(read(server.url('x'), path, sizeBytes))).toBe('NDI_E_FILE_CHANGED');
        appendFileSync(path, 'more than it had');
        expect(await refusalOf(read(server.url('x'), path, sizeBytes))).toBe('NDI_E_FILE_CHANGED');
      }
    });
  });
});
