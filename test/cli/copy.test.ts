/** Two folders with one dataset id: one was copied from the other. */
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { describe, expect, inject, it } from 'vitest';
import { createCourier } from '../../client/courier.ts';
import { isCourierError } from '../../errors/index.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';

describe('a copy of a dataset', () => {
  it('an upload of a copy is not answered with the run of the original', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'courier-copy-'));
    const [original, copy, link] = [join(dir, 'original'), join(dir, 'copy'), join(dir, 'link')];
    await makeDataset(original, { documents: 30, files: 1, fileBytes: 10, seed: Date.now() });
    cpSync(original, copy, { recursive: true });
    symlinkSync(original, link);
    const temporal = { address: inject('temporalAddress'), namespace: inject('temporalNamespace') };
    const courier = createCourier({
      env: {
        COURIER_HOME: join(dir, 'home'),
        COURIER_KEYRING: 'off',
        NDI_PREFDIR: join(dir, 'none'),
        // Nobody listens there: the run waits.
        NDI_CLOUD_URL: 'http://127.0.0.1:9/v1',
        NDI_CLOUD_USERNAME: 'lab@sandbox.test',
        NDI_CLOUD_PASSWORD: 'x',
      },
      temporal,
      log: () => {},
    });
    const handle = await courier.upload({ dir: original, new: 'N' });
    try {
      await expect(courier.upload({ dir: copy, new: 'N' })).rejects.toSatisfy(
        (error) => isCourierError(error, 'NDI_E_OTHER_COPY') && error.message.includes(original),
      );
      // By another path it is the same folder.
      expect((await courier.upload({ dir: link, new: 'N' })).runId).toBe(handle.runId);
    } finally {
      await courier.close();
      const connection = await Connection.connect({ address: temporal.address });
      const client = new Client({ connection, namespace: temporal.namespace });
      await client.workflow.getHandle(handle.workflowId).terminate();
      await connection.close();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
