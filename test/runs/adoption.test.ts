/**
 * A download that finds what an earlier one has left: the cloud has changed meanwhile, or only looks as if it
 * had.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { filesDir } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { cloudIds, cloudRequest } from '../support/cloud-state.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await createLab();
});
afterAll(() => lab?.close());

interface StoredBody {
  readonly id: string;
  readonly uids: readonly string[];
  readonly className: string;
}

function documentsOf(dir: string): StoredBody[] {
  const reader = openDataset(dir);
  const found = [...reader.documents()].map((stored) => {
    const facts = describeDocument(parseDocument(stored.text));
    const uids = reader.files(facts).map(({ file }) => file.uid);
    return { id: stored.id, uids, className: facts.className };
  });
  reader.close();
  return found;
}

describe('a download into a folder that an earlier one has left', () => {
  it('makes the dataset of today out of binaries of yesterday', async () => {
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 60, files: 20, fileBytes: 30_000, seed: 5 });
    const { datasetId } = await lab.upload(source);
    const target = join(lab.dir, 'target');
    const tuning = { ...TEST_TUNING, window: 1 };
    lab.sandbox.faults.set({
      route: 'GET object',
      kind: 'latency',
      params: { ms: 100, key: `^${datasetId}/` },
    });
    const sent = () =>
      Object.entries(lab.sandbox.faults.requests().objects)
        .filter(([key]) => key.startsWith(`${datasetId}/`))
        .map(([key, { bytesSent }]) => [key, bytesSent] as const);
    // The upload looked at each object, too.
    const before = new Map(sent());
    const first = await lab.startDownload(lab.downloadInput(datasetId, target, { tuning }));
    const came = () => sent().filter(([key, bytes]) => bytes > (before.get(key) ?? 0)).length;
    await expect.poll(came, { timeout: 20_000, interval: 10 }).toBeGreaterThan(12);
    await first.cancel();
    await first.result().catch(() => {});
    lab.sandbox.faults.clear();

    const all = documentsOf(source);
    const ids = await cloudIds(lab, datasetId);
    const withFiles = all.filter(({ uids }) => uids.length > 0);
    const deleted = withFiles.slice(0, 2);
    for (const { id } of deleted) {
      await cloudRequest(lab, 'DELETE', `/datasets/${datasetId}/documents/${ids.get(id)}?when=now`);
    }
    const edited = all.find(({ className, uids }) => className === 'subject' && uids.length === 0)!;
    const path = `/datasets/${datasetId}/documents/${ids.get(edited.id)}`;
    const { id: _, ...body } = await cloudRequest(lab, 'GET', path);
    const subject = { ...(body.subject as object), description: 'edited in the cloud' };
    await cloudRequest(lab, 'POST', path, { ...body, subject });

    const result = await lab.download(datasetId, target);
    // Deletions do not lower the count of the record, and a replica that lags looks the same for a while.
    expect(result.problems).toMatchObject([{ kind: 'dataset', code: 'NDI_E_LISTS_DISAGREE' }]);
    expect(result.files.skipped).toBeGreaterThan(5);
    expect(result.files.total).toBe(result.files.skipped + result.files.transferred);
    const comparison = await compareDatasets(source, target);
    expect(comparison.onlyInA.toSorted()).toEqual(deleted.map(({ id }) => id).toSorted());
    expect(comparison.onlyInB).toEqual([]);
    expect(comparison.differentDocuments).toEqual([edited.id]);
    const names = readdirSync(filesDir(target));
    const gone = new Set(deleted.flatMap(({ id, uids }) => [id, ...uids]));
    expect(names.filter((name) => gone.has(name) || gone.has(name.slice(0, 33)))).toEqual([]);
    // The same once more, and nothing is to be done.
    const again = await lab.download(datasetId, target);
    expect(again.documents).toMatchObject({ transferred: 0, skipped: result.documents.total });
  });

  it('has nothing to do where lists have no order', async () => {
    const source = join(lab.dir, 'many');
    await makeDataset(source, { documents: 1_500, files: 2, fileBytes: 100, seed: 6 });
    const { datasetId } = await lab.upload(source, { tuning: { ...TEST_TUNING, documentsPerUnit: 2_000 } });
    const target = join(lab.dir, 'many-target');
    await lab.download(datasetId, target);
    lab.sandbox.faults.set({ route: 'GET /datasets/:d/documents', kind: 'unstable-order', count: 3 });
    const again = await lab.download(datasetId, target);
    lab.sandbox.faults.clear();
    expect(again).toMatchObject({ status: 'done', bytes: 0 });
  });

  it('leaves an author’s own address where it is, in both modes', async () => {
    const source = join(lab.dir, 'addresses');
    await makeDataset(source, { documents: 30, files: 2, fileBytes: 100, seed: 7 });
    const { datasetId } = await lab.upload(source);
    const address = 'https://example.org/video.mp4';
    const location = {
      delete_original: 0,
      uid: '41269a0000000001_40b0000000000001',
      location: address,
      parameters: '',
      location_type: 'url',
      ingest: 0,
    };
    await cloudRequest(lab, 'POST', `/datasets/${datasetId}/documents`, {
      base: { id: '41269a0000000002_40b0000000000002', session_id: '', name: 'film', datestamp: '' },
      document_class: { class_name: 'demoNDI', superclasses: [{ definition: '$NDIDOCUMENTPATH/base.json' }] },
      files: { file_list: ['film.mp4'], file_info: [{ name: 'film.mp4', locations: [location] }] },
    });
    for (const mode of ['local', 'hybrid'] as const) {
      const target = join(lab.dir, `addresses-${mode}`);
      const result = await lab.download(datasetId, target, { mode });
      expect(result).toMatchObject({ status: 'done', problems: [] });
      const reader = openDataset(target);
      const { text } = reader.document('41269a0000000002_40b0000000000002')!;
      reader.close();
      expect(JSON.parse(text).files.file_info).toMatchObject([{ locations: [location] }]);
    }
  });
});
