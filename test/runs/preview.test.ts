/** A look before the leap: what an upload or a download would do, with nothing written anywhere. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesDir } from '../../ndi/dataset/layout.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await createLab();
});
afterAll(() => lab?.close());

const tuning = { ...TEST_TUNING, importQuietMs: 500 };

/**
 * Every file below a folder with its bytes and time: equal before and after means that nothing was written.
 */
function snapshot(dir: string): string {
  const hash = createHash('sha256');
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    // The lock table of SQLite's readers.
    if (entry.name.endsWith('-shm')) continue;
    const path = join(entry.parentPath, entry.name);
    const { mtimeMs } = statSync(path);
    hash.update(
      `${path} ${mtimeMs} ${entry.isFile() ? createHash('md5').update(readFileSync(path)).digest('hex') : ''}`,
    );
  }
  return hash.digest('hex');
}
/** Requests that changed something in the cloud. */
const writes = (): number =>
  Object.entries(lab.sandbox.faults.requests().routes)
    .filter(
      ([route]) =>
        /^(POST|PUT|DELETE|IMPORT)/.test(route) && !/login|bulk-fetch|bulk-download|ndiquery/.test(route),
    )
    .reduce((sum, [, count]) => sum + Number(count), 0);
const planOf = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

describe('the preview of an upload', () => {
  it('of a dataset that the cloud has not, names everything and creates nothing', async () => {
    const source = join(lab.dir, 'new');
    await makeDataset(source, { documents: 50, files: 6, fileBytes: 2_000, seed: 1 });
    const [before, written] = [snapshot(source), writes()];
    const plan = await lab.preview({ operation: 'upload', input: lab.uploadInput(source, { tuning }) });
    expect(plan).toMatchObject({
      operation: 'preview',
      status: 'planned',
      datasetId: '',
      documents: { skipped: 0, failed: 0 },
      files: { total: 6, transferred: 6 },
      differences: { files: { new: 6, equal: 0 } },
      problems: [],
    });
    expect(plan.documents.transferred).toBe(plan.documents.total);
    expect(plan.bytes).toBeGreaterThan(6 * 2_000);
    const { documents, files } = planOf(plan.listPath);
    expect(documents).toHaveLength(plan.documents.total);
    expect(files[0]).toMatchObject({
      action: 'add',
      sizeBytes: expect.any(Number),
      path: expect.stringContaining('.ndi'),
    });
    expect(statSync(plan.listPath).mode & 0o077).toBe(0);
    expect(snapshot(source)).toBe(before);
    expect(existsSync(join(source, '.ndi', 'courier'))).toBe(false);
    expect(writes()).toBe(written);
  });

  it('of one that is there, names what is new, what differs and what would be left over', async () => {
    const source = join(lab.dir, 'known');
    await makeDataset(source, { documents: 50, files: 6, fileBytes: 2_000, seed: 2 });
    const { datasetId, documents } = await lab.upload(source, { tuning });
    const [name] = readdirSync(filesDir(source)).filter((file) => file.length === 33);
    const path = join(filesDir(source), name!);
    writeFileSync(path, Buffer.alloc(statSync(path).size, 1));
    const [before, written] = [snapshot(source), writes()];
    const plan = await lab.preview({ operation: 'upload', input: lab.uploadInput(source, { tuning }) });
    expect(plan).toMatchObject({
      datasetId,
      documents: { total: documents.total, skipped: documents.total, transferred: 0 },
      files: { failed: 1, skipped: 5 },
      differences: { files: { changedHere: 1, equal: 5 } },
      problems: [{ kind: 'file', id: name, code: 'NDI_E_CHANGED_HERE' }],
    });
    expect(planOf(plan.listPath).differences).toEqual([
      expect.objectContaining({ what: 'changedHere', id: name }),
    ]);
    expect(snapshot(source)).toBe(before);
    expect(writes()).toBe(written);
  });
});

describe('the preview of a download', () => {
  it('names what would come, and makes no folder', async () => {
    const source = join(lab.dir, 'up');
    await makeDataset(source, { documents: 50, files: 6, fileBytes: 2_000, seed: 3 });
    const { datasetId, documents } = await lab.upload(source, { tuning });
    const target = join(lab.dir, 'down');
    const before = readdirSync(lab.dir);
    const input = lab.downloadInput(datasetId, target, { tuning });
    const plan = await lab.preview({ operation: 'download', input });
    expect(plan).toMatchObject({
      status: 'planned',
      documents: { total: documents.total, transferred: documents.total },
      files: { total: 6, transferred: 6 },
      bytes: expect.any(Number),
    });
    expect(planOf(plan.listPath).files).toHaveLength(6);
    expect(readdirSync(lab.dir)).toEqual(before);
    await lab.download(datasetId, target, { tuning });
    const again = await lab.preview({ operation: 'download', input });
    expect(again).toMatchObject({
      documents: { transferred: 0, skipped: documents.total },
      files: { transferred: 0 },
    });
  });
});
