import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { followFile, hashFile } from './hash.ts';
import { noise } from './object-server.test.fixture.ts';

const MiB = 1024 * 1024;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hash-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const digest = (name: string, bytes: Buffer) => createHash(name).update(bytes).digest('hex');

describe('hashFile', () => {
  it.each([0, 1, MiB, MiB + 1, 20 * MiB + 7])('hashes %i bytes', async (sizeBytes) => {
    const bytes = noise(sizeBytes);
    const path = join(dir, 'f');
    writeFileSync(path, bytes);
    const md5Hex = digest('md5', bytes);
    expect(await hashFile(path)).toEqual({ sizeBytes, md5Hex, sha256Hex: digest('sha256', bytes) });
    expect(await hashFile(path, 'md5')).toEqual({ sizeBytes, md5Hex, sha256Hex: '' });
    expect(await hashFile(path, 'none')).toEqual({ sizeBytes, md5Hex: '', sha256Hex: '' });
  });

  it('hashes many files at once', async () => {
    const files = Array.from({ length: 12 }, (_, n) => ({
      path: join(dir, `f${n}`),
      bytes: noise(2 * MiB + n, n + 1),
    }));
    for (const { path, bytes } of files) writeFileSync(path, bytes);
    const found = await Promise.all(files.map(({ path }) => hashFile(path, 'sha256')));
    expect(found.map((one) => one.sha256Hex)).toEqual(files.map(({ bytes }) => digest('sha256', bytes)));
  });

  it('ends with the reason of who aborts', async () => {
    const path = join(dir, 'f');
    writeFileSync(path, noise(64 * MiB));
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 5);
    await expect(hashFile(path, 'both', controller.signal)).rejects.toBe(reason);
    await expect(hashFile(join(dir, 'none'))).rejects.toMatchObject({ code: 'NDI_E_FILE_MISSING' });
  });
});

describe('followFile', () => {
  it('hashes what is written, when it is written', async () => {
    const bytes = noise(3 * MiB);
    const file = await open(join(dir, 'f'), 'w+');
    const follower = followFile(file.fd, 'both', 'f');
    for (let at = 0; at < bytes.length; at += MiB) {
      await file.write(bytes, at, MiB, at);
      follower.advance(at + MiB);
    }
    expect((await follower.finish(bytes.length)).md5Hex).toBe(digest('md5', bytes));
    await follower.abandon();
    await file.close();
  });

  it('says that a file is too short, and lets go when abandoned', async () => {
    const file = await open(join(dir, 'f'), 'w+');
    await file.write(noise(1000));
    await expect(followFile(file.fd, 'md5', 'f').finish(1001)).rejects.toMatchObject({
      code: 'NDI_E_FILE_CHANGED',
    });
    const left = followFile(file.fd, 'md5', 'f');
    left.advance(500);
    await Promise.all([left.abandon(), left.abandon()]);
    await left.abandon();
    await expect(left.finish(1000)).rejects.toMatchObject({ code: 'NDI_E_CANCELLED' });
    await file.close();
  });
});
