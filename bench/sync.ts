/**
 * Sync at size: `node bench/sync.ts [--items N] [--documents N]`.
 *
 * The planner alone decides `--items` items (1,000,000), beside a bare loop over the same sources. Then a
 * dataset of `--documents` (100,000) is synced when nothing is to be done, `quick` and `full`, in a worker of
 * its own; the time of a step is beside that of the whole run.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connectCloud } from '../ndi/auth/index.ts';
import { makeDataset } from '../ndi/synthetic/dataset.ts';
import { createTally } from '../sync/gate.ts';
import { plan } from '../sync/plan.ts';
import type { BaseVersion, HeldItem, PlanOptions } from '../sync/types.ts';
import { type BenchLab, createBenchLab } from './lab.ts';

const { values } = parseArgs({
  options: {
    items: { type: 'string', default: '1000000' },
    documents: { type: 'string', default: '100000' },
    part: { type: 'string' },
  },
});

const idOf = (n: number): string => `4126970000000000_${n.toString(16).padStart(16, '0')}`;

/** Nine of ten are the same everywhere; the rest were changed, added and deleted on either side. */
function* held(count: number, side: number): Generator<HeldItem> {
  for (let n = 0; n < count; n += 1) {
    if (n % 50 === side) continue;
    yield { id: idOf(n), version: n % 20 === side ? `edited on ${side}` : `version of ${n}` };
  }
}

function* base(count: number): Generator<BaseVersion> {
  for (let n = 0; n < count; n += 1) if (n % 40 !== 3) yield { id: idOf(n), agreed: `version of ${n}` };
}

function measurePlanner(count: number): void {
  const begin = performance.now();
  const tally = createTally();
  const options: PlanOptions = {
    kind: 'document',
    mode: 'two-way',
    isBaseLost: false,
    isCloudComplete: true,
    deletes: true,
    policyFor: () => 'ask',
    includes: () => true,
  };
  const sources = { local: held(count, 1), cloud: held(count, 2), base: base(count) };
  let decisions = 0;
  for (const decision of plan(sources, options)) {
    tally.count(decision);
    decisions += 1;
  }
  const planSeconds = (performance.now() - begin) / 1_000;
  const bareBegin = performance.now();
  let bare = 0;
  for (const source of [held(count, 1), held(count, 2), base(count)])
    for (const { id } of source) bare += id.length;
  const bareSeconds = (performance.now() - bareBegin) / 1_000;
  const peakMiB = process.resourceUsage().maxRSS / 1_024;
  console.log(
    `planner: ${decisions} items in ${planSeconds.toFixed(1)} s (the bare sources ${bareSeconds.toFixed(1)} s), peak ${peakMiB.toFixed(0)} MiB; ${bare > 0}`,
  );
}

/** What a sync asks of the cloud in any case: its list twice, its files, its counts. */
async function listingSeconds(lab: BenchLab, cloudDatasetId: string): Promise<number> {
  const { client } = connectCloud({ env: process.env, homeDir: lab.dir });
  await client.datasets.get(cloudDatasetId);
  const begin = performance.now();
  for (let pass = 0; pass < 2; pass += 1) {
    for (let page = 1; ; page += 1)
      if ((await client.documents.list(cloudDatasetId, { page, pageSize: 1_000 })).rows.length < 1_000) break;
    for await (const files of client.files.list(cloudDatasetId)) void files.length;
  }
  await client.documents.count(cloudDatasetId);
  await client.documents.classCounts(cloudDatasetId);
  const seconds = (performance.now() - begin) / 1_000;
  await client.close();
  return seconds;
}

async function measureIdle(documents: number): Promise<void> {
  const lab = await createBenchLab();
  try {
    const dir = join(lab.dir, 'dataset');
    await makeDataset(dir, { documents, files: 0, fileBytes: 0, seed: 1 });
    console.log(`${documents} documents are made`);
    const up = await lab.upload(dir);
    console.log(`uploaded in ${up.seconds.toFixed(1)} s`);
    console.log(
      `the calls that list, alone: ${(await listingSeconds(lab, up.result.datasetId)).toFixed(2)} s`,
    );
    for (const [name, content] of [
      ['first, full', 'full'],
      ['idle, quick', 'quick'],
      ['idle, quick again', 'quick'],
      ['idle, full', 'full'],
    ] as const) {
      const { seconds, steps, result } = await lab.sync(dir, content);
      const shown = steps.map((step) => `${step.name} ${step.wallSeconds.toFixed(2)}`).join(', ');
      console.log(`${name}: ${seconds.toFixed(2)} s (${shown}); ${JSON.stringify(result.documents)}`);
    }
    console.log(`peak of the worker ${(lab.workerPeakBytes() / 1048576).toFixed(0)} MiB`);
    rmSync(dir, { recursive: true });
  } finally {
    await lab.close();
  }
}

if (values.part !== 'idle') measurePlanner(Number(values.items));
if (values.part !== 'planner') await measureIdle(Number(values.documents));
