/**
 * A property: whatever one field of one document holds, everything else arrives, and the document with its
 * binary is listed or comes as it is. Up and down, and down from a cloud that another program has put it
 * into.
 */
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareDatasets, type DatasetComparison } from '../ndi/dataset/compare.ts';
import { makeDataset } from '../ndi/synthetic/dataset.ts';
import type { TransferResult } from '../workflows/contracts/index.ts';
import { cloudIds, cloudRequest, documentsInCloud } from './support/cloud-state.ts';
import { createSlots, failuresOf } from './support/crash.ts';
import { createLab, type Lab } from './support/lab.ts';
import { OddDataset } from './support/oddities.ts';

const CASES = 16;
const SEED = 20_261_127;
const DATASET = { documents: 32, files: 3, fileBytes: 300 };

interface Change {
  readonly of: 'withFile' | 'plain';
  /** Chooses among all fields of the document. */
  readonly field: number;
  readonly value: unknown;
}

const oddValue = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    [],
    {},
    true,
    0,
    -1,
    1e308,
    '..',
    '/etc/passwd',
    'a/b\\c',
    '\0',
    '\ud800',
  ),
  fc.constantFrom<unknown>(
    'x'.repeat(300),
    '\u202e\u001b[31m',
    '__NDI__NaN__',
    'NaN',
    'ndic://x/y',
    'é'.repeat(200),
  ),
  fc.constantFrom<unknown>([[[]]], [null], [{}, null], { __proto__x: 1 }, { '': { '': [] } }),
  fc.string(),
  fc.jsonValue({ maxDepth: 2 }),
);
const change: fc.Arbitrary<Change> = fc.record({
  of: fc.constantFrom('withFile', 'plain'),
  field: fc.nat(),
  value: oddValue,
});

type Path = readonly (string | number)[];

/** Every place of a document, outer ones first. */
function placesOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return path.length === 0 ? [] : [path];
  const inside = Object.entries(value).flatMap(([key, one]) => placesOf(one, [...path, key]));
  return path.length === 0 ? inside : [path, ...inside];
}

/** The text of the document with the change, and what was changed, in words. */
function changed(dataset: OddDataset, { of, field, value }: Change): { text: string; what: string } {
  const body = dataset.body(dataset[of]);
  const places = placesOf(body);
  const path = places[field % places.length]!;
  let at = body as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  at[path.at(-1)!] = value;
  return { text: JSON.stringify(body), what: `${of} ${path.join('.')} = ${JSON.stringify(value)}` };
}

/** Everything but the document arrived; the document is equal, or something is said of it. */
function expectRest(
  ids: readonly unknown[],
  compared: DatasetComparison,
  results: readonly TransferResult[],
): void {
  for (const list of [compared.onlyInA, compared.onlyInB, compared.differentDocuments])
    expect(list.filter((one) => !ids.includes(one))).toEqual([]);
  expect(compared.fileDifferences.filter(({ documentId }) => !ids.includes(documentId))).toEqual([]);
  const isSilent = results.every(({ problems }) => problems.length === 0);
  // Of another id it is another document, whose place in the comparison is empty.
  if (isSilent && ids.every((id) => id === ids[0])) expect(compared.equal).toBe(true);
}

describe('any field of a document', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await createLab();
  });
  afterAll(() => lab?.close());

  const changes = fc.sample(change, { seed: SEED, numRuns: CASES });

  it('that is odd here stops nothing else on the way up and down', async () => {
    const slot = createSlots(4);
    const scenarios = changes.slice(0, CASES / 2).map((one, number) => ({
      name: `change ${number}`,
      run: () => slot(() => upAndDown(one, number)),
    }));
    expect(await failuresOf(scenarios)).toEqual({});
  });

  async function upAndDown(one: Change, number: number): Promise<void> {
    const [source, target] = [join(lab.dir, `up-${number}`), join(lab.dir, `up-${number}-copy`)];
    await makeDataset(source, { ...DATASET, seed: 300 + number });
    const dataset = new OddDataset(source);
    const id = dataset[one.of];
    const { text, what } = changed(dataset, one);
    dataset.write(id, text);
    try {
      const up = await lab.upload(source, { target: { kind: 'as-new', name: `Field ${number}` } });
      expect(up.documents.failed).toBeLessThanOrEqual(1);
      const cloud = await documentsInCloud(lab, up.datasetId);
      expect(cloud).toMatchObject({ doubled: [], count: up.documents.total - up.documents.failed });
      const down = await lab.download(up.datasetId, target);
      expectRest([id], await compareDatasets(source, target), [up, down]);
    } catch (error) {
      throw new Error(what, { cause: error });
    }
  }

  it('that is odd in the cloud stops nothing else on the way down', async () => {
    const source = join(lab.dir, 'sound');
    await makeDataset(source, { ...DATASET, seed: 299 });
    const { datasetId } = await lab.upload(source);
    const dataset = new OddDataset(source);
    const ids = await cloudIds(lab, datasetId);
    for (const [number, one] of changes.slice(CASES / 2).entries()) {
      const id = dataset[one.of];
      const path = `/datasets/${datasetId}/documents/${ids.get(id)}`;
      const { text, what } = changed(dataset, one);
      const sound = dataset.bytes(id).toString();
      try {
        // What the cloud refuses is never in it.
        const isTaken = await cloudRequest(lab, 'POST', path, text).then(
          () => true,
          (error: Error) => {
            if (/: 400 /.test(error.message)) return false;
            throw error;
          },
        );
        if (!isTaken) continue;
        const target = join(lab.dir, `down-${number}`);
        const down = await lab.download(datasetId, target);
        dataset.write(id, text);
        const inCloud = (JSON.parse(text) as { base?: { id?: unknown } | null }).base?.id;
        expectRest([id, inCloud], await compareDatasets(source, target), [down]);
      } catch (error) {
        throw new Error(what, { cause: error });
      } finally {
        dataset.write(id, sound);
        await cloudRequest(lab, 'POST', path, sound);
      }
    }
  });
});
