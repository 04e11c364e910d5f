/** A run is cancelled while the worker of its step is dead: nobody answers, and cancelled is what it is. */
import { join } from 'node:path';
import { CancelledFailure, type WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createRig, type Rig } from '../support/rig.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig({ worker: false });
});
afterAll(() => rig?.close());

it('a run whose worker was killed is cancelled, not failed', async () => {
  const site = { siteId: rig.site, homeDir: join(rig.dir, 'site'), env: rig.env };
  const start = () =>
    startWorkerProcess({ roles: ['control', 'site'], controlQueue: rig.queue, sites: [site] });
  const source = join(rig.dir, 'source');
  await makeDataset(source, { documents: 30, files: 3, fileBytes: 10_000, seed: 1 });
  rig.sandbox.faults.set({ route: 'PUT object', kind: 'latency', params: { ms: 60_000 } });
  const first = await start();
  const handle = await rig.startUpload(rig.uploadInput(source));
  await rig.until(handle, (progress) => progress.units.inFlight > 0);
  await first.kill();
  await handle.cancel();
  const second = await start();
  const error = await handle.result().catch((reason: unknown) => reason);
  expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
  rig.sandbox.faults.clear();
  await second.kill();
});
