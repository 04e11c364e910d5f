/** Imports that are under way when everybody thinks they are not: of a run that was cancelled, and of one that gave them up. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDataset } from '../../ndi/dataset/synthetic.ts';
import { documentsInCloud } from '../support/cloud-state.ts';
import { createRig, type Rig, TEST_TUNING } from '../support/rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig();
});
afterAll(() => rig?.close());

it('what a cancelled run sent is waited for, not sent again', async () => {
  const source = join(rig.dir, 'source');
  await makeDataset(source, { documents: 60, files: 2, fileBytes: 100, seed: 1 });
  const importMs = 2_000;
  rig.sandbox.faults.set({ route: 'IMPORT documents', kind: 'import-delay', params: { ms: importMs } });
  const first = await rig.startUpload(rig.uploadInput(source));
  await expect
    .poll(() => rig.sandbox.faults.list()[0]!.fired, { timeout: 10_000, interval: 10 })
    .toBeGreaterThan(0);
  await first.cancel();
  await first.result().catch(() => {});
  const result = await rig.upload(source);
  expect(result.status).toBe('done');
  // Long enough for whatever was sent twice to show.
  await new Promise((resolve) => setTimeout(resolve, importMs + 500));
  const state = await documentsInCloud(rig, result.datasetId);
  expect(state.doubled).toEqual([]);
  expect(state.count).toBe(result.documents.total);
});

it('what was given up as lost and came late is not there twice', async () => {
  const source = join(rig.dir, 'late');
  await makeDataset(source, { documents: 60, files: 2, fileBytes: 100, seed: 2 });
  rig.sandbox.faults.clear();
  rig.sandbox.faults.set({ route: 'IMPORT documents', kind: 'import-delay', params: { ms: 1_500 } });
  const tuning = { ...TEST_TUNING, importQuietMs: 1_000 };
  const result = await rig.upload(source, { tuning });
  expect(result.status).toBe('done');
  expect(result.duplicatesRemoved).toBeGreaterThan(0);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const state = await documentsInCloud(rig, result.datasetId);
  expect(state.doubled).toEqual([]);
  expect(state.count).toBe(result.documents.total);
});
