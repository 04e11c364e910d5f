/** A dataset goes up and comes down whole: the project's main job, on real parts. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareDatasets } from '../ndi/dataset/compare.ts';
import { openDataset } from '../ndi/dataset/read.ts';
import { makeDataset } from '../ndi/synthetic/dataset.ts';
import { documentsInCloud } from './support/cloud-state.ts';
import { createLab, type Lab } from './support/lab.ts';

describe('a dataset', () => {
  let lab: Lab;
  let source: string;
  let cloudId: string;

  beforeAll(async () => {
    lab = await createLab();
    source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 700, files: 120, fileBytes: 3_000, seed: 1 });
  });
  afterAll(() => lab?.close());

  it('goes up: every document once, every file whole', async () => {
    const result = await lab.upload(source);
    expect(result.problems).toEqual([]);
    expect(result.status).toBe('done');
    expect(result.documents.transferred).toBe(result.documents.total);
    expect(result.files.transferred).toBe(result.files.total);
    expect(result.files.total).toBeGreaterThanOrEqual(120);
    cloudId = result.datasetId;
  });

  it('goes up again: nothing is sent', async () => {
    const result = await lab.upload(source);
    expect(result.datasetId).toBe(cloudId);
    expect(result.documents).toMatchObject({ transferred: 0, skipped: result.documents.total, failed: 0 });
    expect(result.files).toMatchObject({ transferred: 0, skipped: result.files.total, failed: 0 });
    expect(result.bytes).toBe(0);
  });

  it('goes up under its own reference when nobody named it', async () => {
    const unnamed = join(lab.dir, 'unnamed');
    await makeDataset(unnamed, { documents: 80, files: 5, fileBytes: 10, seed: 2 });
    const reader = openDataset(unnamed);
    const { reference } = reader.identity;
    reader.close();
    const result = await lab.upload(unnamed, { target: { kind: 'linked-or-new', name: null } });
    const cloud = await documentsInCloud(lab, result.datasetId);
    expect(await cloud.datasetsNamed(reference)).toBe(1);
    expect(cloud.count).toBe(result.documents.total);
  });

  it('comes down: the same documents and bytes', async () => {
    const target = join(lab.dir, 'target');
    const result = await lab.download(cloudId, target);
    expect(result.problems).toEqual([]);
    expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
    expect(existsSync(join(target, '.ndi', 'sync', 'index.json'))).toBe(true);
  });

  it('comes down again into the same folder: nothing is fetched', async () => {
    const result = await lab.download(cloudId, join(lab.dir, 'target'));
    expect(result.documents).toMatchObject({ transferred: 0, skipped: result.documents.total });
    expect(result.bytes).toBe(0);
  });

  it('comes down anew when its folder was deleted, by the same worker', async () => {
    const target = join(lab.dir, 'target');
    rmSync(target, { recursive: true });
    const result = await lab.download(cloudId, target);
    expect(result.problems).toEqual([]);
    expect(result.documents).toMatchObject({ transferred: result.documents.total, skipped: 0 });
    expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
  });

  it('comes down in hybrid mode: documents here, binaries behind ndic://', async () => {
    const target = join(lab.dir, 'hybrid');
    mkdirSync(target);
    const result = await lab.download(cloudId, target, { mode: 'hybrid' });
    expect(result.problems).toEqual([]);
    expect(result.files.total).toBe(0);
  });
});
