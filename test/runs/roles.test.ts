/**
 * A run needs a worker of role `control` for its decisions and one of role `site` for its activities, and
 * says which one is not there.
 */
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createRunHandle } from '../../client/run-handle.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createLab, type Lab, type LabOptions } from '../support/lab.ts';

let lab: Lab | undefined;
afterEach(() => lab?.close());

async function waitingOf(worker: LabOptions['worker']) {
  lab = await createLab({ worker: worker! });
  const source = join(lab.dir, 'source');
  await makeDataset(source, { documents: 40, files: 2, fileBytes: 500, seed: 1 });
  const handle = await lab.startUpload(lab.uploadInput(source));
  const run = createRunHandle({
    client: lab.client,
    workflowId: handle.workflowId,
    runId: (await handle.describe()).runId,
    handle,
  });
  for await (const { waitingFor, status } of run.watch({ intervalMs: 100 })) {
    if (waitingFor !== null || status !== 'running') {
      await handle.terminate();
      return waitingFor;
    }
  }
  return null;
}

describe('a run whose role has no worker', () => {
  it('names the role control and the command that serves it', async () => {
    const waiting = await waitingOf(false);
    expect(waiting).toMatchObject({ kind: 'worker', code: 'NO_WORKER' });
    expect(waiting?.nextStep).toContain('ndi-courier worker --roles control');
  });

  it('names the site whose computer takes up no activity, at once', async () => {
    const waiting = await waitingOf('control');
    expect(waiting).toMatchObject({ kind: 'site', code: 'SITE_SILENT' });
    expect(waiting?.sentence).toContain(`site ${lab?.site}`);
    expect(waiting?.nextStep).toContain('ndi-courier up');
  });
});
