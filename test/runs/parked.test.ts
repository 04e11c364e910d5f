/** A run that waits for days must not fill its history: it continues as new while it is parked. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from '../../ndi/dataset/read.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { loginSignal, resumeSignal, type TransferResult } from '../../workflows/contracts/index.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';

describe('a run that has been parked for long', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await createLab({ env: { NDI_CLOUD_USERNAME: '', NDI_CLOUD_PASSWORD: '' } });
    await lab.login(lab.sandbox.users[0]!.password);
  });
  afterAll(() => lab?.close());

  const setPassword = (password: string) =>
    fetch(`${lab.sandbox.controlUrl}/users/password`, {
      method: 'POST',
      body: JSON.stringify({ email: lab.sandbox.users[0]!.email, password }),
    });

  it('continues as new with units in flight that wait for a login, and loses and repeats nothing', async () => {
    lab.sandbox.faults.set({ route: 'PUT object', kind: 'latency', params: { ms: 150 } });
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 300, files: 60, fileBytes: 2_000, seed: 11 });
    const tuning = { ...TEST_TUNING, window: 2, zipFiles: 5, parkedEventsPerExecution: 20 };
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning }));
    await lab.until(handle, (progress) => progress.units.done >= 2);
    await setPassword('something else');
    lab.sandbox.expireTokens();
    const { counts, startedAt } = await lab.until(
      handle,
      (progress) => progress.waitingFor?.kind === 'login',
    );
    const before = (await handle.describe()).runId;
    await handle.signal(resumeSignal);
    await lab.until(
      handle,
      (progress) => progress.waitingFor?.kind === 'login' && progress.units.inFlight > 0,
    );
    while ((await handle.describe()).runId === before) await new Promise((done) => setTimeout(done, 100));
    const again = await lab.until(handle, (progress) => progress.waitingFor?.kind === 'login');
    expect(again.startedAt).toBe(startedAt);
    expect(again.counts.files!.transferred).toBeGreaterThanOrEqual(counts.files!.transferred);
    lab.sandbox.faults.clear();
    await lab.login('something else');
    await handle.signal(loginSignal, { profile: 'default' });
    const result: TransferResult = await handle.result();
    expect(result).toMatchObject({ operation: 'upload', status: 'done', problems: [] });
    const reader = openDataset(source);
    expect(result.ndiDatasetId).toBe(reader.identity.datasetId);
    reader.close();
  });

  it('continues as new before its dataset is open, and begins again from there', async () => {
    await setPassword('yet another');
    lab.sandbox.expireTokens();
    const source = join(lab.dir, 'early');
    await makeDataset(source, { documents: 40, files: 2, fileBytes: 100, seed: 12 });
    const tuning = { ...TEST_TUNING, parkedEventsPerExecution: 5 };
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning }));
    await lab.until(handle, (progress) => progress.waitingFor?.kind === 'login');
    const before = (await handle.describe()).runId;
    await handle.signal(resumeSignal);
    while ((await handle.describe()).runId === before) await new Promise((done) => setTimeout(done, 100));
    await lab.login('yet another');
    await handle.signal(loginSignal, { profile: 'default' });
    expect(await handle.result()).toMatchObject({ status: 'done', problems: [] });
  });
});
