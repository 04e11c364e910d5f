/**
 * `downloadDataset`: makes a dataset directory out of a cloud dataset.
 *
 * Promises: the target appears whole or not at all: it is built aside, checked by opening it, and renamed
 * into place. It holds every document that the cloud lists (or the selected ones, and those that they depend
 * on) and, in local mode, every binary at its full length; what the cloud lists but cannot give is in the
 * result. A target that holds exactly this already is left as it is; one that holds it in the other mode gets
 * or drops its binaries; one that holds something else is refused.
 *
 * Input: `DownloadInput`. Query: progress. Signals: pause, resume, login. Update: setWindow.
 * Id and lock: `download/<cloudDatasetId>@<site>:<target>`.
 *
 * Survives: death of any process at any moment (documents are in the building database, binaries go on at the
 * part they had reached), expired logins (parks), addresses that expire (asks again), a site that leaves
 * (waits).
 */
import { executeChild, ParentClosePolicy } from '@temporalio/workflow';
import { NO_COUNTS } from './contracts/common.ts';
import type { DownloadInput, DownloadResult } from './contracts/download.ts';
import type { FilesAction } from './contracts/files.ts';
import { workflowIdOf } from './operations.ts';
import { type Lease, withLease } from './run/lease.ts';
import { type Run, startRun } from './run/run.ts';
import { transferUnits } from './run/transfer.ts';
import type { RunRef, SiteResult } from './steps.ts';
import type { transferFiles } from './transfer-files.ts';

export async function downloadDataset(input: DownloadInput): Promise<DownloadResult> {
  const run = startRun('download', input);
  return withLease(input, run, async (lease) => {
    const begun = run.resumedRef ?? (await openAndPlan(input, run, lease));
    if ('status' in begun) return conclude(run, begun);
    run.phase('documents');
    await fetchUnits(input, run, begun, 'documents');
    if (input.selection != null) await fetchDependencies(input, run, begun);
    if (input.mode === 'local') {
      run.phase('files');
      await fetchFiles(input, run, begun);
    }
    run.phase('building');
    return conclude(
      run,
      await run.step('Build the dataset folder', (site) => site.finishDownload(input, begun)),
    );
  });
}

/** Opens the target; a result when nothing has to be built. */
async function openAndPlan(
  input: DownloadInput,
  run: Run<'download'>,
  lease: Lease,
): Promise<RunRef | SiteResult> {
  run.change({ cloudDatasetId: input.cloudDatasetId });
  const answer = await run.step('Look at the cloud dataset and the folder', (site) =>
    site.openDownload(input, run.names),
  );
  if ('result' in answer) return answer.result;
  if ('convert' in answer) return convert(input, run, answer);
  lease.hold(answer.opened.ledgerPath);
  const ref = run.refer(answer.opened);
  run.phase('planning');
  run.adopt(await run.step('List the cloud dataset', (site) => site.planDownload(input, ref)));
  return ref;
}

/** Brings the target into the other mode. The child holds the lease; this run has taken none. */
async function convert(
  input: DownloadInput,
  run: Run<'download'>,
  target: { readonly convert: FilesAction; readonly ndiDatasetId: string; readonly documents: number },
): Promise<SiteResult> {
  const { site, cloud, tuning, targetDir: datasetDir } = input;
  const { ndiDatasetId, convert: action } = target;
  run.change({ ndiDatasetId });
  run.phase('files');
  const result = await executeChild<typeof transferFiles>('transferFiles', {
    workflowId: workflowIdOf('files', { ndiDatasetId, site }),
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    args: [{ site, cloud, tuning, datasetDir, ndiDatasetId, action, selection: null }],
  });
  const documents = { ...NO_COUNTS, total: target.documents, skipped: target.documents };
  return { ...result, ndiDatasetId, documents, duplicatesRemoved: 0 };
}

/** Fetched documents name others that they depend on: plans until there are no more. */
async function fetchDependencies(input: DownloadInput, run: Run<'download'>, ref: RunRef): Promise<void> {
  for (let known = -1; known !== run.progress().units.total; ) {
    known = run.progress().units.total;
    run.adopt(
      await run.step('Find the documents that others depend on', (site) => site.planDependencies(input, ref)),
    );
    await fetchUnits(input, run, ref, 'documents');
  }
}

/** Fetched manifests of file series name more files: plans until there are no more. */
async function fetchFiles(input: DownloadInput, run: Run<'download'>, ref: RunRef): Promise<void> {
  const planned = (): number | undefined => run.progress().counts.files?.total;
  for (let known: number | undefined = -1; known !== planned(); ) {
    known = planned();
    run.adopt(
      await run.step('Find the files that documents name', (site) => site.planDownloadFiles(input, ref)),
    );
    await fetchUnits(input, run, ref, 'files');
  }
}

const fetchUnits = (
  input: DownloadInput,
  run: Run<'download'>,
  ref: RunRef,
  what: 'documents' | 'files',
): Promise<void> =>
  transferUnits(run, {
    next: () => run.step(`Choose the next ${what}`, (site) => site.nextDownloadUnits(ref, what)),
    work: (unit) => run.step(`Fetch ${what}, unit ${unit}`, (site) => site.fetchUnit(input, ref, unit)),
  });

function conclude(run: Run<'download'>, result: SiteResult): DownloadResult {
  const ndiDatasetId = result.ndiDatasetId ?? null;
  run.change({ ndiDatasetId });
  run.adoptResult(result);
  run.phase('done');
  return { ...result, operation: 'download', ndiDatasetId, retries: run.progress().retries };
}
