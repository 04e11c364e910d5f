/**
 * `transferFiles`: brings binaries of a dataset that is here without them (`get`), or lets go of binaries
 * that the cloud has (`drop`).
 *
 * Promises: after `get` each selected binary that the cloud has lies in the dataset, whole, and the documents
 * point where each client looks. `drop` removes only binaries whose bytes the cloud is seen to have at that
 * moment; documents point to the cloud before a binary is removed. What could not be moved is in the result.
 *
 * Input: `FilesInput`. Query: progress. Signals: pause, resume, login. Update: setWindow.
 * Id and lock: `files/<ndiDatasetId>@<site>`; the ledger's lease keeps other kinds of run off the dataset.
 *
 * Survives: death of any process at any moment, expired logins (parks), addresses that expire, a site that
 * leaves (waits).
 */
import type { FilesInput, FilesResult } from './contracts/files.ts';
import { withLease } from './run/lease.ts';
import { startRun } from './run/run.ts';
import { transferUnits } from './run/transfer.ts';

export async function transferFiles(input: FilesInput): Promise<FilesResult> {
  const run = startRun('files', input);
  const word = input.action === 'get' ? 'Fetch' : 'Let go of';
  return withLease(input, run, async (lease) => {
    run.change({ ndiDatasetId: input.ndiDatasetId });
    const opened =
      run.resumedRef ?? (await run.step('Open the dataset', (site) => site.openFiles(input, run.names)));
    lease.hold(opened.ledgerPath);
    const ref = run.resumedRef ?? run.refer(opened);
    run.change({ cloudDatasetId: ref.cloudDatasetId });
    // Fetched manifests of file series name more files: plans until there are no more.
    for (let known = -1; known !== run.progress().units.total; ) {
      known = run.progress().units.total;
      run.phase('planning');
      run.adopt(await run.step('Look which files are meant', (site) => site.planFiles(input, ref)));
      run.phase('files');
      await transferUnits(run, {
        next: () => run.step('Choose the next files', (site) => site.nextFileUnits(ref)),
        work: (unit) =>
          run.step(`${word} files, unit ${unit}`, (site) => site.moveFileUnit(input, ref, unit)),
      });
    }
    run.phase('finishing');
    const result = await run.step('Update the documents', (site) => site.finishFiles(input, ref));
    run.adoptResult(result);
    run.phase('done');
    const { ndiDatasetId, action } = input;
    return { ...result, operation: 'files', action, ndiDatasetId, retries: run.progress().retries };
  });
}
