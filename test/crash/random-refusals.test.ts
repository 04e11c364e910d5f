/**
 * Every route of the API fails one time in five: what fails is repeated where it is made, and throws nothing
 * else away.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { documentsInCloud } from '../support/cloud-state.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await createLab();
});
afterAll(() => lab?.close());

describe('an API of which every fifth request fails', () => {
  it.each(['5xx', '429', 'reset-before'] as const)('by %s gets everything up and down', async (kind) => {
    const source = join(lab.dir, `source-${kind}`);
    await makeDataset(source, { documents: 400, files: 30, fileBytes: 2_000, seed: 9 });
    const tuning = { ...TEST_TUNING, importQuietMs: 2_000 };
    lab.sandbox.faults.set({ route: '*', kind, probability: 0.2, params: { status: 503, retryAfter: 0 } });
    try {
      const up = await lab.upload(source, { tuning, target: { kind: 'as-new', name: kind } });
      expect(up).toMatchObject({ status: 'done', problems: [] });
      const target = join(lab.dir, `target-${kind}`);
      const down = await lab.download(up.datasetId, target, { tuning });
      expect(down).toMatchObject({ status: 'done', problems: [] });
      lab.sandbox.faults.clear();
      expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
      expect((await documentsInCloud(lab, up.datasetId)).doubled).toEqual([]);
    } finally {
      lab.sandbox.faults.clear();
    }
  });
});
