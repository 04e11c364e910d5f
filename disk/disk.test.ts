import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileFailure, writeFailure } from './errors.ts';
import { ensureSpace, freeSpace, notEnoughSpace, RESERVE_BYTES } from './free-space.ts';
import { fsyncDirectory, fsyncDirectorySync, fsyncFile, fsyncFileSync, fsyncFileSystem } from './fsync.ts';
import { linkOrCopy, placeIfAbsent } from './link.ts';
import { isNetworkFileSystem } from './network.ts';
import { packageRoot, packageVersion } from './package.ts';
import { realPath } from './real-path.ts';
import { writeAtomically } from './write.ts';

let dir: string;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'disk-')));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const read = (path: string): string => readFileSync(path, 'utf8');

describe('a file that is written atomically', () => {
  it('replaces the old one, with the permissions asked for, and leaves nothing beside it', () => {
    const path = join(dir, 'a', 'b', 'file.json');
    writeAtomically(path, 'one', { mode: 0o600, folderMode: 0o700 });
    writeAtomically(path, ['tw', 'o'], { mode: 0o600 });
    expect(read(path)).toBe('two');
    expect(readdirSync(join(dir, 'a', 'b'))).toEqual(['file.json']);
    if (process.platform === 'win32') return;
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, 'a')).mode & 0o777).toBe(0o700);
  });

  it('stays as it was when its content fails half-way', () => {
    const path = join(dir, 'file');
    writeAtomically(path, 'old');
    const content = function* (): Generator<string> {
      yield 'half';
      throw new Error('no more');
    };
    expect(() => writeAtomically(path, content())).toThrow('no more');
    expect(read(path)).toBe('old');
    expect(readdirSync(dir)).toEqual(['file']);
  });

  it('is refused with a code where it cannot be written', () => {
    writeFileSync(join(dir, 'file'), '');
    mkdirSync(join(dir, 'folder', 'inner'), { recursive: true });
    for (const path of [join(dir, 'none', 'x'), join(dir, 'file', 'x'), join(dir, 'folder')])
      expect(() => writeAtomically(path, 'text')).toThrow(
        expect.objectContaining({ code: 'NDI_E_READ_ONLY' }),
      );
    expect(readdirSync(dir).sort()).toEqual(['file', 'folder']);
  });

  it('is whole at every moment, also when its writer is killed', async () => {
    const path = join(dir, 'file');
    const write = new URL('./write.ts', import.meta.url).href;
    const script = `
      import { writeAtomically } from ${JSON.stringify(write)};
      for (let n = 0; ; n = (n + 1) % 10) writeAtomically(${JSON.stringify(path)}, [String(n).repeat(50_000), String(n).repeat(50_000)]);`;
    for (let round = 0; round < 3; round += 1) {
      const writer = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
        stdio: 'ignore',
      });
      const ended = new Promise((resolve) => writer.once('exit', resolve));
      while (!existsSync(path)) await sleep(5);
      for (let look = 0; look < 50; look += 1) {
        expect(read(path)).toMatch(/^(\d)\1{99999}$/);
        await sleep(1);
      }
      writer.kill('SIGKILL');
      await ended;
      expect(read(path)).toMatch(/^(\d)\1{99999}$/);
    }
  });
});

describe('flushing to disk', () => {
  it('takes files and folders, and fails for those that are not there', async () => {
    const path = join(dir, 'file');
    writeFileSync(path, 'x');
    await fsyncFile(path);
    await fsyncDirectory(dir);
    fsyncFileSync(path);
    fsyncDirectorySync(dir);
    await expect(fsyncFile(join(dir, 'gone'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(() => fsyncFileSync(join(dir, 'gone'))).toThrow('ENOENT');
  });

  it('takes a whole file system at once, or its files one by one where the system cannot', async () => {
    writeFileSync(join(dir, 'a'), '1');
    const notAsked = (): Iterable<string> => {
      throw new Error('not asked here');
    };
    if (process.platform === 'linux') await fsyncFileSystem(dir, notAsked);
    const PATH = process.env.PATH;
    process.env.PATH = '';
    try {
      const asked: string[] = [];
      const files = function* (): Generator<string> {
        asked.push('a');
        yield join(dir, 'a');
      };
      await fsyncFileSystem(dir, files);
      expect(asked).toEqual(['a']);
      await expect(fsyncFileSystem(dir, () => [join(dir, 'gone')])).rejects.toMatchObject({
        code: 'NDI_E_FILE_MISSING',
      });
      const reason = new Error('stop');
      await expect(fsyncFileSystem(dir, files, AbortSignal.abort(reason))).rejects.toBe(reason);
    } finally {
      process.env.PATH = PATH;
    }
  });
});

describe('free space', () => {
  it('is known for a folder that is still to be made', async () => {
    expect(await freeSpace(join(dir, 'not', 'yet'))).toBeGreaterThan(1024 * 1024);
    await ensureSpace(dir, 1);
  });

  it('is refused with the numbers when there is too little', async () => {
    const free = await freeSpace(dir);
    await expect(ensureSpace(dir, free * 2)).rejects.toMatchObject({
      code: 'NDI_E_DISK_FULL',
      message: expect.stringMatching(
        /has [\d.]+ MB free; [\d.]+ MB are needed, and 33\.6 MB more must stay free/,
      ),
    });
  });

  it('that would do but for the reserve is refused with the reserve named', async () => {
    const free = await freeSpace(dir);
    // Other programs write meanwhile: half the reserve is room enough for them.
    await expect(ensureSpace(dir, free - RESERVE_BYTES / 2)).rejects.toThrow('more must stay free');
    const { message } = notEnoughSpace('/data', 77.3e6, 71.7e6);
    expect(message).toContain(
      '/data has 77.3 MB free; 71.7 MB are needed, and 33.6 MB more must stay free for other programs.',
    );
  });
});

describe('the real path', () => {
  it('is one for a folder and every link to it, also for what is still to be made in it', () => {
    mkdirSync(join(dir, 'real'));
    symlinkSync(join(dir, 'real'), join(dir, 'link'));
    expect(realPath(join(dir, 'link'))).toBe(join(dir, 'real'));
    expect(realPath(join(dir, 'link', 'not', 'yet'))).toBe(join(dir, 'real', 'not', 'yet'));
    expect(realPath(join(dir, 'real', '..', 'link'))).toBe(join(dir, 'real'));
  });
});

describe('a second name', () => {
  it('is a hard link where there are any', () => {
    writeFileSync(join(dir, 'a'), 'x');
    linkOrCopy(join(dir, 'a'), join(dir, 'b'));
    expect(statSync(join(dir, 'b')).ino).toBe(statSync(join(dir, 'a')).ino);
    expect(() => linkOrCopy(join(dir, 'gone'), join(dir, 'c'))).toThrow('ENOENT');
  });

  it('goes to the first of two that want it', () => {
    for (const name of ['a', 'b']) writeFileSync(join(dir, name), name);
    expect(placeIfAbsent(join(dir, 'a'), join(dir, 'target'))).toBe(true);
    expect(placeIfAbsent(join(dir, 'b'), join(dir, 'target'))).toBe(false);
    expect(read(join(dir, 'target'))).toBe('a');
    expect(() => placeIfAbsent(join(dir, 'gone'), join(dir, 'other'))).toThrow('ENOENT');
  });
});

describe('an error of the file system', () => {
  const system = (code: string): Error => Object.assign(new Error(code), { code, errno: -1 });

  it('about a full disk, permissions or the machine has one code, whether it came in reading or writing', () => {
    const codes = {
      ENOSPC: 'NDI_E_DISK_FULL',
      EDQUOT: 'NDI_E_DISK_FULL',
      EROFS: 'NDI_E_READ_ONLY',
      EIO: 'NDI_E_DISK_IO',
      ESTALE: 'NDI_E_DISK_IO',
      ENODEV: 'NDI_E_DISK_IO',
      ENOTCONN: 'NDI_E_DISK_IO',
      ENOMEM: 'NDI_E_OUT_OF_MEMORY',
    };
    for (const [said, code] of Object.entries(codes)) {
      expect(fileFailure(system(said), '/x')).toMatchObject({ code });
      expect(writeFailure(system(said), '/x')).toMatchObject({ code });
    }
  });

  it('is passed on when it is no error of the file system', () => {
    const error = new TypeError('a mistake');
    expect(fileFailure(error, '/x')).toBe(error);
    expect(writeFailure(error, '/x')).toBe(error);
  });
});

describe('this computer', () => {
  it('has its temporary folder on a local file system', () => {
    expect(isNetworkFileSystem(dir)).toBe(false);
    expect(isNetworkFileSystem(join(dir, 'not', 'there'))).toBe(false);
  });

  it('has this package where its package.json is', () => {
    const { name, version } = JSON.parse(read(join(packageRoot(), 'package.json'))) as Record<string, string>;
    expect(name).toBe('ndi-courier');
    expect(packageVersion()).toBe(version);
  });
});
