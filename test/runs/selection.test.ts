/**
 * A part of a cloud dataset: some documents, some binaries, and one mode after the other in the same folder.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { createNameMatcher } from '../../ndi/dataset/selection.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createLab, type Lab } from '../support/lab.ts';

let lab: Lab;
let source: string;
let cloudId: string;
beforeAll(async () => {
  lab = await createLab();
  source = join(lab.dir, 'source');
  await makeDataset(source, { documents: 80, files: 12, fileBytes: 3_000, seed: 31 });
  cloudId = (await lab.upload(source)).datasetId;
});
afterAll(() => lab?.close());

function documentsOf(dir: string) {
  const reader = openDataset(dir);
  try {
    return [...reader.documents()].map((stored) => {
      const facts = describeDocument(parseDocument(stored.text));
      return { ...facts, found: reader.files(facts) };
    });
  } finally {
    reader.close();
  }
}
const none = { documents: [], classes: [], sessions: [] };
const kindsOf = (dir: string) => documentsOf(dir).flatMap(({ found }) => found.map(({ file }) => file.kind));

describe('a download of selected documents', () => {
  it('brings those of a class, what they depend on, and what makes the folder a dataset', async () => {
    const target = join(lab.dir, 'class');
    const all = documentsOf(source);
    const dependent = all.find(
      ({ dependsOn, className }) => dependsOn.some(({ value }) => value !== '') && className !== 'session',
    )!;
    const result = await lab.download(cloudId, target, {
      selection: { ...none, classes: [dependent.className] },
    });
    expect(result).toMatchObject({ status: 'done', problems: [] });
    const here = documentsOf(target);
    const ids = new Set(here.map(({ id }) => id));
    expect(here.length).toBeLessThan(all.length);
    for (const { id, className } of all)
      if (className === dependent.className) expect(ids.has(id)).toBe(true);
    const known = new Set(all.map(({ id }) => id));
    for (const { dependsOn } of here)
      for (const { value } of dependsOn) if (known.has(value)) expect(ids.has(value)).toBe(true);
    const reader = openDataset(target);
    const original = openDataset(source);
    expect(reader.identity.datasetId).toBe(original.identity.datasetId);
    reader.close();
    original.close();
    // The same command again has nothing to do.
    const again = await lab.download(cloudId, target, {
      selection: { ...none, classes: [dependent.className] },
    });
    expect(again).toMatchObject({ status: 'done', bytes: 0, documents: { transferred: 0 } });
  });

  it('brings one document by its id', async () => {
    const target = join(lab.dir, 'id');
    const one = documentsOf(source).find(({ className }) => className === 'subject')!;
    await lab.download(cloudId, target, { selection: { ...none, documents: [one.id] } });
    const subjects = documentsOf(target).filter(({ className }) => className === 'subject');
    expect(subjects.map(({ id }) => id)).toEqual([one.id]);
  });

  it('brings those of a session by its reference', async () => {
    const target = join(lab.dir, 'session');
    const reader = openDataset(source);
    const { reference, datasetId, sessions } = reader.identity;
    reader.close();
    const wanted = sessions[0] ?? { reference, sessionId: datasetId };
    await lab.download(cloudId, target, { selection: { ...none, sessions: [wanted.reference] } });
    const ids = new Set(documentsOf(target).map(({ id }) => id));
    for (const { id, sessionId } of documentsOf(source))
      if (sessionId === wanted.sessionId) expect(ids.has(id)).toBe(true);
  });

  it('brings only the binaries whose names match, and leaves the others in the cloud', async () => {
    const target = join(lab.dir, 'names');
    const names = documentsOf(source).flatMap(({ found }) => found.map(({ name }) => name));
    const result = await lab.download(cloudId, target, { filesMatching: [names[0]!] });
    expect(result).toMatchObject({ status: 'done', problems: [] });
    for (const { found } of documentsOf(target))
      for (const { name, file } of found) expect(file.kind).toBe(name === names[0] ? 'local' : 'remote');
    expect(await lab.download(cloudId, target, { filesMatching: [names[0]!] })).toMatchObject({ bytes: 0 });
  });
});

describe('a download into a folder that holds the dataset in the other mode', () => {
  it('brings the binaries, or lets go of them, and nothing else', async () => {
    const target = join(lab.dir, 'modes');
    await lab.download(cloudId, target, { mode: 'hybrid' });
    const local = await lab.download(cloudId, target, { mode: 'local' });
    expect(local).toMatchObject({
      operation: 'download',
      status: 'done',
      documents: { transferred: 0 },
      files: { transferred: 12 },
    });
    expect(await compareDatasets(source, target)).toMatchObject({ equal: true, sameFiles: 12 });
    const hybrid = await lab.download(cloudId, target, { mode: 'hybrid' });
    expect(hybrid).toMatchObject({
      status: 'done',
      documents: { transferred: 0 },
      files: { transferred: 12 },
    });
    expect(new Set(kindsOf(target))).toEqual(new Set(['remote']));
    expect(await lab.download(cloudId, target, { mode: 'hybrid' })).toMatchObject({
      status: 'done',
      bytes: 0,
    });
  });
});

describe('a pattern of names', () => {
  it.each([
    [['*.bin'], 'a.bin', true],
    [['*.bin'], 'a.bin.txt', false],
    [['epoch_?'], 'epoch_1', true],
    [['epoch_?'], 'epoch_12', false],
    [['a+(b)[c].x'], 'a+(b)[c].x', true],
    [['x', 'y*'], 'yes', true],
    [[], 'anything', true],
    [null, 'anything', true],
  ])('%j fits %s: %s', (patterns, name, fits) => {
    expect(createNameMatcher(patterns)(name)).toBe(fits);
  });
});
