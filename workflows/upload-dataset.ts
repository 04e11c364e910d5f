/**
 * `uploadDataset`: brings a dataset directory into NDI Cloud.
 *
 * Promises: at the end the cloud holds every document once and every binary whole, each seen in the cloud's
 * own listing, or the result lists what is missing and why. Files go before the documents that name them;
 * documents go in `depends_on` order, a wave at a time, each when the one before it was accepted. The cloud
 * dataset is created at most once.
 *
 * Input: `UploadInput`. Query: progress. Signals: pause, resume, login. Update: setWindow.
 * Id and lock: `upload/<ndiDatasetId>@<site>`; the ledger's lease keeps other kinds of run off the dataset.
 *
 * Survives: death of any process at any moment (the ledger knows what was acknowledged; a unit whose fate is
 * unknown is looked up in the cloud before it is sent again), expired logins (parks), a site that leaves
 * (waits), history growth (continues as new with nothing in flight).
 */
import type { UploadInput, UploadResult } from './contracts/upload.ts';
import { type Lease, withLease } from './run/lease.ts';
import { type Run, startRun } from './run/run.ts';
import { transferUnits } from './run/transfer.ts';
import type { RunRef } from './steps.ts';

/**
 * More than the rounds that activities allow documents and files together; they report what is missing then.
 */
const MAX_ROUNDS = 10;

export async function uploadDataset(input: UploadInput): Promise<UploadResult> {
  const run = startRun('upload', input);
  return withLease(input, run, async (lease) => {
    run.change({ ndiDatasetId: input.datasetId });
    const ref = run.resumedRef ?? (await openAndPlan(input, run, lease));
    lease.hold(ref.ledgerPath);
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      run.phase('files');
      await sendFiles(input, run, ref);
      run.phase('documents');
      await sendDocuments(input, run, ref);
      run.phase('verifying');
      const verdict = await run.step('Check what the cloud took in', (site) => site.verifyUpload(input, ref));
      if (verdict.missing === 0) break;
      run.growUnits(verdict.newUnits);
    }
    run.phase('finishing');
    const result = await run.step('Write the report', (site) => site.finishUpload(input, ref));
    run.adoptResult(result);
    run.phase('done');
    const { retries } = run.progress();
    return { ...result, operation: 'upload', ndiDatasetId: input.datasetId, retries };
  });
}

async function openAndPlan(input: UploadInput, run: Run<'upload'>, lease: Lease): Promise<RunRef> {
  const opened = await run.step('Open the dataset', (site) => site.openUpload(input, run.names));
  lease.hold(opened.ledgerPath);
  run.phase('linking');
  const linked = await run.step('Find or create the cloud dataset', (site) =>
    site.linkOrCreate(input, { ...run.names, ...opened }),
  );
  run.change({ cloudDatasetId: linked.cloudDatasetId });
  run.phase('planning');
  const ref = run.refer({ ...linked, ...opened });
  run.adopt(await run.step('Compare both sides', (site) => site.planUpload(input, ref)));
  return ref;
}

const sendFiles = (input: UploadInput, run: Run<'upload'>, ref: RunRef): Promise<void> =>
  transferUnits(run, {
    next: () => run.step('Choose the next files', (site) => site.nextUploadUnits(ref, 'files')),
    work: (unit) => run.step(`Send files, unit ${unit}`, (site) => site.sendUnit(input, ref, unit)),
  });

/** The site says when the cloud's list must show what was sent before more documents go. */
const sendDocuments = (input: UploadInput, run: Run<'upload'>, ref: RunRef): Promise<void> =>
  transferUnits(run, {
    next: () => run.step('Choose the next documents', (site) => site.nextUploadUnits(ref, 'documents')),
    work: (unit) => run.step(`Send documents, unit ${unit}`, (site) => site.sendUnit(input, ref, unit)),
    after: async ({ lastOfWave }) => {
      if (!lastOfWave) return 0;
      const settled = await run.step('Wait for the cloud to take documents in', (site) =>
        site.settleDocuments(input, ref),
      );
      return settled.newUnits;
    },
  });
