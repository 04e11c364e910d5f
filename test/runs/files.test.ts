/**
 * Files on their way: a step that failed is over before it is tried again; a job that nobody has heard of yet
 * is no failure.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createCloudDataset } from '../support/cloud-state.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';

let lab: Lab;
let source: string;
let made = 0;
beforeAll(async () => {
  lab = await createLab();
});
afterAll(() => lab?.close());
beforeEach(async () => {
  lab.sandbox.faults.clear();
  lab.sandbox.knobs.etag = 'md5';
  made += 1;
  source = join(lab.dir, `source-${made}`);
  await makeDataset(source, { documents: 40, files: 4, fileBytes: 2_000, seed: made });
});

describe('files of an upload', () => {
  it('what is in flight when a step fails is not sent a second time beside itself', async () => {
    const { faults } = lab.sandbox;
    faults.resetRequests();
    const uids = readdirSync(join(source, '.ndi', 'files')).filter((name) =>
      /^[0-9a-f]+_[0-9a-f]+$/.test(name),
    );
    // As often as its address is tried: the next try of the step begins long before the others have arrived.
    faults.set({ route: 'PUT object', kind: '5xx', count: 3, params: { key: `/${uids[0]}$` } });
    faults.set({
      route: 'PUT object',
      kind: 'latency',
      params: { ms: 3_000, key: `/(${uids.slice(1).join('|')})$` },
    });
    const result = await lab.upload(source, { strategy: 'serial' });
    expect(result).toMatchObject({ status: 'done', files: { total: 4, transferred: 4 } });
    expect(faults.list().map(({ fired }) => fired)).toEqual([3, 3]);
  });

  it('a job that a replica does not know yet is waited for', async () => {
    lab.sandbox.faults.set({ route: 'IMPORT files', kind: 'import-delay', count: 1, params: { ms: 1_000 } });
    const database = new DatabaseSync(join(lab.dir, 'cloud', 'cloud.sqlite'), { timeout: 5_000 });
    const rename = (from: string, to: string): number | bigint =>
      database.prepare('UPDATE jobs SET id = replace(id, ?, ?) WHERE instr(id, ?) > 0').run(from, to, from)
        .changes;
    // Not a dataset of this run: of one that it has just made, it takes every 404 for "not yet".
    const cloudDatasetId = await createCloudDataset(lab, 'Older');
    const target = { kind: 'to', cloudDatasetId } as const;
    const running = await lab.startUpload(lab.uploadInput(source, { target }));
    const known = (): number => lab.sandbox.faults.requests().routes['GET /bulk-uploads/:jobId']?.count ?? 0;
    lab.sandbox.faults.resetRequests();
    await expect.poll(known, { timeout: 10_000, interval: 5 }).toBeGreaterThan(0);
    const { id } = database.prepare('SELECT id FROM jobs LIMIT 1').get() as { id: string };
    rename(id, `hidden-${id}`);
    const before = known();
    await expect.poll(known, { timeout: 10_000, interval: 5 }).toBeGreaterThan(before);
    rename(`hidden-${id}`, id);
    database.close();
    expect(await running.result()).toMatchObject({ status: 'done', files: { total: 4, transferred: 4 } });
  });

  it('a zip that the cloud cannot unpack, whatever it is sent, is followed by its files one by one', async () => {
    // Spoilt on the way into the store, in its directory at the end; and an ETag that tells nothing about it.
    lab.sandbox.knobs.etag = 'opaque';
    lab.sandbox.faults.set({
      route: 'PUT object',
      kind: 'corrupt-put',
      params: { key: '^bulk-files/', atByte: 8_200 },
    });
    const result = await lab.upload(source, { tuning: { ...TEST_TUNING, importQuietMs: 1_500 } });
    expect(lab.sandbox.faults.list()[0]!.fired).toBeGreaterThan(0);
    expect(result).toMatchObject({ status: 'done', files: { total: 4, transferred: 4 }, problems: [] });
  });

  it('a store whose ETags are no MD5 is believed by size', async () => {
    lab.sandbox.knobs.etag = 'opaque';
    const { datasetId, ...up } = await lab.upload(source);
    expect(up).toMatchObject({ status: 'done', files: { total: 4, transferred: 4 }, problems: [] });
    const target = join(lab.dir, `target-${made}`);
    expect(await lab.download(datasetId, target)).toMatchObject({ status: 'done', problems: [] });
    expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
  });
});
