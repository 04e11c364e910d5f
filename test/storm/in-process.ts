/**
 * Storms in one process: the lab's worker and its cloud stop and start again; everything else is as with real
 * processes.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { progressQuery } from '../../workflows/contracts/index.ts';
import { documentsInCloud } from '../support/cloud-state.ts';
import { within } from '../support/crash.ts';
import type { Lab } from '../support/lab.ts';
import { type Blow, type Storm, stormOf } from './forecast.ts';
import { downloadFindings, uploadFindings } from './verdict.ts';
import { breakLoose, calm } from './weather.ts';

/** A transfer that takes longer does not end. A quiet machine needs 2 s. */
const TRANSFER_WITHIN_MS = 90_000;

export interface StormReport {
  readonly seed: number;
  readonly seconds: number;
  /** Empty when all is right. */
  readonly findings: readonly string[];
}

/**
 * Runs the storm of this seed on the lab. Never rejects for what the storm did: that is among the findings.
 */
export async function stormInProcess(lab: Lab, seed: number): Promise<StormReport> {
  const storm = stormOf(seed, ['worker', 'cloud']);
  const startedMs = performance.now();
  const source = join(lab.dir, `storm-${seed}`);
  const target = join(lab.dir, `storm-${seed}-copy`);
  let findings: string[];
  try {
    findings = await transferThrough(lab, storm, source, target);
  } catch (error) {
    const { code } = error as { code?: string };
    const reason = error instanceof Error ? error.message : String(error);
    findings = [`it failed: ${code ?? ''} ${reason}`, ...(await openRuns(lab))];
  }
  calm(lab.sandbox);
  for (const dir of [source, target]) rmSync(dir, { recursive: true, force: true });
  return { seed, seconds: Math.round(performance.now() - startedMs) / 1000, findings };
}

async function transferThrough(lab: Lab, storm: Storm, source: string, target: string): Promise<string[]> {
  const made = await makeDataset(source, { ...storm.dataset, seed: storm.seed });
  calm(lab.sandbox);
  const { tuning } = storm;
  const upload = lab.uploadInput(source, {
    tuning,
    strategy: storm.strategy,
    target: { kind: 'as-new', name: `Storm ${storm.seed}` },
  });
  const up = await underFire(lab, storm, storm.blows.upload, 'The upload ends', () =>
    lab.upload(source, upload),
  );
  calm(lab.sandbox);
  const findings = await uploadFindings(up, up.documents.total, await documentsInCloud(lab, up.datasetId));
  if (up.files.total !== made.files)
    findings.push(`upload: ${up.files.total} of ${made.files} files planned`);
  if (up.documents.total < made.documents) findings.push(`upload: ${up.documents.total} documents planned`);
  const down = await underFire(lab, storm, storm.blows.download, 'The download ends', () =>
    lab.download(up.datasetId, target, { tuning }),
  );
  calm(lab.sandbox);
  findings.push(...(await downloadFindings(down, { source, target, removed: up.duplicatesRemoved })));
  return findings;
}

/**
 * Runs of this lab that have not ended: what each does or waits for. They are terminated, so that they hold
 * up no other storm.
 */
async function openRuns(lab: Lab): Promise<string[]> {
  const found: string[] = [];
  for await (const { workflowId } of lab.client.workflow.list({
    query: `TaskQueue = '${lab.queue}' AND ExecutionStatus = 'Running'`,
  })) {
    const handle = lab.client.workflow.getHandle(workflowId);
    const { raw } = await handle.describe();
    const { phase, waitingFor } = await handle.query(progressQuery);
    const activities = (raw.pendingActivities ?? []).map(
      ({ activityType, attempt, state, lastFailure }) =>
        `${activityType?.name} attempt ${attempt} state ${state} ${lastFailure?.message ?? ''} ${lastFailure?.cause?.message ?? ''}`,
    );
    found.push(`${workflowId} is ${phase} ${JSON.stringify(waitingFor ?? null)}: ${activities.join(', ')}`);
    await handle.terminate('The storm is over');
  }
  return found;
}

/** Sets the faults, deals the blows while the transfer goes on, and resolves with its result. */
async function underFire<T>(
  lab: Lab,
  storm: Storm,
  blows: readonly Blow[],
  what: string,
  transfer: () => Promise<T>,
): Promise<T> {
  breakLoose(lab.sandbox, storm);
  const over = new AbortController();
  const dealt = deal(lab, storm, blows, over.signal);
  try {
    return await within(TRANSFER_WITHIN_MS, what, transfer());
  } finally {
    over.abort();
    await dealt;
  }
}

async function deal(lab: Lab, storm: Storm, blows: readonly Blow[], over: AbortSignal): Promise<void> {
  for (const { what, afterRequests } of blows) {
    const before = lab.sandbox.faults.requests().total;
    while (!over.aborted && lab.sandbox.faults.requests().total - before < afterRequests) await sleep(5);
    if (over.aborted) return;
    if (what === 'worker') await lab.restartWorker();
    else {
      await lab.restartSandbox();
      breakLoose(lab.sandbox, storm);
    }
  }
}
