/**
 * A dataset that is renamed or deleted while it is uploaded: no empty folder comes in its place, and it goes
 * on when it is back.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { documentsInCloud } from '../support/cloud-state.ts';
import { createLab, type Lab } from '../support/lab.ts';
import { refusalOf } from '../support/refusals.ts';

describe('a dataset that is taken away', () => {
  let lab: Lab;
  let made = 0;

  beforeAll(async () => {
    lab = await createLab();
  });
  afterEach(() => lab.sandbox.faults.clear());
  afterAll(() => lab?.close());

  /** Starts an upload and takes the dataset away while the cloud is asked for `route`. */
  async function takenAwayAt(route: string, take: (source: string) => void) {
    made += 1;
    const source = join(lab.dir, `source-${made}`);
    await makeDataset(source, { documents: 32, files: 3, fileBytes: 1_000, seed: 50 + made });
    const target = { kind: 'linked-or-new', name: `Moved ${made}` } as const;
    const input = lab.uploadInput(source, { target });
    lab.sandbox.faults.set({ route, kind: 'latency', params: { ms: 600 } });
    const handle = await lab.startUpload(input);
    while (lab.sandbox.faults.list().every(({ fired }) => fired === 0)) await sleep(5);
    take(source);
    const info = await refusalOf(handle);
    lab.sandbox.faults.clear();
    return { source, info, target };
  }

  it.each([
    'POST /organizations/:org/datasets',
    'GET /datasets/:d/documents',
    'GET /datasets/:org/:d/files/bulk',
    'POST /datasets/:d/documents/bulk-upload',
    'POST /datasets/:d/documents/bulk-fetch',
  ])('at %s leaves no folder behind; back at its place, it goes up once', async (route) => {
    const { source, info, target } = await takenAwayAt(route, (dir) => renameSync(dir, `${dir}-moved`));
    expect(info.code).toBe('NDI_E_NOT_A_DATASET');
    expect(info.sentence).toContain(source);
    expect(existsSync(source)).toBe(false);
    renameSync(`${source}-moved`, source);
    const result = await lab.upload(source, { target });
    expect(result.problems).toEqual([]);
    const cloud = await documentsInCloud(lab, result.datasetId);
    expect(cloud.doubled).toEqual([]);
    expect(cloud.count).toBe(result.documents.total);
    expect(await cloud.datasetsNamed(target.name)).toBe(1);
  });

  it('for good leaves no folder behind', async () => {
    const { source, info } = await takenAwayAt('GET /datasets/:org/:d/files/bulk', (dir) =>
      rmSync(dir, { recursive: true }),
    );
    expect(info.code).toBe('NDI_E_NOT_A_DATASET');
    expect(existsSync(source)).toBe(false);
  });
});
