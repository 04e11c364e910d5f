/**
 * Storms with real processes: the service as `up` starts it, on a home of its own. Worker, Temporal server
 * and supervisor get SIGKILL, the cloud stops and starts again, and `up` is all that a person does about it.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { Harness } from '../cli/harness.ts';
import { documentsInCloud } from '../support/cloud-state.ts';
import { within } from '../support/crash.ts';
import { type Blow, type Storm, stormOf } from './forecast.ts';
import type { StormReport } from './in-process.ts';
import { downloadFindings, type TransferOutcome, uploadFindings } from './verdict.ts';
import { breakLoose, calm } from './weather.ts';

/**
 * A transfer that takes longer does not end. A quiet machine needs 10 s, and 15 more for each killed process.
 */
const TRANSFER_WITHIN_MS = 240_000;

/** Runs the storm of this seed. Never rejects for what the storm did: that is among the findings. */
export async function stormWithProcesses(cli: Harness, seed: number): Promise<StormReport> {
  const storm = stormOf(seed, ['worker', 'worker', 'server', 'supervisor', 'cloud']);
  const startedMs = performance.now();
  const source = cli.path(`storm-${seed}`);
  const target = cli.path(`storm-${seed}-copy`);
  let findings: string[];
  try {
    findings = await transferThrough(cli, storm, source, target);
  } catch (error) {
    findings = [`it failed: ${error instanceof Error ? error.message : String(error)}`];
    cli.sandbox.faults.clear();
    await cli.run(['runs', 'cancel', `storm-${seed}`]).catch(() => {});
  }
  for (const dir of [source, target]) rmSync(dir, { recursive: true, force: true });
  return { seed, seconds: Math.round(performance.now() - startedMs) / 1000, findings };
}

async function transferThrough(
  cli: Harness,
  storm: Storm,
  source: string,
  target: string,
): Promise<string[]> {
  await makeDataset(source, { ...storm.dataset, seed: storm.seed });
  const home = cli.env.COURIER_HOME as string;
  mkdirSync(home, { recursive: true });
  const common = { tuning: storm.tuning };
  writeFileSync(join(home, 'config.json'), JSON.stringify({ upload: common, download: common }));
  const upload = ['upload', source, '--new', `Storm ${storm.seed}`, '--strategy', storm.strategy];
  const up = await underFire(cli, storm, storm.blows.upload, upload);
  const cloud = await documentsInCloud(cli, up.datasetId);
  const findings = await uploadFindings(up, up.documents.total, cloud);
  const down = await underFire(cli, storm, storm.blows.download, ['download', up.datasetId, target]);
  const removed = up.duplicatesRemoved ?? 0;
  findings.push(...(await downloadFindings(down, { source, target, removed })));
  return findings;
}

type Outcome = TransferOutcome & { readonly datasetId: string };

/** Starts the transfer, deals the blows while it goes on, and resolves with its last line of JSON. */
async function underFire(
  cli: Harness,
  storm: Storm,
  blows: readonly Blow[],
  args: readonly string[],
): Promise<Outcome> {
  calm(cli.sandbox);
  const started = await cli.run([...args, '--no-wait', '--json']);
  if (started.code !== 0) throw new Error(started.stderr);
  const { workflowId } = started.json();
  breakLoose(cli.sandbox, storm);
  const over = new AbortController();
  const dealt = deal(cli, storm, blows, over.signal);
  try {
    const end = async (): Promise<Outcome> => {
      for (;;) {
        const watched = await cli.run(['runs', 'watch', workflowId, '--json']);
        const last = watched.json();
        if (last.status === 'done' || last.status === 'done-with-leftovers') return last as Outcome;
        // While the service is away there is nothing to watch.
        if (last.error?.code !== 'NDI_E_NOT_RUNNING') throw new Error(JSON.stringify(last));
        await sleep(500);
      }
    };
    return await within(TRANSFER_WITHIN_MS, `${args[0]} ends`, end());
  } finally {
    over.abort();
    await dealt;
    calm(cli.sandbox);
  }
}

async function deal(cli: Harness, storm: Storm, blows: readonly Blow[], over: AbortSignal): Promise<void> {
  for (const { what, afterRequests } of blows) {
    const before = cli.sandbox.faults.requests().total;
    while (!over.aborted && cli.sandbox.faults.requests().total - before < afterRequests) await sleep(5);
    if (over.aborted) return;
    await strike(cli, storm, what);
  }
}

async function strike(cli: Harness, storm: Storm, what: Blow['what']): Promise<void> {
  if (what === 'cloud') {
    await cli.restartSandbox();
    breakLoose(cli.sandbox, storm);
    return;
  }
  const service = JSON.parse(readFileSync(join(cli.env.COURIER_HOME as string, 'service.json'), 'utf8'));
  const pids = {
    worker: service.workerPids,
    server: [service.serverPid],
    supervisor: [service.supervisorPid],
  } as Record<Exclude<Blow['what'], 'cloud'>, readonly number[]>;
  for (const pid of pids[what]) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      // It has ended by itself, as workers do whose supervisor is gone.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  if (what === 'supervisor') await cli.run(['up', '--json']);
}
