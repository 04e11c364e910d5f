/**
 * A disk that is full: the run waits for a person, says so, and goes on when there is room. On a real small
 * file system, which only the superuser can mount: elsewhere these tests say that they were left out.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { resumeSignal, type TransferResult } from '../../workflows/contracts/index.ts';
import { documentsInCloud } from '../support/cloud-state.ts';
import { expectDownloaded } from '../support/crash.ts';
import { createLab, type Lab } from '../support/lab.ts';
import { contentOf } from '../support/refusals.ts';
import { mountSmallDisk, type SmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';

const reason = whyNoSmallDisk();
if (reason !== undefined) console.warn(`The tests of full disks are left out: ${reason}.`);

describe.skipIf(reason !== undefined)('on a disk that is full', () => {
  let lab: Lab;
  const disks: SmallDisk[] = [];

  beforeAll(async () => {
    lab = await createLab();
  });
  afterEach(() => {
    for (const disk of disks.splice(0)) disk.unmount();
  });
  afterAll(() => lab?.close());

  const smallDisk = (name: string, size: string): SmallDisk => {
    const disk = mountSmallDisk(join(lab.dir, name), size);
    disks.push(disk);
    return disk;
  };

  it('a download waits, keeps what it has, and goes on when there is room', async () => {
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 60, files: 30, fileBytes: 200_000, seed: 21 });
    const { datasetId } = await lab.upload(source);
    const disk = smallDisk('small', '4m');
    const target = join(disk.dir, 'target');
    const handle = await lab.startDownload(lab.downloadInput(datasetId, target));
    const parked = await lab.until(handle, (progress) => progress.waitingFor?.kind === 'person');
    expect(['NDI_E_DISK_FULL', 'NDI_E_LEDGER']).toContain(parked.waitingFor?.code);
    expect(parked.waitingFor?.nextStep).toMatch(/space/);
    expect(existsSync(target)).toBe(false);
    // Full is full: trying again without room ends in the same place.
    await handle.signal(resumeSignal);
    const { since } = parked.waitingFor!;
    await lab.until(handle, ({ waitingFor }) => waitingFor?.kind === 'person' && waitingFor.since !== since);
    disk.resize('60m');
    await handle.signal(resumeSignal);
    await expectDownloaded(await handle.result(), source, target);
  }, 60_000);

  it('a run goes on by itself soon after there is room, and its history does not grow with the looks', async () => {
    const source = join(lab.dir, 'watched');
    await makeDataset(source, { documents: 60, files: 30, fileBytes: 200_000, seed: 23 });
    const { datasetId } = await lab.upload(source);
    const disk = smallDisk('watched-disk', '4m');
    const target = join(disk.dir, 'target');
    const handle = await lab.startDownload(lab.downloadInput(datasetId, target));
    await lab.until(handle, ({ waitingFor }) => waitingFor?.code === 'NDI_E_DISK_FULL');
    const eventsBefore = (await handle.describe()).historyLength;
    await sleep(8_000);
    expect((await handle.describe()).historyLength - eventsBefore).toBeLessThan(12);
    disk.resize('60m');
    const freeSinceMs = performance.now();
    await lab.until(handle, ({ waitingFor }) => waitingFor === null);
    expect(performance.now() - freeSinceMs).toBeLessThan(5_000);
    await expectDownloaded(await handle.result(), source, target);
  }, 60_000);

  it('an upload of a dataset on it waits, and leaves the dataset as it was', async () => {
    const disk = smallDisk('full', '6m');
    const source = join(disk.dir, 'source');
    await makeDataset(source, { documents: 60, files: 6, fileBytes: 50_000, seed: 22 });
    disk.fill();
    const before = contentOf(source);
    const target = { kind: 'linked-or-new', name: 'On a full disk' } as const;
    const handle = await lab.startUpload(lab.uploadInput(source, { target }));
    const parked = await lab.until(handle, (progress) => progress.waitingFor !== null);
    expect(contentOf(source)).toEqual(before);
    expect(parked.waitingFor?.kind).toBe('person');
    expect(['NDI_E_DISK_FULL', 'NDI_E_LEDGER']).toContain(parked.waitingFor?.code);
    expect(parked.waitingFor?.nextStep).toMatch(/space/);
    disk.resize('60m');
    await handle.signal(resumeSignal);
    const result: TransferResult = await handle.result();
    expect(result.status).toBe('done');
    const cloud = await documentsInCloud(lab, result.datasetId);
    expect(cloud.doubled).toEqual([]);
    expect(cloud.count).toBe(result.documents.total);
    expect(await cloud.datasetsNamed('On a full disk')).toBe(1);
  }, 60_000);
});
