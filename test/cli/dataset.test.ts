/** `ndi-courier dataset …`: what a folder holds, and its tie to the cloud. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DatasetDocument, openDataset } from '../../client/dataset.ts';
import { withLease } from '../../client/dataset-link.ts';
import { openLedger } from '../../ledger/open.ts';
import { fingerprint } from '../fixtures/dataset.ts';
import { createHarness, type Harness } from './harness.ts';

let cli: Harness;
let dir: string;
let documents: DatasetDocument[];
beforeAll(async () => {
  cli = await createHarness();
  dir = await cli.dataset({ documents: 60, files: 6, fileBytes: 3_000 });
  const dataset = openDataset(dir);
  documents = [...dataset.documents()];
  dataset.close();
});
afterAll(() => cli?.close());

const cloudDataset = async (name: string): Promise<string> => {
  const made = await cli.run(['cloud', 'datasets', 'create', '-', '--json'], {
    input: JSON.stringify({ name }),
  });
  expect(made.code, made.stderr).toBe(0);
  return made.json().id as string;
};

describe('dataset show', () => {
  it('tells ids, classes and files, and touches nothing', async () => {
    const before = fingerprint(dir);
    const { code, json } = await cli.run(['dataset', 'show', dir, '--json']);
    expect(code).toBe(0);
    expect(json()).toMatchObject({
      directory: dir,
      documents: documents.length,
      datasetIds: [],
      files: { here: 6, cloud: 0, elsewhere: 0, missing: 0, bytesHere: expect.any(Number) },
    });
    const counted = Object.values<number>(json().classes).reduce((sum, count) => sum + count, 0);
    expect(counted).toBe(documents.length);
    const text = (await cli.run(['dataset', 'show', dir])).stdout;
    expect(text).toContain('Not linked to a cloud dataset.');
    expect(text).toMatch(/files: 6 here \(/);
    expect(fingerprint(dir)).toEqual(before);
  });

  it('says of a folder that is no dataset that it is none', async () => {
    const { code, json } = await cli.run(['dataset', 'show', cli.dir, '--json']);
    expect([code, json().error.code]).toEqual([1, 'NDI_E_NOT_A_DATASET']);
  });
});

describe('dataset documents', () => {
  it('finds by class, dependency and field, and all conditions must hold', async () => {
    const [wanted] = documents.filter(({ dependsOn }) => dependsOn.some(({ value }) => value !== ''));
    const dependency = wanted!.dependsOn.find(({ value }) => value !== '')!;
    const conditions = ['--depends-on', `${dependency.name}=${dependency.value}`];
    const expected = documents.filter(
      (one) =>
        one.className === wanted!.className &&
        one.dependsOn.some(({ name, value }) => name === dependency.name && value === dependency.value),
    );
    const both = await cli.run([
      'dataset',
      'documents',
      dir,
      '--ids',
      ...conditions,
      '--class',
      wanted!.className,
    ]);
    expect(both.stdout.trim().split('\n')).toEqual(expected.map(({ id }) => id));
    const one = await cli.run(['dataset', 'documents', dir, '--json', '--where', `base.id=${wanted!.id}`]);
    const lines = one.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toEqual([
      expect.objectContaining({ id: wanted!.id, className: wanted!.className, body: wanted!.body }),
      { documents: 1 },
    ]);
    const query = JSON.stringify([{ operation: '~isa', param1: wanted!.className }]);
    const others = await cli.run(['dataset', 'documents', dir, '--query', query, '--limit', '3']);
    expect(others.stdout).toContain('3 documents.');
    expect(others.stdout).not.toContain(wanted!.id);
  });

  it('refuses a condition that is none', async () => {
    for (const condition of [
      ['--where', '=3'],
      ['--query', '{'],
      ['--depends-on', 'x'],
    ]) {
      const { code, json } = await cli.run(['dataset', 'documents', dir, '--json', ...condition]);
      expect([code, json().error.code]).toEqual([2, 'NDI_E_USAGE']);
    }
  });
});

describe('dataset read', () => {
  it('writes the bytes of a file, and never over another file', async () => {
    const dataset = openDataset(dir);
    const file = documents.flatMap((document) => dataset.files(document))[0]!;
    dataset.close();
    const args = ['dataset', 'read', dir, file.documentId, file.name, '--out', cli.path('bytes')];
    expect((await cli.run(args)).code).toBe(0);
    expect(readFileSync(cli.path('bytes'))).toEqual(readFileSync(file.path!));
    writeFileSync(cli.path('bytes'), 'mine');
    expect((await cli.run(args)).code).toBe(1);
    expect(readFileSync(cli.path('bytes'), 'utf8')).toBe('mine');
    const none = await cli.run(['dataset', 'read', dir, file.documentId, 'no such name']);
    expect(none.stderr).toContain('NDI_E_NOT_FOUND');
  });
});

describe('dataset link and unlink', () => {
  it('hold the lease while they work, and give it back', async () => {
    const folder = await cli.dataset();
    const { datasetId } = openDataset(folder).identity;
    const service = { homeDir: async () => cli.env.COURIER_HOME! };
    const context = { service } as Parameters<typeof withLease>[0];
    const path = join(folder, '.ndi', 'courier', 'ledger.sqlite');
    const run = { workflowId: 'upload/other', runKey: 'other', holder: 'a run', ttlMs: 600_000 };
    const during = await withLease(context, { datasetDir: folder, datasetId }, 'dataset link', () => {
      const ledger = openLedger(path);
      const answer = ledger.lease.acquire(run);
      ledger.close();
      return answer;
    });
    expect(during).toMatchObject({ held: false, by: { workflowId: `dataset link ${folder}` } });
    const ledger = openLedger(path);
    expect(ledger.lease.acquire(run).held).toBe(true);
    ledger.lease.release(run.runKey);
    ledger.close();
  });

  it('tie a folder to one cloud dataset, and let go of it', async () => {
    const [first, second] = [await cloudDataset('First'), await cloudDataset('Second')];
    const linked = await cli.run(['dataset', 'link', dir, first, '--json']);
    expect(linked.code, linked.stderr).toBe(0);
    expect(linked.json()).toMatchObject({ datasetId: first, name: 'First', directory: dir });
    const again = await cli.run(['dataset', 'link', dir, first, '--json']);
    expect(again.json().documentId).toBe(linked.json().documentId);
    const other = await cli.run(['dataset', 'link', dir, second, '--json']);
    expect([other.code, other.json().error.code]).toEqual([1, 'NDI_E_TWO_REMOTES']);
    expect((await cli.run(['dataset', 'link', dir, second, '--replace', '--json'])).code).toBe(0);
    expect((await cli.run(['dataset', 'show', dir, '--json'])).json().datasetIds).toEqual([second]);
    const unasked = await cli.run(['dataset', 'unlink', dir, '--json']);
    expect([unasked.code, unasked.json().error.code]).toEqual([2, 'NDI_E_USAGE']);
    const forgotten = await cli.run(['dataset', 'unlink', dir, '--yes', '--json']);
    expect(forgotten.json()).toEqual({ directory: dir, datasetIds: [second] });
    const twice = await cli.run(['dataset', 'unlink', dir, '--yes', '--json']);
    expect(twice.json().error.code).toBe('NDI_E_NOT_LINKED');
    expect(openDataset(dir).documentCount()).toBe(documents.length);
  });

  it('refuse a cloud dataset that does not exist, or holds another dataset', async () => {
    const absent = await cli.run(['dataset', 'link', dir, 'a'.repeat(24), '--json']);
    expect(absent.json().error.code).toBe('NDI_E_NOT_FOUND');
    const malformed = await cli.run(['dataset', 'link', dir, 'nonsense', '--json']);
    expect(malformed.json().error.code).toBe('NDI_E_BAD_ID');
    const up = await cli.run(['upload', await cli.dataset(), '--new', 'Other', '--json']);
    const foreign = await cli.run(['dataset', 'link', dir, up.json().datasetId, '--json']);
    expect(foreign.json().error.code).toBe('NDI_E_OTHER_DATASET');
  });

  it('refuse a dataset on which a run is working', async () => {
    const busy = await cli.dataset();
    const id = await cloudDataset('Busy');
    mkdirSync(join(busy, '.ndi', 'courier'), { recursive: true });
    const ledger = openLedger(join(busy, '.ndi', 'courier', 'ledger.sqlite'));
    const run = { workflowId: 'upload/busy', runKey: 'busy', holder: 'a run', ttlMs: 600_000 };
    ledger.lease.acquire(run);
    const refused = await cli.run(['dataset', 'link', busy, id, '--json']);
    expect(refused.json().error?.code).toBe('NDI_E_DATASET_IN_USE');
    ledger.lease.release(run.runKey);
    expect((await cli.run(['dataset', 'link', busy, id, '--json'])).code).toBe(0);
    ledger.lease.acquire(run);
    const kept = await cli.run(['dataset', 'unlink', busy, '--yes', '--json']);
    expect(kept.json().error?.code).toBe('NDI_E_DATASET_IN_USE');
    ledger.close();
    expect((await cli.run(['dataset', 'show', busy, '--json'])).json().datasetIds).toEqual([id]);
  });
});
