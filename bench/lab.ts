/**
 * A whole courier in processes of their own, for measurements: the embedded Temporal server, a sandbox cloud,
 * a worker as `ndi-courier up` starts it. What is measured is a run from its start to its result.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { openDataset } from '../ndi/dataset/read.ts';
import { ensureHome, homeAt, siteIdOf } from '../workers/home.ts';
import type { RunningProcess } from '../workers/keep-alive.ts';
import { startTemporalServer, type TemporalServer } from '../workers/server.ts';
import { findTemporalCli } from '../workers/temporal-cli/find.ts';
import { startWorkerProcess, WORKER_SELF_GRACE_MS } from '../workers/worker-process.ts';
import {
  CONTROL_QUEUE,
  DEFAULT_TUNING,
  SEARCH_ATTRIBUTES,
  type SyncInput,
  type SyncResult,
  type TransferResult,
  type UploadInput,
} from '../workflows/contracts/index.ts';
import { workflowIdOf } from '../workflows/operations.ts';

export interface MeasuredRun<Result = TransferResult> {
  readonly result: Result;
  /** From asking for the run to having its result. */
  readonly seconds: number;
  readonly steps: readonly StepTime[];
}

/** Time of the steps of one name, by the run's own history. */
export interface StepTime {
  readonly name: string;
  readonly count: number;
  /** Time in which at least one of them was under way. */
  readonly wallSeconds: number;
  /** Sum over all of them, each from start to end. */
  readonly sumSeconds: number;
}

export interface BenchLab {
  readonly dir: string;
  readonly cloud: CloudAddress;
  /** Uploads as a new cloud dataset. */
  upload(datasetDir: string): Promise<MeasuredRun>;
  download(cloudDatasetId: string, targetDir: string): Promise<MeasuredRun>;
  /** A two-way sync. */
  sync(datasetDir: string, content: 'quick' | 'full'): Promise<MeasuredRun<SyncResult>>;
  /** Most memory that the worker ever held, threads and all (VmHWM). */
  workerPeakBytes(): number;
  workerPid(): number;
  /** A fresh worker, whose peak starts anew. */
  restartWorker(): Promise<void>;
  close(): Promise<void>;
}

export interface CloudAddress {
  readonly apiUrl: string;
  readonly controlUrl: string;
  readonly email: string;
  readonly password: string;
  readonly organizationId: string;
}

export interface BenchLabOptions {
  /** A server that is there already. */
  readonly temporal?: { readonly address: string; readonly namespace: string };
  /** Folder for profiles of the worker and the sandbox (`--cpu-prof`). */
  readonly profileDir?: string;
  readonly log?: (line: string) => void;
}

export async function createBenchLab(options: BenchLabOptions = {}): Promise<BenchLab> {
  const log = options.log ?? (() => {});
  const dir = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'courier-runs-'));
  const undo: (() => Promise<unknown>)[] = [async () => rmSync(dir, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    let { temporal } = options;
    if (temporal === undefined) {
      const server = await startServer(dir, log);
      undo.push(() => server.stop(0));
      temporal = server;
    }
    const { child, cloud } = await startCloud(dir, options.profileDir);
    undo.push(() => stopped(child));
    const home = ensureHome(homeAt(join(dir, 'home')));
    const site = siteIdOf(home);
    const worker = workerStarter(home.dir, temporal, cloud, join(dir, 'worker.log'), options.profileDir);
    let running = await worker();
    undo.push(() => running.stop());
    const connection = await Connection.connect({ address: temporal.address });
    undo.push(() => connection.close());
    const client = new Client({ connection, namespace: temporal.namespace });
    return {
      dir,
      cloud,
      ...runs(client, site, cloud),
      workerPeakBytes: () => peakBytesOf(running.pid),
      workerPid: () => running.pid,
      restartWorker: async () => {
        await running.stop();
        running = await worker();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startServer(dir: string, log: (line: string) => void): Promise<TemporalServer> {
  const { path } = await findTemporalCli({ log });
  const dbFile = join(dir, 'temporal.sqlite');
  return startTemporalServer({
    cliPath: path,
    dbFile,
    uiPort: null,
    searchAttributes: SEARCH_ATTRIBUTES,
    log,
  });
}

async function startCloud(
  dir: string,
  profileDir: string | undefined,
): Promise<{ child: ChildProcess; cloud: CloudAddress }> {
  const main = fileURLToPath(new URL('../sandbox/main.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    [...profiling(profileDir), main, '--state', join(dir, 'cloud'), '--json'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`the sandbox ended with ${code}`)));
  });
  const { apiUrl, controlUrl, users } = JSON.parse(line) as CloudAddress & { users: CloudAddress[] };
  const { email, password, organizationId } = users[0]!;
  return { child, cloud: { apiUrl, controlUrl, email, password, organizationId } };
}

const profiling = (dir: string | undefined): string[] =>
  dir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${dir}`];

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('exit', resolve));
}

type Worker = RunningProcess & { readonly pid: number };

/** Workers take where to log in from the environment, as under `ndi-courier up`. */
function workerStarter(
  homeDir: string,
  { address, namespace }: { readonly address: string; readonly namespace: string },
  cloud: CloudAddress,
  logFile: string,
  profileDir: string | undefined,
): () => Promise<Worker> {
  process.env.NDI_CLOUD_URL = cloud.apiUrl;
  process.env.NDI_CLOUD_USERNAME = cloud.email;
  process.env.NDI_CLOUD_PASSWORD = cloud.password;
  process.env.COURIER_KEYRING = 'off';
  return async () => {
    let pid = 0;
    const before = process.env.NODE_OPTIONS;
    if (profileDir !== undefined) process.env.NODE_OPTIONS = profiling(profileDir).join(' ');
    try {
      const running = await startWorkerProcess({
        args: {
          homeDir,
          roles: ['control', 'site'],
          embedded: { address, namespace },
          graceMs: WORKER_SELF_GRACE_MS,
        },
        logFile,
        signal: new AbortController().signal,
        onProcess: (record) => {
          pid = record?.pid ?? pid;
        },
      });
      return { ...running, pid };
    } finally {
      if (before === undefined) delete process.env.NODE_OPTIONS;
      else process.env.NODE_OPTIONS = before;
    }
  };
}

export function peakBytesOf(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

function runs(
  client: Client,
  site: string,
  { apiUrl }: CloudAddress,
): Pick<BenchLab, 'upload' | 'download' | 'sync'> {
  const cloud = { baseUrl: apiUrl, profile: null, organizationId: null };
  const measure = async <Result = TransferResult>(
    start: () => Promise<WorkflowHandle>,
  ): Promise<MeasuredRun<Result>> => {
    const startedMs = performance.now();
    const handle = await start();
    const result = (await handle.result()) as Result;
    const seconds = (performance.now() - startedMs) / 1000;
    return { result, seconds, steps: await stepTimes(handle) };
  };
  return {
    upload: (datasetDir) => {
      const reader = openDataset(datasetDir);
      const { datasetId } = reader.identity;
      reader.close();
      const input: UploadInput = {
        site,
        cloud,
        datasetDir,
        datasetId,
        target: { kind: 'as-new', name: 'MeasuredRun' },
        strategy: 'zip',
        metadataPath: null,
        tuning: DEFAULT_TUNING,
      };
      const workflowId = workflowIdOf('upload', { ndiDatasetId: datasetId, site });
      return measure(() =>
        client.workflow.start('uploadDataset', { args: [input], taskQueue: CONTROL_QUEUE, workflowId }),
      );
    },
    sync: (datasetDir, content) => {
      const reader = openDataset(datasetDir);
      const { datasetId: ndiDatasetId } = reader.identity;
      reader.close();
      const input: SyncInput = {
        site,
        cloud,
        datasetDir,
        ndiDatasetId,
        mode: 'two-way',
        content,
        files: 'as-is',
        conflicts: { default: 'ask', byClass: {} },
        deletes: false,
        maxDelete: { documents: 50 },
        rules: { include: [], exclude: [] },
        dryRun: false,
        planFile: null,
        planPath: null,
        only: 'all',
        tuning: DEFAULT_TUNING,
      };
      const workflowId = workflowIdOf('sync', { ndiDatasetId, site });
      return measure<SyncResult>(() =>
        client.workflow.start('syncDataset', { args: [input], taskQueue: CONTROL_QUEUE, workflowId }),
      );
    },
    download: (cloudDatasetId, targetDir) => {
      const input = { site, cloud, cloudDatasetId, targetDir, mode: 'local', tuning: DEFAULT_TUNING };
      const workflowId = workflowIdOf('download', { cloudDatasetId, site: site, target: targetDir });
      return measure(() =>
        client.workflow.start('downloadDataset', { args: [input], taskQueue: CONTROL_QUEUE, workflowId }),
      );
    },
  };
}

const secondsOf = (time: { seconds?: unknown; nanos?: number | null } | null | undefined): number =>
  Number(time?.seconds ?? 0) + (time?.nanos ?? 0) / 1e9;

/** From the history: exact, and costs the run nothing. */
async function stepTimes(handle: WorkflowHandle): Promise<StepTime[]> {
  const { events } = await handle.fetchHistory();
  const names = new Map<string, string>();
  const started = new Map<string, number>();
  const spans = new Map<string, { from: number; to: number }[]>();
  for (const event of events ?? []) {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled) names.set(String(event.eventId), scheduled.activityType?.name ?? '');
    const start = event.activityTaskStartedEventAttributes;
    if (start) started.set(String(start.scheduledEventId), secondsOf(event.eventTime));
    const done = event.activityTaskCompletedEventAttributes;
    if (!done) continue;
    const id = String(done.scheduledEventId);
    const name = names.get(id) ?? '';
    const span = { from: started.get(id) ?? 0, to: secondsOf(event.eventTime) };
    spans.set(name, [...(spans.get(name) ?? []), span]);
  }
  return [...spans].map(([name, all]) => ({
    name,
    count: all.length,
    wallSeconds: union(all),
    sumSeconds: all.reduce((sum, { from, to }) => sum + to - from, 0),
  }));
}

function union(spans: readonly { readonly from: number; readonly to: number }[]): number {
  let covered = 0;
  let end = 0;
  for (const { from, to } of spans.toSorted((a, b) => a.from - b.from)) {
    covered += Math.max(0, to - Math.max(from, end));
    end = Math.max(end, to);
  }
  return covered;
}
