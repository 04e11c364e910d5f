/**
 * `syncDataset`: brings a dataset folder and its cloud dataset to the same state.
 *
 * Promises: what one side added or changed, and the other left alone, is on both sides at the end, each item
 * seen there; or the result lists what is missing and why. What both sides changed waits in the inbox and
 * holds nothing else up. No content is lost: what is overwritten or deleted is in the trash before. A plan
 * that deletes too much waits for an approval, while everything else is done.
 *
 * Order: what comes here (files before the documents that name them), what goes (likewise), deletions last.
 *
 * Input: `SyncInput`. Query: progress. Signals: pause, resume, login, approval. Update: setWindow.
 * Id and lock: `sync/<ndiDatasetId>@<site>`; the ledger's lease keeps other kinds of run off the dataset.
 *
 * Survives: death of any process at any moment (what was seen and decided is in the ledger; each write
 * compares before it swaps), expired logins (parks), a site that leaves (waits), history growth.
 */
import { condition, setHandler } from '@temporalio/workflow';
import { WAITS } from '../errors/index.ts';
import { type ApprovalAnswer, approvalSignal, supersededSignal } from './contracts/common.ts';
import type { SyncInput, SyncResult } from './contracts/sync.ts';
import type { UploadInput } from './contracts/upload.ts';
import { type Lease, withLease } from './run/lease.ts';
import { type Run, startRun } from './run/run.ts';
import { transferUnits } from './run/transfer.ts';
import type { RunRef, SyncPlan, SyncRefs } from './steps.ts';

/** More than the rounds that activities allow documents and files together. */
const MAX_ROUNDS = 10;

export async function syncDataset(input: SyncInput): Promise<SyncResult> {
  const run = startRun('sync', input);
  const approval = listenForApproval();
  return withLease(input, run, async (lease) => {
    run.change({ ndiDatasetId: input.ndiDatasetId });
    const refs = refsOf(run.resumedRef ?? (await openAndObserve(input, run, lease)));
    lease.hold(refs.run.ledgerPath);
    run.phase('planning');
    const plan = await run.step('Decide what to do', (site) => site.planSync(input, refs));
    run.adopt(plan);
    await carryOut(input, run, refs, plan, approval);
    run.phase('finishing');
    const result = await run.step('Write the report', (site) => site.finishSync(input, refs));
    run.change({
      bytes: { ...run.progress().bytes, transferred: result.bytes },
      problemCount: result.problemCount,
    });
    run.phase('done');
    return { ...result, operation: 'sync', retries: run.progress().retries };
  });
}

export async function openAndObserve<O extends 'sync' | 'diff'>(
  input: SyncInput,
  run: Run<O>,
  lease: Lease,
): Promise<RunRef> {
  const opened = await run.step('Open the dataset', (site) => site.openSync(input, run.names));
  lease.hold(opened.ledgerPath);
  run.change({ cloudDatasetId: opened.cloudDatasetId });
  const ref = run.refer(opened);
  (run as Run<'diff'>).phase('observing');
  await run.step('Look at both sides', (site) => site.observeSync(input, refsOf(ref)));
  return ref;
}

/** Transfers have plans of their own, and work under the lease of the run. */
export function refsOf(run: RunRef): SyncRefs {
  const transfer = (which: string): RunRef => ({
    ...run,
    runKey: `${run.runKey}-${which}`,
    partOf: run.runKey,
  });
  return { run, down: transfer('down'), up: transfer('up') };
}

async function carryOut(
  input: SyncInput,
  run: Run<'sync'>,
  refs: SyncRefs,
  plan: SyncPlan,
  approval: Approval,
): Promise<void> {
  await receive(input, run, refs);
  await send(input, run, refs);
  if (plan.approval !== null && (await isApproved(run, refs, approval))) {
    // Updates that were held back go now, before the deletions.
    await receive(input, run, refs);
    await send(input, run, refs);
  }
  run.phase('deleting');
  await run.step('Pass deletions on', (site) => site.deleteSync(input, refs));
}

/** Documents are fetched, then the files that they name, then they are written. */
async function receive(input: SyncInput, run: Run<'sync'>, refs: SyncRefs): Promise<void> {
  run.phase('receiving');
  const fetch = (what: 'documents' | 'files'): Promise<void> =>
    transferUnits(run, {
      next: () => run.step(`Choose the next ${what} to fetch`, (site) => site.nextSyncUnits(refs, what)),
      work: (unit) =>
        run.step(`Fetch ${what}, unit ${unit}`, (site) => site.fetchSyncUnit(input, refs, unit)),
    });
  await fetch('documents');
  run.adopt(await run.step('Look which files come', (site) => site.planSyncFiles(input, refs)));
  await fetch('files');
  run.phase('writing');
  await run.step('Write into the dataset', (site) => site.writeSync(input, refs));
}

/** What goes is sent by the steps of an upload. */
async function send(input: SyncInput, run: Run<'sync'>, refs: SyncRefs): Promise<void> {
  const upload = uploadOf(input, refs.up);
  const plan = await run.step('Plan what goes', (site) => site.planSyncUpload(input, refs, upload));
  run.adopt(plan);
  if (!plan.sends) return;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    run.phase('files');
    await sendUnits(upload, run, refs.up, 'files');
    run.phase('documents');
    await sendUnits(upload, run, refs.up, 'documents');
    run.phase('verifying');
    const verdict = await run.step('Check what the cloud took in', (site) =>
      site.verifyUpload(upload, refs.up),
    );
    if (verdict.missing === 0) return;
    run.growUnits(verdict.newUnits);
  }
}

const sendUnits = (
  upload: UploadInput,
  run: Run<'sync'>,
  ref: RunRef,
  what: 'files' | 'documents',
): Promise<void> =>
  transferUnits(run, {
    next: () => run.step(`Choose the next ${what} to send`, (site) => site.nextUploadUnits(ref, what)),
    work: (unit) => run.step(`Send ${what}, unit ${unit}`, (site) => site.sendUnit(upload, ref, unit)),
    after: async ({ lastOfWave }) => {
      if (what === 'files' || !lastOfWave) return 0;
      const settled = await run.step('Wait for the cloud to take documents in', (site) =>
        site.settleDocuments(upload, ref),
      );
      return settled.newUnits;
    },
  });

function uploadOf(input: SyncInput, { cloudDatasetId }: RunRef): UploadInput {
  const { site, cloud, tuning, datasetDir, ndiDatasetId } = input;
  return {
    site,
    cloud,
    tuning,
    datasetDir,
    datasetId: ndiDatasetId,
    target: { kind: 'to', cloudDatasetId },
    strategy: 'zip',
    metadataPath: null,
    verify: 'content',
    onChange: 'replace',
  };
}

interface Approval {
  answer: ApprovalAnswer | undefined;
  isAsked: boolean;
}

function listenForApproval(): Approval {
  const approval: Approval = { answer: undefined, isAsked: false };
  setHandler(approvalSignal, (answer) => {
    approval.answer ??= answer;
  });
  setHandler(supersededSignal, () => {
    if (approval.isAsked) approval.answer ??= { approved: false, by: 'a newer sync' };
  });
  return approval;
}

/** Waits for a person, days if need be. A newer sync that takes this one's place counts as a refusal. */
async function isApproved(run: Run<'sync'>, refs: SyncRefs, approval: Approval): Promise<boolean> {
  run.phase('approval');
  approval.isAsked = true;
  await run.waitFor(WAITS.approval, () => condition(() => approval.answer !== undefined));
  const answer = approval.answer as ApprovalAnswer;
  await run.step('Note the answer', (site) => site.settleApproval(refs, answer));
  return answer.approved;
}
