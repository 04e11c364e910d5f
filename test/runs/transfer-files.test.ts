/** Binaries of a dataset that is here: fetched when they are wanted, let go of when the cloud has them. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { filesDir, uidPath } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import type { ResolvedFile } from '../../ndi/dataset/types.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { DocumentFacts } from '../../ndi/document/types.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createCloudDataset } from '../support/cloud-state.ts';
import { createLab, type Lab } from '../support/lab.ts';
import { cloudContent, contentOf, refusalOf } from '../support/refusals.ts';

let lab: Lab;
let source: string;
let target: string;
let cloudId: string;
let made = 0;
beforeAll(async () => {
  lab = await createLab();
  source = join(lab.dir, 'source');
  await makeDataset(source, { documents: 60, files: 10, fileBytes: 5_000, seed: 21 });
  cloudId = (await lab.upload(source)).datasetId;
});
afterAll(() => lab?.close());
beforeEach(() => {
  lab.sandbox.faults.clear();
  made += 1;
  target = join(lab.dir, `target-${made}`);
});

const filesOf = (dir: string): { facts: DocumentFacts; name: string; file: ResolvedFile }[] => {
  const reader = openDataset(dir);
  try {
    return [...reader.documents()].flatMap((stored) => {
      const facts = describeDocument(parseDocument(stored.text));
      return reader.files(facts).map(({ name, file }) => ({ facts, name, file }));
    });
  } finally {
    reader.close();
  }
};
const kinds = (dir: string): string[] => filesOf(dir).map(({ file }) => file.kind);
const none = { documents: [], classes: [], sessions: [] };

describe('files of a hybrid dataset', () => {
  it('are all fetched, and the dataset is as if it had been downloaded with them', async () => {
    await lab.download(cloudId, target, { mode: 'hybrid' });
    expect(new Set(kinds(target))).toEqual(new Set(['remote']));
    const result = await lab.files(target, 'get');
    expect(result).toMatchObject({
      operation: 'files',
      action: 'get',
      status: 'done',
      datasetId: cloudId,
      files: { total: 10, transferred: 10, failed: 0 },
      problems: [],
    });
    expect(await compareDatasets(source, target)).toMatchObject({ equal: true, sameFiles: 10 });
    for (const { facts, name, file } of filesOf(target)) {
      expect(file.kind).toBe('local');
      // Both names, for both clients, and a document that points there.
      expect(existsSync(join(filesDir(target), `${facts.id}_${name}`))).toBe(true);
      expect(facts.files.flatMap(({ locations }) => locations.map(({ location }) => location))).toContain(
        uidPath(target, file.uid),
      );
    }
    expect(await lab.files(target, 'get')).toMatchObject({
      status: 'done',
      bytes: 0,
      files: { skipped: 10 },
    });
    expect(await lab.upload(target)).toMatchObject({ status: 'done', bytes: 0 });
  });

  it('are fetched for the selected documents only', async () => {
    await lab.download(cloudId, target, { mode: 'hybrid' });
    const [one] = filesOf(target);
    const result = await lab.files(target, 'get', { selection: { ...none, documents: [one!.facts.id] } });
    expect(result.files.transferred).toBe(
      filesOf(source).filter(({ facts }) => facts.id === one!.facts.id).length,
    );
    expect(kinds(target).filter((kind) => kind === 'local')).toHaveLength(result.files.transferred);
  });

  it('that the cloud cannot give are listed, and all others come', async () => {
    await lab.download(cloudId, target, { mode: 'hybrid' });
    const { uid } = filesOf(target)[0]!.file;
    lab.sandbox.faults.set({ route: 'GET object', kind: 'archived', params: { key: `^${cloudId}/${uid}$` } });
    const result = await lab.files(target, 'get');
    expect(result).toMatchObject({ status: 'done-with-leftovers', files: { transferred: 9, failed: 1 } });
    expect(result.problems).toMatchObject([{ kind: 'file', id: uid }]);
    expect(kinds(target).filter((kind) => kind === 'remote')).toHaveLength(1);
    lab.sandbox.faults.clear();
    expect(await lab.files(target, 'get')).toMatchObject({
      status: 'done',
      files: { transferred: 1, skipped: 9 },
    });
  });
});

describe('files of a local dataset', () => {
  it.each(['md5', 'opaque'] as const)(
    'are let go of when the cloud has the same bytes, by an ETag that is %s, and can be fetched again',
    async (etag) => {
      await lab.download(cloudId, target);
      await fetch(`${lab.sandbox.controlUrl}/knobs`, { method: 'POST', body: JSON.stringify({ etag }) });
      try {
        const result = await lab.files(target, 'drop');
        expect(result).toMatchObject({ status: 'done', files: { total: 10, transferred: 10 }, problems: [] });
      } finally {
        await fetch(`${lab.sandbox.controlUrl}/knobs`, {
          method: 'POST',
          body: JSON.stringify({ etag: 'md5' }),
        });
      }
      expect(readdirSync(filesDir(target))).toEqual([]);
      for (const { file } of filesOf(target))
        expect(file).toMatchObject({ kind: 'remote', uri: `ndic://${cloudId}/${file.uid}` });
      expect(await lab.upload(target)).toMatchObject({ status: 'done', bytes: 0 });
      await lab.files(target, 'get');
      expect(await compareDatasets(source, target)).toMatchObject({ equal: true, sameFiles: 10 });
    },
  );

  it('that differ from the cloud’s stay here and are listed', async () => {
    await lab.download(cloudId, target);
    const { uid } = filesOf(target)[0]!.file;
    const path = uidPath(target, uid);
    const mine = Buffer.alloc(readFileSync(path).length, 3);
    rmSync(path);
    writeFileSync(path, mine);
    const result = await lab.files(target, 'drop');
    expect(result).toMatchObject({ status: 'done-with-leftovers', files: { transferred: 9, failed: 1 } });
    expect(result.problems).toMatchObject([{ kind: 'file', id: uid, code: 'NDI_E_CHANGED_HERE' }]);
    expect(readFileSync(path)).toEqual(mine);
  });

  it('are not let go of while another document names them', async () => {
    await lab.download(cloudId, target);
    const all = filesOf(target);
    const result = await lab.files(target, 'drop', { selection: { ...none, documents: [all[0]!.facts.id] } });
    expect(result.files.transferred).toBe(all.filter(({ facts }) => facts.id === all[0]!.facts.id).length);
    expect(kinds(target).filter((kind) => kind === 'local')).toHaveLength(10 - result.files.transferred);
  });
});

describe('a dataset without a link', () => {
  it('has no cloud to fetch from', async () => {
    const alone = join(lab.dir, 'alone');
    await makeDataset(alone, { documents: 30, files: 0, fileBytes: 0, seed: 3 });
    await expect(lab.files(alone, 'get')).rejects.toMatchObject({ type: 'NDI_E_NOT_LINKED' });
  });
});

describe('an upload of a hybrid dataset', () => {
  it('as a new one is refused before anything is made; with its binaries fetched it goes up whole', async () => {
    await lab.download(cloudId, target, { mode: 'hybrid' });
    const asNew = { target: { kind: 'as-new', name: `Copy ${made}` } } as const;
    const before = [contentOf(target), cloudContent(lab)];
    const info = await refusalOf(await lab.startUpload(lab.uploadInput(target, asNew)));
    expect(info.code).toBe('NDI_E_BINARIES_ELSEWHERE');
    expect(info.sentence).toContain(`10 in ${cloudId}`);
    expect(info.nextStep).toContain('files get DIR --all');
    expect([contentOf(target), cloudContent(lab)]).toEqual(before);
    await expect(
      lab.preview({ operation: 'upload', input: lab.uploadInput(target, asNew) }),
    ).rejects.toMatchObject({ type: 'NDI_E_BINARIES_ELSEWHERE' });
    await lab.files(target, 'get');
    const copy = await lab.upload(target, asNew);
    expect(copy).toMatchObject({ status: 'done', files: { total: 10, transferred: 10 }, problems: [] });
    expect(copy.datasetId).not.toBe(cloudId);
  });

  it('into its own cloud dataset has nothing to say; into another one names each binary that is not there', async () => {
    await lab.download(cloudId, target, { mode: 'hybrid' });
    expect(await lab.upload(target)).toMatchObject({ status: 'done', problems: [] });
    const other = await createCloudDataset(lab, `Other ${made}`);
    const result = await lab.upload(target, { target: { kind: 'to', cloudDatasetId: other } });
    expect(result.status).toBe('done-with-leftovers');
    expect(new Set(result.problems.map(({ code }) => code))).toEqual(new Set(['NDI_E_BINARIES_ELSEWHERE']));
    expect(result.problems).toHaveLength(10);
  });
});
