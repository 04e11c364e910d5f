/** A try of a step that was given up and runs on beside the one that took its place, as after a laptop has slept. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { linkOrCreate } from '../../activities/upload/link.ts';
import { openUpload } from '../../activities/upload/open.ts';
import { planUpload } from '../../activities/upload/plan.ts';
import { nextUploadUnits, sendUnit } from '../../activities/upload/send.ts';
import { makeDataset } from '../../ndi/dataset/synthetic.ts';
import type { RunRef } from '../../workflows/steps.ts';
import { createRig, type Rig } from '../support/rig.ts';
import { type Site, siteOf, stepContext } from '../support/site.ts';

let rig: Rig;
let site: Site;
beforeAll(async () => {
  rig = await createRig();
  site = siteOf(rig, 'other-home');
});
afterAll(async () => {
  await site?.close();
  await rig?.close();
});

it('that wakes up with an address for a zip does not send what the other has sent', async () => {
  const source = join(rig.dir, 'source');
  await makeDataset(source, { documents: 40, files: 0, fileBytes: 0, seed: 1 });
  const input = rig.uploadInput(source);
  const { deps } = site;
  const names = { runKey: 'run', workflowId: 'upload/run' };
  const opened = await openUpload(deps, stepContext(), input, names);
  const linked = await linkOrCreate(deps, stepContext(), input, {
    runKey: 'run',
    ledgerPath: opened.ledgerPath,
  });
  const { cloud, tuning } = input;
  const ref: RunRef = { ...opened, ...linked, ...names, cloud, tuning };
  await planUpload(deps, stepContext(), input, ref);
  const { units } = await nextUploadUnits(deps, stepContext(), ref, 'documents');
  const [unit] = units;
  const route = 'POST /datasets/:d/documents/bulk-upload';
  rig.sandbox.faults.set({ route, kind: 'latency', count: 1, params: { ms: 1_000 } });
  const sleeper = sendUnit(deps, stepContext(1), input, ref, unit!);
  await sleep(200);
  await sendUnit(deps, stepContext(2), input, ref, unit!);
  await sleeper;
  const zips = Object.entries(rig.sandbox.faults.requests().objects).filter(
    ([key, { puts }]) => key.startsWith(`bulk-documents/${linked.cloudDatasetId}/`) && puts > 0,
  );
  expect(zips).toHaveLength(1);
});
