/** Runs behind a proxy that fails for a while. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createLab, type Lab } from '../support/lab.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';

let proxy: TestProxy;
let lab: Lab;
beforeAll(async () => {
  proxy = await startProxy();
  lab = await createLab({
    sandbox: { hostname: 'cloud.test', tls: true },
    env: { HTTPS_PROXY: proxy.url },
  });
});
afterAll(async () => {
  await lab.close();
  await proxy.close();
});

it('a run says that the proxy refuses, and goes on when it lets the connection through', async () => {
  const dataset = join(lab.dir, 'dataset');
  await makeDataset(dataset, { documents: 30, files: 3, fileBytes: 20_000, seed: 1 });
  proxy.refuseWith = 503;
  const run = await lab.startUpload(lab.uploadInput(dataset));
  const failures = await firstFailures(run);
  expect(failures).toContain('NDI_E_PROXY');
  expect(failures).toContain('answered 503 for cloud.test');
  proxy.refuseWith = undefined;
  expect(await run.result()).toMatchObject({ status: 'done', files: { transferred: 3 } });
});

/** Waits for an attempt of a step that has failed. */
async function firstFailures(run: Awaited<ReturnType<Lab['startUpload']>>): Promise<string> {
  for (;;) {
    const { pendingActivities } = (await run.describe()).raw;
    const failed = pendingActivities?.flatMap((step) => (step.lastFailure ? [step.lastFailure] : [])) ?? [];
    if (failed.length > 0) return JSON.stringify(failed);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
