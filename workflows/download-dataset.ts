/**
 * `downloadDataset`: makes a dataset directory out of a cloud dataset.
 *
 * Promises: the target appears whole or not at all: it is built aside, checked by opening it, and renamed into place.
 * It holds every document that the cloud lists and, in local mode, every binary at its full length; what the cloud
 * lists but cannot give is in the result. A target that holds exactly this already is left as it is; one that holds
 * something else is refused.
 *
 * Input: `DownloadInput`. Query: progress. Signals: pause, resume, login. Update: setWindow.
 * Id and lock: `download/<cloudId>@<site>:<target>`.
 *
 * Survives: death of any process at any moment (documents are in the building database, binaries go on at the part
 * they had reached), expired logins (parks), addresses that expire (asks again), a site that leaves (waits).
 */
import { continueAsNew, workflowInfo } from '@temporalio/workflow';
import type { DownloadInput, RunResult } from './contracts.ts';
import { type Lease, withLease } from './lease.ts';
import { type Run, resumedRef, resumeState, startRun } from './run.ts';
import { siteSteps } from './site.ts';
import type { PlanSummary, RunRef } from './steps.ts';

export async function downloadDataset(input: DownloadInput): Promise<RunResult> {
  const run = startRun('download', input);
  const steps = (timeoutMs: number) => siteSteps(input.site, timeoutMs);
  return withLease(input, run, async (lease) => {
    const begun = input.resume ? resumedRef(input, input.resume) : await openAndPlan(input, run, lease);
    if ('status' in begun) return begun;

    run.phase('documents');
    await transfer(input, run, begun, 'documents');
    if (input.mode === 'local') {
      run.phase('files');
      // Fetched manifests of file series name more files: plan until there are no more.
      for (let known = -1; known !== run.progress().files.total; ) {
        known = run.progress().files.total;
        adopt(run, await run.step((ms) => steps(ms).planDownloadFiles(input, begun)));
        await transfer(input, run, begun, 'files');
      }
    }
    run.phase('building');
    const result = await run.step((ms) => steps(ms).finishDownload(input, begun));
    run.phase('done');
    return { ...result, retries: run.progress().retries };
  });
}

async function openAndPlan(input: DownloadInput, run: Run, lease: Lease): Promise<RunRef | RunResult> {
  const { workflowId } = workflowInfo();
  const steps = (timeoutMs: number) => siteSteps(input.site, timeoutMs);
  run.change({ datasetId: input.cloudDatasetId });
  const answer = await run.step((ms) => steps(ms).openDownload(input, { runKey: run.key, workflowId }));
  if ('result' in answer) {
    run.change({ documents: answer.result.documents, files: answer.result.files });
    run.phase('done');
    return { ...answer.result, retries: run.progress().retries };
  }
  lease.hold(answer.opened.ledgerPath);
  const ref: RunRef = {
    ...answer.opened,
    runKey: run.key,
    workflowId,
    cloud: input.cloud,
    tuning: input.tuning,
  };
  run.phase('planning');
  adopt(run, await run.step((ms) => steps(ms).planDownload(input, ref)));
  return ref;
}

/** The sums of a plan are of the whole run; what was transferred already is in them. */
function adopt(run: Run, plan: PlanSummary): void {
  const { bytes, units } = run.progress();
  run.change({
    documents: plan.documents,
    files: plan.files,
    bytes: { total: plan.bytes, transferred: bytes.transferred },
    units: { ...units, total: plan.units },
    problemCount: plan.problemCount,
  });
}

async function transfer(
  input: DownloadInput,
  run: Run,
  ref: RunRef,
  what: 'files' | 'documents',
): Promise<void> {
  const steps = (timeoutMs: number) => siteSteps(input.site, timeoutMs);
  for (;;) {
    const batch = await run.step((ms) => steps(ms).nextDownloadUnits(ref, what));
    if (batch.units.length === 0) return;
    await run.window(batch.units, (unit) => run.step((ms) => steps(ms).fetchUnit(input, ref, unit)));
    if (run.shouldContinueAsNew()) {
      await run.drained();
      await continueAsNew<typeof downloadDataset>({ ...input, resume: resumeState(run, ref) });
    }
  }
}
