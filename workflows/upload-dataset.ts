/**
 * `uploadDataset`: brings a dataset directory into NDI Cloud.
 *
 * Promises: at the end the cloud holds every document once and every binary whole, each seen in the cloud's own
 * listing, or the result lists what is missing and why. Files go before the documents that name them; documents go in
 * `depends_on` order, a wave at a time, each when the one before it was accepted. The cloud dataset is created at most once.
 *
 * Input: `UploadInput`. Query: progress. Signals: pause, resume, login. Update: setWindow.
 * Id and lock: `upload/<datasetId>@<site>`; the ledger's lease keeps other kinds of run off the dataset.
 *
 * Survives: death of any process at any moment (the ledger knows what was acknowledged; a unit whose fate is unknown is
 * looked up in the cloud before it is sent again), expired logins (parks), a site that leaves (waits), history growth
 * (continues as new with nothing in flight).
 */
import { continueAsNew, workflowInfo } from '@temporalio/workflow';
import type { RunResult, UploadInput } from './contracts.ts';
import { withLease } from './lease.ts';
import { type Run, resumedRef, resumeState, startRun } from './run.ts';
import { siteSteps } from './site.ts';
import type { RunRef } from './steps.ts';

/** More than the rounds that steps allow documents and files together; they report what is missing then. */
const MAX_ROUNDS = 10;

export async function uploadDataset(input: UploadInput): Promise<RunResult> {
  const run = startRun('upload', input);
  const steps = (timeoutMs: number) => siteSteps(input.site, timeoutMs);
  return withLease(input, run, async (lease) => {
    const ref = input.resume ? resumedRef(input, input.resume) : await openAndPlan(input, run, lease);
    lease.hold(ref.ledgerPath);

    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      run.phase('files');
      await transfer(input, run, ref, 'files');
      run.phase('documents');
      await transfer(input, run, ref, 'documents');
      run.phase('verifying');
      const verdict = await run.step((ms) => steps(ms).verifyUpload(input, ref));
      if (verdict.missing === 0) break;
      grow(run, verdict.newUnits);
    }

    run.phase('finishing');
    const result = await run.step((ms) => steps(ms).finishUpload(input, ref));
    // What was given up, or found in the list after all, was counted otherwise on the way.
    const { documents, files, problemCount } = result;
    const bytes = { ...run.progress().bytes, transferred: result.bytes };
    run.change({ documents, files, bytes, problemCount });
    run.phase('done');
    return { ...result, retries: run.progress().retries };
  });
}

async function openAndPlan(
  input: UploadInput,
  run: Run,
  lease: { hold(ledgerPath: string): void },
): Promise<RunRef> {
  const { workflowId } = workflowInfo();
  const steps = (timeoutMs: number) => siteSteps(input.site, timeoutMs);
  const opened = await run.step((ms) => steps(ms).openUpload(input, { runKey: run.key, workflowId }));
  lease.hold(opened.ledgerPath);
  run.phase('linking');
  const linked = await run.step((ms) =>
    steps(ms).linkOrCreate(input, { runKey: run.key, ledgerPath: opened.ledgerPath }),
  );
  run.change({ datasetId: linked.cloudDatasetId });
  run.phase('planning');
  const ref: RunRef = {
    ...linked,
    ...opened,
    runKey: run.key,
    workflowId,
    cloud: input.cloud,
    tuning: input.tuning,
  };
  const plan = await run.step((ms) => steps(ms).planUpload(input, ref));
  run.change({
    documents: plan.documents,
    files: plan.files,
    bytes: { total: plan.bytes, transferred: 0 },
    units: { total: plan.units, done: 0, inFlight: 0 },
    problemCount: plan.problemCount,
  });
  return ref;
}

/** Sends all units of a kind. Documents: the site says when the cloud's list must show what was sent before more goes. */
async function transfer(
  input: UploadInput,
  run: Run,
  ref: RunRef,
  what: 'files' | 'documents',
): Promise<void> {
  const steps = (timeoutMs: number) => siteSteps(input.site, timeoutMs);
  for (;;) {
    const batch = await run.step((ms) => steps(ms).nextUploadUnits(ref, what));
    await run.window(batch.units, (unit) => run.step((ms) => steps(ms).sendUnit(input, ref, unit)));
    let newUnits = 0;
    if (what === 'documents' && batch.lastOfWave) {
      ({ newUnits } = await run.step((ms) => steps(ms).settleDocuments(input, ref)));
      grow(run, newUnits);
    }
    if (batch.units.length === 0 && newUnits === 0) return;
    if (run.shouldContinueAsNew()) {
      await run.drained();
      await continueAsNew<typeof uploadDataset>({ ...input, resume: resumeState(run, ref) });
    }
  }
}

function grow(run: Run, newUnits: number): void {
  const { units } = run.progress();
  if (newUnits > 0) run.change({ units: { ...units, total: units.total + newUnits } });
}
