/**
 * Imports that are under way when everybody thinks they are not: of a run that was cancelled, and of one that
 * gave them up.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { FaultSpec } from '../../sandbox/server.ts';
import type { RunProgress, TransferResult } from '../../workflows/contracts/index.ts';
import { documentsInCloud } from '../support/cloud-state.ts';
import { stepCalls } from '../support/history.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await createLab();
});
afterAll(() => lab?.close());
beforeEach(() => {
  lab.sandbox.faults.clear();
});

describe('what an earlier upload sent', () => {
  it('what a cancelled run sent is waited for, not sent again', async () => {
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 60, files: 2, fileBytes: 100, seed: 1 });
    const importMs = 2_000;
    lab.sandbox.faults.set({ route: 'IMPORT documents', kind: 'import-delay', params: { ms: importMs } });
    const first = await lab.startUpload(lab.uploadInput(source));
    await expect
      .poll(() => lab.sandbox.faults.list()[0]!.fired, { timeout: 10_000, interval: 10 })
      .toBeGreaterThan(0);
    await first.cancel();
    await first.result().catch(() => {});
    const result = await lab.upload(source);
    expect(result.status).toBe('done');
    // Long enough for whatever was sent twice to show.
    await new Promise((resolve) => setTimeout(resolve, importMs + 500));
    const state = await documentsInCloud(lab, result.datasetId);
    expect(state.doubled).toEqual([]);
    expect(state.count).toBe(result.documents.total);
  });

  it('what was given up as lost and came late is not there twice', async () => {
    const source = join(lab.dir, 'late');
    await makeDataset(source, { documents: 60, files: 2, fileBytes: 100, seed: 2 });
    lab.sandbox.faults.set({ route: 'IMPORT documents', kind: 'import-delay', params: { ms: 1_500 } });
    const tuning = { ...TEST_TUNING, importQuietMs: 1_000 };
    const result = await lab.upload(source, { tuning });
    expect(result.status).toBe('done');
    expect(result.duplicatesRemoved).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const state = await documentsInCloud(lab, result.datasetId);
    expect(state.doubled).toEqual([]);
    expect(state.count).toBe(result.documents.total);
  });

  it('what is sent again is counted once', async () => {
    const source = join(lab.dir, 'counted');
    await makeDataset(source, { documents: 60, files: 4, fileBytes: 100, seed: 3 });
    for (const route of ['IMPORT documents', 'IMPORT files']) {
      lab.sandbox.faults.set({ route, kind: 'import-lost', count: 1 });
    }
    const tuning = { ...TEST_TUNING, importQuietMs: 700 };
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning }));
    const seen: RunProgress[] = [];
    await lab.until(handle, (progress) => {
      seen.push(progress);
      return progress.phase === 'done';
    });
    expect(lab.sandbox.faults.list().map(({ fired }) => fired)).toEqual([1, 1]);
    for (const { counts, bytes } of seen) {
      for (const { transferred, total } of Object.values(counts))
        expect(transferred).toBeLessThanOrEqual(total);
      expect(bytes.transferred).toBeLessThanOrEqual(bytes.total);
    }
    const { counts, bytes, units } = seen.at(-1)!;
    expect(Object.keys(counts)).toEqual(['documents', 'files']);
    for (const { transferred, total } of Object.values(counts)) expect(transferred).toBe(total);
    expect(bytes.transferred).toBe(bytes.total);
    expect(units.done).toBe(units.total);
    expect(units.done).toBeGreaterThan(2);
  });

  it('the list is asked for once, however many waves there are', async () => {
    const source = join(lab.dir, 'waves');
    await makeDataset(source, { documents: 300, files: 2, fileBytes: 100, seed: 4 });
    const tuning = { ...TEST_TUNING, documentsPerUnit: 60 };
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning }));
    await expectOnce(await handle.result(), 0);
    const calls = await stepCalls(handle);
    const times = (step: string) => calls.filter((call) => call.step === step).length;
    // Files and nothing; documents wave by wave and nothing.
    expect(times('nextUploadUnits')).toBeGreaterThan(5);
    // All are out; nothing is.
    expect(times('settleDocuments')).toBe(2);
  });
});

/** The store has everything and keeps its answer to itself. */
const ZIP_PUT: FaultSpec = {
  route: 'PUT object',
  kind: '504-after-work',
  count: 1,
  params: { delayMs: 600_000, key: '^bulk-documents/' },
};
/** The cloud has the document, and adds it after everybody has looked. */
const ADD: FaultSpec = {
  route: 'POST /datasets/:d/documents',
  kind: 'latency',
  skip: 5,
  count: 1,
  params: { ms: 2_500 },
};

async function untilFired(id: string): Promise<void> {
  const fired = (): number => lab.sandbox.faults.list().find((fault) => fault.id === id)?.fired ?? 0;
  await expect.poll(fired, { timeout: 20_000, interval: 10 }).toBe(1);
  // What the cloud does for a request takes milliseconds; only the answer is held.
  await new Promise((resolve) => setTimeout(resolve, 200));
}

async function expectOnce(result: TransferResult, afterMs: number): Promise<void> {
  expect(result.status).toBe('done');
  expect(result.problems).toEqual([]);
  // Long enough for whatever was sent twice to show.
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  const state = await documentsInCloud(lab, result.datasetId);
  expect(state.doubled).toEqual([]);
  expect(state.count).toBe(result.documents.total);
}

describe.each([
  ['a zip', 'zip', ZIP_PUT],
  ['a document of its own', 'serial', ADD],
] as const)('%s whose answer is awaited', (_what, strategy, fault) => {
  /** Later than the quiet time: whoever waits that long only has given it up. */
  const importMs = 2_500;
  const tuning = { ...TEST_TUNING, importQuietMs: 1_500 };
  let source: string;
  let made = 0;

  beforeEach(async () => {
    made += 1;
    source = join(lab.dir, `${strategy}-${made}`);
    await makeDataset(source, { documents: 40, files: 2, fileBytes: 100, seed: 30 + made });
    lab.sandbox.faults.set({ route: 'IMPORT documents', kind: 'import-delay', params: { ms: importMs } });
  });

  it('is not there twice after a cancel and another upload', async () => {
    const held = lab.sandbox.faults.set(fault);
    const first = await lab.startUpload(lab.uploadInput(source, { strategy, tuning }));
    await untilFired(held);
    await first.cancel();
    await first.result().catch(() => {});
    await expectOnce(await lab.upload(source, { strategy, tuning }), importMs + 500);
  });

  it('is not there twice when the worker stops and another one goes on', async () => {
    const held = lab.sandbox.faults.set(fault);
    const handle = await lab.startUpload(lab.uploadInput(source, { strategy, tuning }));
    await untilFired(held);
    await lab.restartWorker();
    await expectOnce(await handle.result(), importMs + 500);
  });
});
