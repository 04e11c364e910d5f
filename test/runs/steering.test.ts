/** A person steers a run: pause, resume, cancel, window, login; and what a run does when nobody is there. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/workflow';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import {
  loginSignal,
  pauseSignal,
  resumeSignal,
  setWindowUpdate,
  type TransferResult,
} from '../../workflows/contracts/index.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';
import { record } from '../support/record.ts';

describe('a run', () => {
  let lab: Lab;
  let made = 0;
  let source: string;

  beforeAll(async () => {
    lab = await createLab();
  });
  afterAll(() => lab?.close());
  beforeEach(async () => {
    lab.sandbox.faults.clear();
    made += 1;
    source = join(lab.dir, `source-${made}`);
    await makeDataset(source, { documents: 300, files: 60, fileBytes: 2_000, seed: made });
  });

  it('pauses, stays where it is, and goes on', async () => {
    lab.sandbox.faults.set({ route: 'PUT object', kind: 'latency', params: { ms: 150 } });
    const tuning = { ...TEST_TUNING, window: 1, zipFiles: 5 };
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning }));
    await lab.until(handle, (progress) => progress.units.done >= 2);
    await handle.signal(pauseSignal);
    const paused = await lab.until(handle, (p) => p.waitingFor?.kind === 'paused' && p.units.inFlight === 0);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect((await lab.until(handle, () => true)).units.done).toBe(paused.units.done);
    lab.sandbox.faults.clear();
    await handle.signal(resumeSignal);
    const result: TransferResult = await handle.result();
    expect(result.status).toBe('done');
    await record(lab, handle, 'upload-paused-and-resumed');
  });

  it('changes its window while it goes on, and refuses nonsense', async () => {
    lab.sandbox.faults.set({ route: 'PUT object', kind: 'latency', params: { ms: 300 } });
    const tuning = { ...TEST_TUNING, window: 1, zipFiles: 5 };
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning }));
    await lab.until(handle, (progress) => progress.units.inFlight === 1);
    expect(await handle.executeUpdate(setWindowUpdate, { args: [3] })).toBe(1);
    const wide = await lab.until(handle, (progress) => progress.units.inFlight === 3);
    expect(wide.window).toBe(3);
    const paced = await lab.until(handle, (progress) => progress.bytesPerSecond !== null);
    expect(paced.bytesPerSecond).toBeGreaterThan(0);
    await expect(handle.executeUpdate(setWindowUpdate, { args: [0] })).rejects.toThrow();
    lab.sandbox.faults.clear();
    await handle.result();
  });

  it('is cancelled cleanly, and the next one sends only what is missing', async () => {
    lab.sandbox.faults.set({ route: 'PUT object', kind: 'latency', params: { ms: 150 } });
    const tuning = { ...TEST_TUNING, window: 1, zipFiles: 5 };
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning }));
    const before = await lab.until(handle, (progress) => progress.units.done >= 3);
    await handle.cancel();
    const error = await handle.result().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(WorkflowFailedError);
    expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    lab.sandbox.faults.clear();
    const again = await lab.upload(source, { tuning });
    expect(again.status).toBe('done');
    expect(again.files.skipped).toBeGreaterThanOrEqual(before.counts.files!.transferred);
    const target = join(lab.dir, `target-${made}`);
    await lab.download(again.datasetId, target);
    expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
    await record(lab, handle, 'upload-cancelled');
  });

  it('waits for a site that is away, says so, and can be cancelled meanwhile', async () => {
    const tuning = { ...TEST_TUNING, siteTimeoutMs: 500 };
    const handle = await lab.startUpload(lab.uploadInput(source, { site: `${lab.site}-away`, tuning }));
    const waiting = await lab.until(handle, (progress) => progress.waitingFor?.kind === 'site');
    expect(waiting.waitingFor?.nextStep).toContain('ndi-courier up');
    await handle.cancel();
    const error = await handle.result().catch((reason: unknown) => reason);
    expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
  });

  it('continues as new with nothing lost', async () => {
    const tuning = { ...TEST_TUNING, zipFiles: 5, documentsPerUnit: 40, unitsPerExecution: 4 };
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning }));
    const firstRun = handle.workflowId;
    const result: TransferResult = await handle.result();
    expect(result.status).toBe('done');
    const latest = lab.client.workflow.getHandle(firstRun);
    expect((await latest.describe()).runId).not.toBe(
      (handle as { firstExecutionRunId?: string }).firstExecutionRunId,
    );
    const target = join(lab.dir, `target-${made}`);
    const down = await lab.startDownload(lab.downloadInput(result.datasetId, target, { tuning }));
    await down.result();
    expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
    await record(lab, latest, 'upload-continued-as-new');
    await record(lab, lab.client.workflow.getHandle(down.workflowId), 'download-continued-as-new');
  });

  it('of another kind waits while one has the dataset, and says for whom', async () => {
    const cloudId = (await lab.upload(source)).datasetId;
    lab.sandbox.faults.set({ route: 'GET object', kind: 'latency', params: { ms: 300 } });
    const target = join(lab.dir, `target-${made}`);
    const first = await lab.startDownload(lab.downloadInput(cloudId, target));
    await lab.until(first, (progress) => progress.phase === 'files' || progress.phase === 'documents');
    // The same building folder under another workflow id: what a second kind of run would do.
    const second = await lab.client.workflow.start('downloadDataset', {
      args: [lab.downloadInput(cloudId, target)],
      taskQueue: lab.queue,
      workflowId: `${first.workflowId}-other`,
    });
    const { waitingFor } = await lab.until(second, (progress) => progress.waitingFor !== null);
    expect(waitingFor).toMatchObject({ kind: 'dataset', code: 'NDI_E_DATASET_IN_USE' });
    expect(waitingFor?.sentence).toContain(first.workflowId);
    expect((await second.describe()).searchAttributes.NdiWaitingFor).toEqual(['dataset']);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    // It has looked again meanwhile, and still waits since then.
    expect((await lab.until(second, () => true)).waitingFor).toEqual(waitingFor);
    lab.sandbox.faults.clear();
    await first.result();
    const result: TransferResult = await second.result();
    expect(result.documents.transferred).toBe(0);
    expect(existsSync(target)).toBe(true);
    await record(lab, first, 'download');
    expect((await lab.until(second, () => true)).waitingFor).toBeNull();
    await record(lab, second, 'download-waited-for-another-run');
  });
});

describe('a run with a profile', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await createLab({ env: { NDI_CLOUD_USERNAME: '', NDI_CLOUD_PASSWORD: '' } });
    await lab.login(lab.sandbox.users[0]!.password);
  });
  afterAll(() => lab?.close());

  it('waits for a login that cannot be renewed, and goes on when there is one', async () => {
    const user = lab.sandbox.users[0]!;
    const setPassword = (password: string) =>
      fetch(`${lab.sandbox.controlUrl}/users/password`, {
        method: 'POST',
        body: JSON.stringify({ email: user.email, password }),
      });
    lab.sandbox.faults.set({ route: 'PUT object', kind: 'latency', params: { ms: 150 } });
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 300, files: 60, fileBytes: 2_000, seed: 9 });
    const tuning = { ...TEST_TUNING, window: 2, zipFiles: 5 };
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning }));
    await lab.until(handle, (progress) => progress.units.done >= 2);
    await setPassword('something else');
    lab.sandbox.expireTokens();
    const parked = await lab.until(handle, (progress) => progress.waitingFor?.kind === 'login');
    expect(parked.waitingFor?.code).toMatch(/^NDI_E_(WRONG_PASSWORD|LOGIN_EXPIRED)$/);
    expect(parked.waitingFor?.nextStep).toContain('ndi-courier login');
    const described = await handle.describe();
    expect(described.searchAttributes.NdiWaitingFor).toEqual(['login']);
    lab.sandbox.faults.clear();
    await lab.login('something else');
    await handle.signal(loginSignal, { profile: 'default' });
    const result: TransferResult = await handle.result();
    expect(result.status).toBe('done');
    expect(result.problems).toEqual([]);
    await record(lab, handle, 'upload-waited-for-a-login');
  });
});
