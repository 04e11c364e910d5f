/**
 * `npm run bench`: our runs against the plainest thing that does the same, in turns within the same run, so
 * that what else the machine does falls on both. docs/benchmarks.md says what each ratio means and what was
 * measured.
 *
 *   node bench/main.ts [--only large|small|documents] [--rounds N] [--quick] [--json] [--profile DIR]
 */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDataset } from '../ndi/dataset/read.ts';
import { parseDocument } from '../ndi/document/codec.ts';
import { describeDocument } from '../ndi/document/describe.ts';
import { makeDataset } from '../ndi/synthetic/dataset.ts';
import { type BenchLab, createBenchLab, type MeasuredRun, type StepTime } from './lab.ts';
import { type Baselines, createBaselines } from './runs-baselines.ts';
import { makeManyFiles } from './runs-dataset.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    profile: { type: 'string' },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
const MiB = 1024 * 1024;
const MIN_DOCUMENTS = 30;
/** Between request and answer: a data centre of the same city. One is rarely that near. */
const NEAR_MS = 20;

interface Row {
  readonly name: string;
  readonly ourSeconds: number;
  readonly theirSeconds: number;
  readonly rate: string;
  /** Their time over ours. */
  readonly ratio: number;
  readonly aim: number | null;
  readonly load: number;
  readonly steps: readonly StepTime[];
  readonly ourRequests: Record<string, number>;
  readonly theirRequests: Record<string, number>;
}

interface Contest {
  readonly name: string;
  readonly aim: number | null;
  readonly amount: number;
  readonly unit: 'MB' | 'files' | 'documents';
  ours(): Promise<MeasuredRun>;
  /** Returns what the baseline did, as a part of the whole; 1 when it did all. */
  theirs(): Promise<number>;
}

const say = (line: string): void => void (values.json || process.stdout.write(`${line}\n`));
const median = (all: readonly number[]): number =>
  all.toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN;

/** Waits until the disk is quiet: writes that one side left must not fall on the other. */
function quiet(): void {
  if (process.platform !== 'win32') execFileSync('sync');
}

/** In turns; medians (of an even number, the slower of the middle two). No round is left out. */
async function hold(contest: Contest, baselines: Baselines): Promise<Row> {
  const ours: { seconds: number; steps: readonly StepTime[] }[] = [];
  const theirs: number[] = [];
  let ourRequests: Record<string, number> = {};
  let theirRequests: Record<string, number> = {};
  await baselines.requests();
  for (let round = 0; round < rounds; round += 1) {
    quiet();
    const { seconds, steps, result } = await contest.ours();
    if (result.problemCount > 0) throw new Error(`${contest.name}: ${JSON.stringify(result.problems)}`);
    ours.push({ seconds, steps });
    ourRequests = await baselines.requests();
    quiet();
    const startedMs = performance.now();
    const part = await contest.theirs();
    theirs.push((performance.now() - startedMs) / 1000 / part);
    theirRequests = await baselines.requests();
  }
  const ourSeconds = median(ours.map(({ seconds }) => seconds));
  const theirSeconds = median(theirs);
  return {
    name: contest.name,
    ourSeconds,
    theirSeconds,
    rate: `${(contest.amount / ourSeconds).toFixed(0)} ${contest.unit}/s`,
    ratio: theirSeconds / ourSeconds,
    aim: contest.aim,
    load: loadavg()[0] ?? 0,
    steps: ours.find(({ seconds }) => seconds === ourSeconds)?.steps ?? [],
    ourRequests,
    theirRequests,
  };
}

function show(row: Row): void {
  const verdict = row.aim === null ? '' : `aim ${row.aim}: ${row.ratio >= row.aim ? 'ok' : 'short'}`;
  say(
    `${row.name.padEnd(34)} ours ${row.ourSeconds.toFixed(2)} s (${row.rate})  theirs ${row.theirSeconds.toFixed(2)} s  ` +
      `ratio ${row.ratio.toFixed(2)}  ${verdict}  (load ${row.load.toFixed(1)})`,
  );
  for (const { name, count, wallSeconds, sumSeconds } of row.steps) {
    const of = count > 1 ? ` (${count}, together ${sumSeconds.toFixed(2)} s)` : '';
    say(`    ${name.padEnd(22)} ${wallSeconds.toFixed(2)} s${of}`);
  }
  const steps = row.steps.reduce((sum, step) => sum + step.wallSeconds, 0);
  say(`    ${'between the steps'.padEnd(22)} ${(row.ourSeconds - steps).toFixed(2)} s`);
}

async function large(lab: BenchLab, baselines: Baselines): Promise<Contest[]> {
  const sizeBytes = values.quick ? 64 * MiB : 1024 * MiB;
  const dir = join(lab.dir, 'large');
  await makeDataset(dir, {
    documents: MIN_DOCUMENTS,
    files: 1,
    fileBytes: sizeBytes,
    bigFileBytes: sizeBytes,
  });
  const [file] = localFiles(dir);
  let cloudId = '';
  const amount = sizeBytes / 1e6;
  const target = join(lab.dir, 'target');
  return [
    {
      name: `up, one file of ${sizeBytes / MiB} MiB`,
      aim: 0.75,
      amount,
      unit: 'MB',
      ours: async () => {
        const run = await lab.upload(dir);
        cloudId = run.result.datasetId;
        return run;
      },
      theirs: async () => {
        await baselines.curlUp(file!.path);
        return 1;
      },
    },
    {
      name: `down, one file of ${sizeBytes / MiB} MiB`,
      aim: 0.75,
      amount,
      unit: 'MB',
      ours: () => {
        rmSync(target, { recursive: true, force: true });
        return lab.download(cloudId, target);
      },
      theirs: async () => {
        rmSync(`${target}.curl`, { force: true });
        await baselines.curlDown(cloudId, file!.uid, `${target}.curl`);
        return 1;
      },
    },
    {
      name: 'the same, against curl and fsync',
      aim: null,
      amount,
      unit: 'MB',
      ours: () => {
        rmSync(target, { recursive: true, force: true });
        return lab.download(cloudId, target);
      },
      theirs: async () => {
        rmSync(`${target}.curl`, { force: true });
        await baselines.curlDown(cloudId, file!.uid, `${target}.curl`);
        const written = await open(`${target}.curl`, 'r+');
        await written.sync();
        await written.close();
        return 1;
      },
    },
  ];
}

async function small(lab: BenchLab, baselines: Baselines): Promise<Contest[]> {
  const count = values.quick ? 1_000 : 10_000;
  const dir = join(lab.dir, 'small');
  const uids = await makeManyFiles(dir, count, 4096);
  const texts = documentTexts(dir);
  const target = join(lab.dir, 'target-small');
  let cloudId = '';
  return [
    {
      name: `up, ${count} files of 4 KiB`,
      aim: 0.8,
      amount: count,
      unit: 'files',
      ours: async () => {
        const run = await lab.upload(dir);
        cloudId = run.result.datasetId;
        return run;
      },
      theirs: async () => {
        await baselines.filesUp(dir, uids, texts);
        return 1;
      },
    },
    {
      name: `down, ${count} files of 4 KiB`,
      aim: 0.8,
      amount: count,
      unit: 'files',
      ours: () => {
        rmSync(target, { recursive: true, force: true });
        return lab.download(cloudId, target);
      },
      theirs: async () => {
        await baselines.filesDown(cloudId, uids, `${target}-loop`);
        return 1;
      },
    },
  ];
}

/** Theirs is measured on a sample and extrapolated: one request per document takes the same time for each. */
async function documents(lab: BenchLab, baselines: Baselines): Promise<Contest[]> {
  const count = values.quick ? 2_000 : 20_000;
  const sample = values.quick ? 500 : 2_000;
  const dir = join(lab.dir, 'documents');
  await makeDataset(dir, { documents: count, files: 0, fileBytes: 0 });
  const texts = documentTexts(dir).slice(0, sample);
  const target = join(lab.dir, 'target-documents');
  let cloudId = '';
  return [
    {
      name: `up, ${count} documents, no network`,
      aim: 20,
      amount: count,
      unit: 'documents',
      ours: async () => {
        const run = await lab.upload(dir);
        cloudId = run.result.datasetId;
        return run;
      },
      theirs: async () => {
        await baselines.documentsUp(texts);
        return texts.length / count;
      },
    },
    {
      name: `down, ${count} documents, no network`,
      aim: null,
      amount: count,
      unit: 'documents',
      ours: () => {
        rmSync(target, { recursive: true, force: true });
        return lab.download(cloudId, target);
      },
      theirs: async () => {
        const ids = (await baselines.documentIds(cloudId)).slice(0, sample);
        await baselines.documentsDown(cloudId, ids);
        return ids.length / count;
      },
    },
    {
      name: `up, ${count} documents, ${NEAR_MS} ms away`,
      aim: 20,
      amount: count,
      unit: 'documents',
      ours: () => baselines.away(NEAR_MS, () => lab.upload(dir)),
      theirs: async () => {
        const some = texts.slice(0, 200);
        await baselines.away(NEAR_MS, () => baselines.documentsUp(some));
        return some.length / count;
      },
    },
  ];
}

function documentTexts(dir: string): string[] {
  const reader = openDataset(dir);
  const texts = [...reader.documents()].map((stored) => stored.text);
  reader.close();
  return texts;
}

function localFiles(dir: string): { uid: string; path: string }[] {
  const reader = openDataset(dir);
  const found: { uid: string; path: string }[] = [];
  for (const stored of reader.documents()) {
    const document = parseDocument(stored.text);
    for (const { file } of reader.files(describeDocument(document))) {
      if (file.kind === 'local') found.push({ uid: file.uid, path: file.path });
    }
  }
  reader.close();
  return found;
}

const GROUPS = { large, small, documents };

async function main(): Promise<void> {
  const names = Object.keys(GROUPS) as (keyof typeof GROUPS)[];
  if (values.only !== undefined && !names.some((name) => name === values.only)) {
    throw new Error(`--only takes ${names.join(', ')}`);
  }
  const lab = await createBenchLab({
    log: say,
    ...(values.profile === undefined ? {} : { profileDir: values.profile }),
  });
  const rows: Row[] = [];
  try {
    const baselines = await createBaselines(lab.cloud);
    try {
      for (const name of names) {
        if (values.only !== undefined && values.only !== name) continue;
        for (const contest of await GROUPS[name](lab, baselines)) {
          const row = await hold(contest, baselines);
          rows.push(row);
          show(row);
        }
      }
    } finally {
      await baselines.close();
    }
    say(`Peak memory of the worker: ${Math.round(lab.workerPeakBytes() / MiB)} MiB`);
  } finally {
    await lab.close();
  }
  if (values.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
}

await main();
