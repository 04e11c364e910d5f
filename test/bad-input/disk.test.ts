/**
 * A disk that is full: the run waits for a person, says so, and goes on when there is room. On a real small
 * file system, which only the superuser can mount: elsewhere these tests say that they were left out.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { resumeSignal, type TransferResult } from '../../workflows/contracts/index.ts';
import { documentsInCloud } from '../support/cloud-state.ts';
import { expectDownloaded } from '../support/crash.ts';
import { createLab, type Lab } from '../support/lab.ts';
import { contentOf } from '../support/refusals.ts';

const mount = (dir: string, options: string): void => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir], { stdio: 'pipe' });
};

/** Why no file system can be mounted here, or undefined. */
function whyNot(): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'courier-mount-'));
  try {
    mount(dir, 'size=1m');
    execFileSync('umount', [dir]);
    return undefined;
  } catch (error) {
    return String((error as { stderr?: Buffer }).stderr ?? error).trim();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const reason = process.platform === 'linux' ? whyNot() : `mount -t tmpfs is not for ${process.platform}`;
if (reason !== undefined) console.warn(`The tests of full disks are left out: ${reason}.`);

describe.skipIf(reason !== undefined)('on a disk that is full', () => {
  let lab: Lab;
  const mounted: string[] = [];

  beforeAll(async () => {
    lab = await createLab();
  });
  afterEach(() => {
    for (const dir of mounted.splice(0)) execFileSync('umount', ['-l', dir]);
  });
  afterAll(() => lab?.close());

  function smallDisk(name: string, size: string): string {
    const dir = join(lab.dir, name);
    mkdirSync(dir);
    mount(dir, `size=${size}`);
    mounted.push(dir);
    return dir;
  }
  const enlarge = (dir: string, size: string): void => {
    execFileSync('mount', ['-o', `remount,size=${size}`, dir]);
  };

  it('a download waits, keeps what it has, and goes on when there is room', async () => {
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 60, files: 30, fileBytes: 200_000, seed: 21 });
    const { datasetId } = await lab.upload(source);
    const disk = smallDisk('small', '4m');
    const target = join(disk, 'target');
    const handle = await lab.startDownload(lab.downloadInput(datasetId, target));
    const parked = await lab.until(handle, (progress) => progress.waitingFor?.kind === 'person');
    expect(['NDI_E_DISK_FULL', 'NDI_E_LEDGER']).toContain(parked.waitingFor?.code);
    expect(parked.waitingFor?.nextStep).toMatch(/space/);
    expect(existsSync(target)).toBe(false);
    // Full is full: trying again without room ends in the same place.
    await handle.signal(resumeSignal);
    const { since } = parked.waitingFor!;
    await lab.until(handle, ({ waitingFor }) => waitingFor?.kind === 'person' && waitingFor.since !== since);
    enlarge(disk, '60m');
    await handle.signal(resumeSignal);
    await expectDownloaded(await handle.result(), source, target);
  }, 60_000);

  it('an upload of a dataset on it waits, and leaves the dataset as it was', async () => {
    const disk = smallDisk('full', '6m');
    const source = join(disk, 'source');
    await makeDataset(source, { documents: 60, files: 6, fileBytes: 50_000, seed: 22 });
    fill(disk);
    const before = contentOf(source);
    const target = { kind: 'linked-or-new', name: 'On a full disk' } as const;
    const handle = await lab.startUpload(lab.uploadInput(source, { target }));
    const parked = await lab.until(handle, (progress) => progress.waitingFor !== null);
    expect(contentOf(source)).toEqual(before);
    expect(parked.waitingFor?.kind).toBe('person');
    expect(['NDI_E_DISK_FULL', 'NDI_E_LEDGER']).toContain(parked.waitingFor?.code);
    expect(parked.waitingFor?.nextStep).toMatch(/space/);
    enlarge(disk, '60m');
    await handle.signal(resumeSignal);
    const result: TransferResult = await handle.result();
    expect(result.status).toBe('done');
    const cloud = await documentsInCloud(lab, result.datasetId);
    expect(cloud.doubled).toEqual([]);
    expect(cloud.count).toBe(result.documents.total);
    expect(await cloud.datasetsNamed('On a full disk')).toBe(1);
  }, 60_000);
});

/** To the last block. */
function fill(dir: string): void {
  const { bavail, bsize } = statfsSync(dir);
  for (let left = bavail * bsize, n = 0; left > 0; n += 1) {
    try {
      writeFileSync(join(dir, `fill-${n}`), Buffer.alloc(Math.min(left, 1 << 20), 1));
      left -= 1 << 20;
    } catch {
      return;
    }
  }
}
