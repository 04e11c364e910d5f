/** The first step of a download against a run that is just ending: what it looked at is gone when it acts. */
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StepDeps } from '../../activities/deps.ts';
import { buildDirOf } from '../../activities/download/build-dir.ts';
import { openDownload } from '../../activities/download/open.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
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

describe('opening a download', () => {
  it('a target that appears between the look and the lease is found, and nothing is built beside it', async () => {
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 30, files: 4, fileBytes: 100, seed: 1 });
    const { datasetId, documents, files } = await lab.upload(source);
    const target = join(lab.dir, 'target');
    await lab.download(datasetId, target);
    const aside = join(lab.dir, 'aside');
    renameSync(target, aside);
    const { ledgers } = site.deps;
    const locate: StepDeps['ledgers']['locate'] = (dir, id) => {
      if (existsSync(aside)) renameSync(aside, target);
      return ledgers.locate(dir, id);
    };
    const input = lab.downloadInput(datasetId, target);
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
});
