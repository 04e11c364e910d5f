/**
 * The cloud does wrong, and the run ends right: each fault alone, in a run up and a run down. The end state
 * is read from the sandbox's own store: every document once, every byte as it was.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { FaultSpec } from '../../sandbox/server.ts';
import type { TransferResult } from '../../workflows/contracts/index.ts';
import { documentsInCloud } from '../support/cloud-state.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';

const CREATE = 'POST /organizations/:org/datasets';
const ADD = 'POST /datasets/:d/documents';

/** Single refusals: two in a row are a login that does not work, and the run waits for a person. */
const TOKENS_DIE: FaultSpec[] = [4, 9, 14].map((skip) => ({
  route: '*',
  origin: 'api',
  kind: 'expired-token',
  skip,
  count: 1,
}));

const UP: [string, FaultSpec[]][] = [
  ['a create that answers 504 after doing it', [{ route: CREATE, kind: '504-after-work', count: 1 }]],
  ['a create whose connection breaks before it is done', [{ route: CREATE, kind: 'reset-before', count: 1 }]],
  ['a create whose answer is lost', [{ route: CREATE, kind: 'reset-after', count: 1 }]],
  ['a create that makes two', [{ route: CREATE, kind: 'duplicate-insert', count: 1 }]],
  [
    'an import that makes documents twice',
    [{ route: 'IMPORT documents', kind: 'duplicate-insert', count: 1 }],
  ],
  ['an import that is lost', [{ route: 'IMPORT documents', kind: 'import-lost', count: 1 }]],
  [
    'half an import that is lost',
    [{ route: 'IMPORT documents', kind: 'import-lost', count: 1, params: { fraction: 0.5 } }],
  ],
  [
    'an import that takes its time',
    [{ route: 'IMPORT documents', kind: 'import-delay', params: { ms: 1_500 } }],
  ],
  [
    'an extraction that loses files',
    [{ route: 'IMPORT files', kind: 'import-lost', count: 1, params: { fraction: 0.5 } }],
  ],
  ['an extraction that is lost', [{ route: 'IMPORT files', kind: 'import-lost', count: 1 }]],
  ['PUTs that break before the body', [{ route: 'PUT object', kind: 'reset-before', count: 3 }]],
  ['PUTs that break in the body', [{ route: 'PUT object', kind: 'reset-during', count: 3 }]],
  ['PUTs whose answer is lost', [{ route: 'PUT object', kind: 'reset-after', count: 3 }]],
  ['PUTs that arrive damaged', [{ route: 'PUT object', kind: 'corrupt-put', count: 2 }]],
  ['addresses that are dead', [{ route: 'PUT object', kind: 'expired-url', count: 2 }]],
  ['tokens that die', TOKENS_DIE],
  [
    '429 with Retry-After',
    [{ route: '*', origin: 'api', kind: '429', skip: 4, count: 4, params: { retryAfterSeconds: 1 } }],
  ],
  ['a burst of 5xx', [{ route: '*', origin: 'api', kind: '5xx', skip: 3, count: 4 }]],
  [
    'lists from a lagging replica',
    [{ route: 'GET /datasets/:d/documents', kind: 'replica-lag', params: { ms: 800 } }],
  ],
  ['lists without an order', [{ route: 'GET /datasets/:d/documents', kind: 'unstable-order' }]],
];

const DOWN: [string, FaultSpec[]][] = [
  ['truncated GETs', [{ route: 'GET object', kind: 'truncated-get', count: 4 }]],
  ['damaged GETs', [{ route: 'GET object', kind: 'corrupt-get', count: 2 }]],
  ['addresses that die', [{ route: 'GET object', kind: 'expired-url', count: 3 }]],
  ['connections that break', [{ route: 'GET object', kind: 'reset-during', count: 4 }]],
  ['a zip that takes its time', [{ route: 'MAKE download', kind: 'import-delay', params: { ms: 1_000 } }]],
  ['a zip that never comes', [{ route: 'MAKE download', kind: 'import-lost' }]],
  ['half a zip', [{ route: 'MAKE download', kind: 'import-lost', params: { fraction: 0.5 } }]],
  ['tokens that die', TOKENS_DIE],
  ['a burst of 5xx', [{ route: '*', origin: 'api', kind: '5xx', skip: 3, count: 4 }]],
  [
    '429 with Retry-After',
    [{ route: '*', origin: 'api', kind: '429', skip: 4, count: 4, params: { retryAfterSeconds: 1 } }],
  ],
  ['lists without an order', [{ route: 'GET /datasets/:d/documents', kind: 'unstable-order' }]],
];

describe('a run under faults', () => {
  let lab: Lab;
  let n = 0;
  let source: string;
  /** Goes up once, in peace, and comes down under each fault. */
  let original: string;
  let cloudId: string;
  const tuning = { ...TEST_TUNING, documentsPerUnit: 60, zipFiles: 12, importQuietMs: 1_000 };

  beforeAll(async () => {
    lab = await createLab();
    source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 150, files: 30, fileBytes: 20_000, seed: 7 });
    original = join(lab.dir, 'original');
    await makeDataset(original, { documents: 150, files: 30, fileBytes: 20_000, seed: 8 });
    cloudId = (await lab.upload(original, { tuning })).datasetId;
  });
  afterAll(() => lab?.close());
  beforeEach(() => {
    n += 1;
    lab.sandbox.faults.clear();
  });

  it.each(UP)('uploads everything once: %s', async (_name, faults) => {
    for (const fault of faults) lab.sandbox.faults.set(fault);
    const name = `Fault ${n}`;
    const result: TransferResult = await lab.upload(source, { tuning, target: { kind: 'as-new', name } });
    const fired = lab.sandbox.faults.list();
    lab.sandbox.faults.clear();
    expect(fired.every((fault) => fault.fired > 0)).toBe(true);
    expect(result.problems).toEqual([]);
    expect(result.status).toBe('done');
    const state = await documentsInCloud(lab, result.datasetId);
    expect(state.doubled).toEqual([]);
    expect(state.count).toBe(result.documents.total);
    expect(await state.datasetsNamed(name)).toBe(1);
    const target = join(lab.dir, `up-${n}`);
    await lab.download(result.datasetId, target);
    expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
  });

  it('uploads everything once, one by one: adds that answer 504 after doing it', async () => {
    lab.sandbox.faults.set({ route: ADD, kind: '504-after-work', skip: 3, count: 4 });
    const result = await lab.upload(source, {
      tuning,
      strategy: 'serial',
      target: { kind: 'as-new', name: 'Serial' },
    });
    lab.sandbox.faults.clear();
    expect(result.status).toBe('done');
    const state = await documentsInCloud(lab, result.datasetId);
    expect(state.doubled).toEqual([]);
    expect(state.count).toBe(result.documents.total);
  });

  it.each(DOWN)('downloads everything: %s', async (_name, faults) => {
    for (const fault of faults) lab.sandbox.faults.set(fault);
    const target = join(lab.dir, `down-${n}`);
    const result: TransferResult = await lab.download(cloudId, target, { tuning });
    const fired = lab.sandbox.faults.list();
    lab.sandbox.faults.clear();
    expect(fired.every((fault) => fault.fired > 0)).toBe(true);
    expect(result.problems).toEqual([]);
    expect(await compareDatasets(original, target)).toMatchObject({ equal: true });
  });
});
