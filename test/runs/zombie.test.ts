/**
 * A try of a step that was given up and runs on beside the one that took its place, as after a laptop has
 * slept.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunScope } from '../../activities/deps.ts';
import { inScope } from '../../activities/step.ts';
import { linkOrCreate } from '../../activities/upload/link.ts';
import { openUpload } from '../../activities/upload/open.ts';
import { planUpload } from '../../activities/upload/plan.ts';
import { nextUploadUnits, sendUnit } from '../../activities/upload/send.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { RunRef } from '../../workflows/steps.ts';
import { createLab, type Lab } from '../support/lab.ts';
import { type Site, siteOf, stepContext } from '../support/site.ts';

let lab: Lab;
let site: Site;
beforeAll(async () => {
  lab = await createLab();
  site = siteOf(lab, 'other-home');
});
afterAll(async () => {
  await site?.close();
  await lab?.close();
});

describe('an attempt that was given up and runs on', () => {
  it('does not send what the other has sent when it wakes up with an address for a zip', async () => {
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 40, files: 0, fileBytes: 0, seed: 1 });
    const input = lab.uploadInput(source);
    const { deps } = site;
    const names = { runKey: 'run', workflowId: 'upload/run' };
    const opened = await openUpload(deps, input, names);
    const { cloud, tuning } = input;
    const noDataset = { cloudDatasetId: '', organizationId: '' };
    const first: RunRef = { ...opened, ...noDataset, ...names, cloud, tuning };
    const linked = await inScope(deps, stepContext(), first, (scope) => linkOrCreate(scope, input));
    const ref: RunRef = { ...first, ...linked };
    const inRun = <T>(attempt: number, work: (scope: RunScope) => Promise<T>): Promise<T> =>
      inScope(deps, stepContext(attempt), ref, work);
    await inRun(1, (scope) => planUpload(scope, input));
    const { units } = await inRun(1, (scope) => nextUploadUnits(scope, 'documents'));
    const [unit] = units;
    const route = 'POST /datasets/:d/documents/bulk-upload';
    lab.sandbox.faults.set({ route, kind: 'latency', count: 1, params: { ms: 1_000 } });
    const sleeper = inRun(1, (scope) => sendUnit(scope, input, unit!));
    await sleep(200);
    await inRun(2, (scope) => sendUnit(scope, input, unit!));
    await sleeper;
    const zips = Object.entries(lab.sandbox.faults.requests().objects).filter(
      ([key, { puts }]) => key.startsWith(`bulk-documents/${linked.cloudDatasetId}/`) && puts > 0,
    );
    expect(zips).toHaveLength(1);
  });
});
