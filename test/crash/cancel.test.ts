/** A run is cancelled while the worker of its step is dead: nobody answers, and cancelled is what it is. */
import { join } from 'node:path';
import { CancelledFailure, type WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createLab, type Lab } from '../support/lab.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await createLab({ worker: false });
});
afterAll(() => lab?.close());

describe('cancelling a run', () => {
  it('a run whose worker was killed is cancelled, not failed', async () => {
    const site = { siteId: lab.site, homeDir: join(lab.dir, 'site'), env: lab.env };
    const start = () =>
      startWorkerProcess({ roles: ['control', 'site'], controlQueue: lab.queue, sites: [site] });
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 30, files: 3, fileBytes: 10_000, seed: 1 });
    lab.sandbox.faults.set({ route: 'PUT object', kind: 'latency', params: { ms: 60_000 } });
    const first = await start();
    const handle = await lab.startUpload(lab.uploadInput(source));
    await lab.until(handle, (progress) => progress.units.inFlight > 0);
    await first.kill();
    await handle.cancel();
    const second = await start();
    const error = await handle.result().catch((reason: unknown) => reason);
    expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    lab.sandbox.faults.clear();
    await second.kill();
  });
});
