/**
 * Where a download may lie: decided before anything is fetched. A place that is refused is left as it was.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildDirOf } from '../../activities/download/build-dir.ts';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createLab, type Lab } from '../support/lab.ts';
import { refusalOf } from '../support/refusals.ts';

describe.runIf(process.platform !== 'win32')('a download into', () => {
  let lab: Lab;
  let source: string;
  let cloudId: string;
  let parent: string;
  let target: string;
  let made = 0;

  beforeAll(async () => {
    lab = await createLab();
    source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 32, files: 3, fileBytes: 1_000, seed: 5 });
    cloudId = (await lab.upload(source)).datasetId;
  });
  afterAll(() => lab?.close());
  beforeEach(() => {
    made += 1;
    parent = join(lab.dir, `parent-${made}`);
    mkdirSync(parent);
    target = join(parent, 'target');
  });

  async function arrives(into: string = target): Promise<void> {
    const result = await lab.download(cloudId, into);
    expect(result.problems).toEqual([]);
    expect(await compareDatasets(source, into)).toMatchObject({ equal: true });
    const aside = (readdirSync(parent, { recursive: true }) as string[]).filter((name) =>
      name.endsWith('.ndi-courier'),
    );
    expect(aside).toEqual([]);
  }

  /** Refused at once: no document was asked for, and nothing was made. */
  async function refused(code: string, why: RegExp, into: string = target): Promise<void> {
    const there = (): string[] => (readdirSync(parent, { recursive: true }) as string[]).sort();
    const before = there();
    lab.sandbox.faults.clear();
    const asked = () => lab.sandbox.faults.requests().total;
    const askedBefore = asked();
    const info = await refusalOf(await lab.startDownload(lab.downloadInput(cloudId, into)));
    expect(info.code).toBe(code);
    expect(info.sentence).toMatch(why);
    // The record of the dataset, and a login.
    expect(asked() - askedBefore).toBeLessThanOrEqual(3);
    expect(there()).toEqual(before);
  }

  it('a link to an empty folder fills that folder, and the link stays', async () => {
    const real = join(parent, 'large-disk', 'data');
    mkdirSync(real, { recursive: true });
    symlinkSync('large-disk/data', target);
    await arrives();
    expect(readlinkSync(target)).toBe('large-disk/data');
    expect(existsSync(join(real, '.ndi'))).toBe(true);
    const again = await lab.download(cloudId, target);
    expect(again).toMatchObject({ status: 'done', bytes: 0 });
  });

  it('a link to nowhere is refused: the disk may not be mounted', async () => {
    symlinkSync('/nowhere/data', target);
    await refused('NDI_E_TARGET', /link to \/nowhere\/data, which is not there/);
    expect(lstatSync(target).isSymbolicLink()).toBe(true);
  });

  it('a link to itself is refused', async () => {
    symlinkSync('target', target);
    await refused('NDI_E_TARGET', /circle of links/);
  });

  it('a link to a file is refused', async () => {
    writeFileSync(join(parent, 'file'), 'a file');
    symlinkSync('file', target);
    await refused('NDI_E_TARGET_OCCUPIED', /file/);
  });

  it('a folder with nothing but what file managers leave takes its place', async () => {
    mkdirSync(target);
    for (const name of ['.DS_Store', 'Thumbs.db', 'desktop.ini']) writeFileSync(join(target, name), 'x');
    await arrives();
    expect(readdirSync(target)).toEqual(['.ndi']);
  });

  it('a folder with a long name that the file system takes arrives', async () => {
    await arrives(join(parent, 'n'.repeat(250)));
  });

  it('a folder with a name that is too long is refused', async () => {
    await refused('NDI_E_TARGET', /too long/, join(parent, 'n'.repeat(256)));
  });

  it.runIf(process.platform === 'linux')('a folder below one that takes none is refused', async () => {
    await refused('NDI_E_READ_ONLY', /proc/, '/proc/sub/target');
  });

  it.runIf(canMount())('a mount point is refused, also of a folder of the same disk', async () => {
    mkdirSync(target);
    for (const mount of [
      ['-t', 'tmpfs', 'tmpfs', target],
      ['--bind', target, target],
    ]) {
      execFileSync('mount', mount);
      try {
        await refused('NDI_E_TARGET', /disk is mounted/);
      } finally {
        execFileSync('umount', [target]);
      }
    }
    await arrives();
  });

  describe('a folder whose building folder', () => {
    const aside = (): string => buildDirOf(lab.downloadInput(cloudId, target));

    it('is a link is refused, and nothing is written through it', async () => {
      const theirs = join(lab.dir, `theirs-${made}`);
      mkdirSync(theirs);
      symlinkSync(theirs, aside());
      await refused('NDI_E_TARGET', /no folder/);
      expect(readdirSync(theirs)).toEqual([]);
    });

    it.each(['.ndi', '.ndi/files', '.ndi/courier'])('has a link for %s is refused', async (name) => {
      const theirs = join(lab.dir, `theirs-${made}`);
      mkdirSync(theirs);
      mkdirSync(join(aside(), ...(name === '.ndi' ? [] : ['.ndi'])), { recursive: true });
      symlinkSync(theirs, join(aside(), name));
      await refused('NDI_E_TARGET', /no folder/);
      expect(readdirSync(theirs)).toEqual([]);
    });

    it('is a file is refused', async () => {
      writeFileSync(aside(), 'mine');
      await refused('NDI_E_TARGET', /no folder/);
    });

    it.runIf(process.getuid?.() === 0)('is another user’s is refused', async () => {
      mkdirSync(aside());
      execFileSync('chown', ['65534', aside()]);
      await refused('NDI_E_TARGET', /another user’s/);
    });

    it('was left by us is used', async () => {
      mkdirSync(aside());
      await arrives();
    });
  });
});

function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const dir = `/tmp/courier-mount-${process.pid}`;
  try {
    mkdirSync(dir);
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', dir], { stdio: 'ignore' });
    execFileSync('umount', [dir]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
