/**
 * `diffDataset`: says what a sync would do, and does nothing. It looks at both sides as `syncDataset` does and
 * writes the same plan, into a file that a person can review.
 *
 * Input: `SyncInput` with `dryRun`. Query: progress. Signals: pause, resume, login.
 * Id: `diff/<ndiDatasetId>@<site>`. It holds the lease, so that nothing moves while it looks.
 */
import type { DiffResult, SyncInput } from './contracts/sync.ts';
import { withLease } from './run/lease.ts';
import { startRun } from './run/run.ts';
import { openAndObserve, refsOf } from './sync-dataset.ts';

export async function diffDataset(input: SyncInput): Promise<DiffResult> {
  const run = startRun('diff', input);
  return withLease(input, run, async (lease) => {
    run.change({ ndiDatasetId: input.ndiDatasetId });
    const refs = refsOf(run.resumedRef ?? (await openAndObserve(input, run, lease)));
    lease.hold(refs.run.ledgerPath);
    run.phase('planning');
    run.adopt(await run.step('Decide what a sync would do', (site) => site.planSync(input, refs)));
    run.phase('finishing');
    const result = await run.step('Write the plan', (site) => site.finishSync(input, refs));
    run.phase('done');
    return { ...result, operation: 'diff', retries: run.progress().retries };
  });
}
