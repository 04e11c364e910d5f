/** The first step of a download against a run that is just ending: what it looked at is gone when it acts. */
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StepDeps } from '../../activities/deps.ts';
import { buildDirOf } from '../../activities/download/build-dir.ts';
import { openDownload } from '../../activities/download/open.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
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

it('a target that appears between the look and the lease is found, and nothing is built beside it', async () => {
  const source = join(rig.dir, 'source');
  await makeDataset(source, { documents: 30, files: 4, fileBytes: 100, seed: 1 });
  const { datasetId, documents, files } = await rig.upload(source);
  const target = join(rig.dir, 'target');
  await rig.download(datasetId, target);
  const aside = join(rig.dir, 'aside');
  renameSync(target, aside);
  const { ledgers } = site.deps;
  const locate: StepDeps['ledgers']['locate'] = (dir, id) => {
    if (existsSync(aside)) renameSync(aside, target);
    return ledgers.locate(dir, id);
  };
  const input = rig.downloadInput(datasetId, target);
  const run = { runKey: 'run', workflowId: 'download/other' };
  const answer = await openDownload(
    { ...site.deps, ledgers: { ...ledgers, locate } },
    stepContext(),
    input,
    run,
  );
  expect(answer).toMatchObject({
    result: {
      status: 'done',
      documents: { transferred: 0, skipped: documents.total },
      files: { transferred: 0, skipped: files.total },
    },
  });
  expect(existsSync(buildDirOf(input))).toBe(false);
});
