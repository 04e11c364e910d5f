/**
 * One object that the cloud cannot give as it says: the others come, and after its time it is listed with its
 * reason.
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { openForWriting } from '../../ndi/dataset/write.ts';
import { newDocument } from '../../ndi/document/classes.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { newNdiId } from '../../ndi/ids.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { FaultKind } from '../../sandbox/server.ts';
import { createLab, datasetIdOf, type Lab, TEST_TUNING } from '../support/lab.ts';
import { refusalOf } from '../support/refusals.ts';
import { downloadAll, siteOf } from '../support/site.ts';

describe('an object', () => {
  let lab: Lab;
  let source: string;
  let cloudId: string;
  let uid: string;
  let made = 0;
  const tuning = { ...TEST_TUNING, importQuietMs: 1_500 };

  beforeAll(async () => {
    lab = await createLab();
    source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 40, files: 10, fileBytes: 2_000, seed: 3 });
    cloudId = (await lab.upload(source)).datasetId;
    uid = firstUid(source);
  });
  afterAll(() => lab?.close());
  beforeEach(() => {
    made += 1;
    lab.sandbox.faults.clear();
  });

  it.each([
    ['whose address is refused for good', 'expired-url', 'NDI_E_URL_EXPIRED'],
    ['whose bytes are never right', 'corrupt-get', 'NDI_E_INTEGRITY'],
    ['in cold storage', 'archived', 'NDI_E_ARCHIVED'],
  ] satisfies [string, FaultKind, string][])('%s is listed, and the rest is there', async (_, kind, code) => {
    lab.sandbox.faults.set({ route: 'GET object', kind, params: { key: `^${cloudId}/${uid}$` } });
    const result = await lab.download(cloudId, join(lab.dir, `target-${made}`), { tuning });
    expect(result).toMatchObject({
      status: 'done-with-leftovers',
      files: { total: 10, transferred: 9, failed: 1 },
      problems: [{ kind: 'file', id: uid, code }],
    });
  });

  it('that was left over is fetched by the same command later, and nothing else is', async () => {
    const target = join(lab.dir, `target-${made}`);
    const fault = { route: 'GET object', kind: 'archived', params: { key: `^${cloudId}/${uid}$` } } as const;
    lab.sandbox.faults.set(fault);
    await lab.download(cloudId, target, { tuning });
    // It is still not to be had: the dataset stays as it is.
    const still = await lab.download(cloudId, target, { tuning });
    expect(still).toMatchObject({ status: 'done-with-leftovers', files: { skipped: 9, failed: 1 } });
    lab.sandbox.faults.clear();
    writeFileSync(join(target, 'notes.txt'), 'mine');
    const result = await lab.download(cloudId, target, { tuning });
    expect(result).toMatchObject({
      status: 'done',
      documents: { transferred: 0 },
      files: { total: 10, transferred: 1, skipped: 9, failed: 0 },
      problems: [],
    });
    expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
    expect(readFileSync(join(target, 'notes.txt'), 'utf8')).toBe('mine');
    expect(existsSync(join(target, '.ndi', 'courier', 'completing'))).toBe(false);
    const again = await lab.download(cloudId, target, { tuning });
    expect(again).toMatchObject({ status: 'done', bytes: 0, files: { transferred: 0, skipped: 10 } });
  });

  it('that was left over and came is finished by the next run where the one that brought it died', async () => {
    const target = join(lab.dir, `target-${made}`);
    lab.sandbox.faults.set({ route: 'GET object', kind: 'archived', params: { key: `^${cloudId}/${uid}$` } });
    await lab.download(cloudId, target, { tuning });
    lab.sandbox.faults.clear();
    const site = siteOf(lab, `home-${made}`);
    await downloadAll(site.deps, lab.downloadInput(cloudId, target, { tuning }), 'died');
    await site.close();
    const second = () =>
      readdirSync(join(target, '.ndi', 'files')).filter(
        (name) => name.length > 33 && isSame(target, name, uid),
      );
    expect(second()).toEqual([]);
    const result = await lab.download(cloudId, target, { tuning });
    expect(result).toMatchObject({ status: 'done', problems: [] });
    expect(second()).toHaveLength(1);
    expect(existsSync(join(target, '.ndi', 'courier', 'completing'))).toBe(false);
  });

  it('of a document that is too large for any answer is listed, when no zip comes, and the others are there', async () => {
    const other = join(lab.dir, 'large');
    await makeDataset(other, { documents: 30, files: 1, fileBytes: 100, seed: 12 });
    const id = newNdiId();
    const writer = openForWriting(other);
    const document = newDocument('demoNDI', { id, sessionId: datasetIdOf(other) });
    writer.addDocuments([{ ...document, filler: 'x'.repeat(7_000_000) }]);
    writer.close();
    const { datasetId } = await lab.upload(other);
    lab.sandbox.faults.set({ route: 'MAKE download', kind: 'import-lost' });
    const result = await lab.download(datasetId, join(lab.dir, `target-${made}`), {
      tuning: { ...tuning, importQuietMs: 500 },
    });
    expect(result).toMatchObject({ status: 'done-with-leftovers', documents: { failed: 1 } });
    expect(result.documents.transferred).toBe(result.documents.total - 1);
    expect(result.problems).toMatchObject([{ kind: 'document', id }]);
  });

  it('that was left over is no leave to bring back what a person deleted', async () => {
    const target = join(lab.dir, `target-${made}`);
    lab.sandbox.faults.set({ route: 'GET object', kind: 'archived', params: { key: `^${cloudId}/${uid}$` } });
    await lab.download(cloudId, target, { tuning });
    const reader = openDataset(target);
    const [some] = [...reader.documentIds()].slice(-1);
    reader.close();
    const writer = openForWriting(target);
    writer.removeDocuments([some!]);
    writer.close();
    const again = await refusalOf(await lab.startDownload(lab.downloadInput(cloudId, target, { tuning })));
    expect(again.code).toBe('NDI_E_TARGET_OCCUPIED');
    expect(again.sentence).toContain(some);
  });

  it('that is listed before it can be read is waited for', async () => {
    const other = join(lab.dir, 'other');
    await makeDataset(other, { documents: 30, files: 3, fileBytes: 1_000, seed: 9 });
    const waits = { ...TEST_TUNING, importQuietMs: 6_000 };
    lab.sandbox.faults.set({
      route: 'IMPORT files',
      kind: 'uploaded-before-readable',
      params: { ms: 4_000 },
    });
    const { datasetId } = await lab.upload(other, { tuning: waits });
    const result = await lab.download(datasetId, join(lab.dir, `target-${made}`), { tuning: waits });
    expect(result).toMatchObject({ status: 'done', files: { total: 3, transferred: 3 } });
    expect(result.retries).toBeGreaterThan(0);
  });

  it('and answers too large for the gateway do not keep documents back', async () => {
    lab.sandbox.faults.set({ route: 'MAKE download', kind: 'import-lost' });
    // What comes back for many ids is too much; for few it is not.
    lab.sandbox.faults.set({
      route: 'POST /datasets/:d/documents/bulk-fetch',
      kind: '5xx',
      count: 2,
    });
    const result = await lab.download(cloudId, join(lab.dir, `target-${made}`), { tuning });
    expect(result).toMatchObject({ status: 'done', documents: { failed: 0 } });
    expect(result.retries).toBe(0);
  });
});

function isSame(dir: string, name: string, uid: string): boolean {
  const inode = (file: string) => statSync(join(dir, '.ndi', 'files', file)).ino;
  return inode(name) === inode(uid);
}

function firstUid(dir: string): string {
  const reader = openDataset(dir);
  try {
    for (const stored of reader.documents()) {
      const facts = describeDocument(parseDocument(stored.text));
      for (const { file } of reader.files(facts)) if (file.kind === 'local') return file.uid;
    }
    throw new Error('no file');
  } finally {
    reader.close();
  }
}
