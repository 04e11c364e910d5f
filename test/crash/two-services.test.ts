/**
 * Two services, each with its own state folder, on one dataset folder: at most one run writes it, whichever
 * service asks, and nothing is there twice.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLedger } from '../../ledger/open.ts';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createCloudDataset, documentsInCloud } from '../support/cloud-state.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';

let first: Lab;
let second: Lab;
beforeAll(async () => {
  first = await createLab({ sandbox: { importDelayMs: 1_500 } });
  // Another home, another site, the same cloud.
  second = await createLab({
    env: {
      NDI_CLOUD_URL: first.sandbox.apiUrl,
      NDI_CLOUD_USERNAME: first.sandbox.users[0]!.email,
      NDI_CLOUD_PASSWORD: first.sandbox.users[0]!.password,
    },
  });
});
afterAll(async () => {
  await second?.close();
  await first?.close();
});

describe('two services on one folder', () => {
  it('upload one after the other, and every document is there once', async () => {
    const source = join(first.dir, 'shared');
    await makeDataset(source, { documents: 120, files: 6, fileBytes: 2_000, seed: 5 });
    const tuning = { ...TEST_TUNING, importQuietMs: 4_000 };
    const target = { kind: 'linked-or-new', name: 'Shared' } as const;
    const cloud = first.uploadInput(source).cloud;
    const one = await first.startUpload(first.uploadInput(source, { tuning, target }));
    await first.until(one, ({ phase }) => phase !== 'opening');
    const two = await second.startUpload(second.uploadInput(source, { tuning, target, cloud }));
    const { waitingFor } = await second.until(two, ({ waitingFor }) => waitingFor !== null);
    expect(waitingFor).toMatchObject({ kind: 'dataset', code: 'NDI_E_DATASET_IN_USE' });
    expect(waitingFor!.sentence).toContain(`@${first.site}`);
    const [a, b] = await Promise.all([one.result(), two.result()]);
    expect(a).toMatchObject({ status: 'done' });
    expect(b).toMatchObject({ status: 'done', bytes: 0, datasetId: a.datasetId });
    const state = await documentsInCloud(first, a.datasetId);
    expect(state.doubled).toEqual([]);
    expect(state.count).toBe(a.documents.total);
    expect(await state.datasetsNamed('Shared')).toBe(1);
  });

  it('a run takes over from a service that is gone once its lease has run out, and not before', async () => {
    const source = join(first.dir, 'left');
    await makeDataset(source, { documents: 40, files: 0, fileBytes: 0, seed: 6 });
    const cloud = first.uploadInput(source).cloud;
    await first.upload(source);
    const ledger = openLedger(join(source, '.ndi/courier/ledger.sqlite'));
    const gone = { workflowId: 'sync/x@gone-1234', runKey: 'gone', holder: 'gone-1234, ndi at 127.0.0.1:1' };
    ledger.lease.acquire({ ...gone, ttlMs: 3_000 });
    const run = await second.startUpload(second.uploadInput(source, { cloud }));
    const { waitingFor } = await second.until(run, ({ waitingFor }) => waitingFor !== null);
    expect(waitingFor!.sentence).toContain('sync/x@gone-1234');
    expect(await run.result()).toMatchObject({ status: 'done', bytes: 0 });
    // The one that was thought gone can write nothing more.
    expect(ledger.lease.renew({ ...gone, ttlMs: 3_000 })).toBe(false);
    ledger.close();
  });
});

describe('a cloud whose lists lag', () => {
  it('is not believed when it lists less than it counts, and the same command completes the folder', async () => {
    const source = join(first.dir, 'lagging');
    await makeDataset(source, { documents: 60, files: 4, fileBytes: 1_000, seed: 7 });
    const cloudDatasetId = await createCloudDataset(first, 'Lagging');
    // Older than the lag, so that the dataset itself is known.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    const target = { kind: 'to', cloudDatasetId } as const;
    const { documents } = await first.upload(source, { target, verify: 'ids' });
    first.sandbox.faults.set({ route: '*', kind: 'replica-lag', params: { ms: 6_000 } });
    try {
      const folder = join(first.dir, 'of-a-lagging-one');
      const tuning = { ...TEST_TUNING, importQuietMs: 700 };
      const lacking = await first.download(cloudDatasetId, folder, { tuning });
      expect(lacking).toMatchObject({
        status: 'done-with-leftovers',
        problems: [{ kind: 'dataset', code: 'NDI_E_LISTS_DISAGREE' }],
      });
      expect(lacking.documents.total).toBeLessThan(documents.total);
      first.sandbox.faults.clear();
      const whole = await first.download(cloudDatasetId, folder, { tuning });
      expect(whole).toMatchObject({ status: 'done', documents: { total: documents.total }, problems: [] });
      expect(await compareDatasets(source, folder)).toMatchObject({ equal: true });
    } finally {
      first.sandbox.faults.clear();
    }
  });
});
