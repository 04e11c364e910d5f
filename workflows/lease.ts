/** The frame of every run that writes a dataset: the lease goes back whatever happens, and the last phase is true. */
import { CancellationScope, ContinueAsNew, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { Run, RunInput } from './run.ts';
import { siteSteps } from './site.ts';

/** Giving the lease back must not hold a cancelled run when its site is away: another run breaks a dead lease. */
const RELEASE_WITHIN_MS = 60_000;

export interface Lease {
  /** Called as soon as a step has taken the lease. */
  hold(ledgerPath: string): void;
}

/** Runs `body`; on failure and cancellation gives the lease back. On success the last step of the run has done so. */
export async function withLease<T>(
  input: RunInput,
  run: Run,
  body: (lease: Lease) => Promise<T>,
): Promise<T> {
  let ledgerPath = input.resume?.ledgerPath;
  try {
    return await body({
      hold: (path) => {
        ledgerPath = path;
      },
    });
  } catch (error) {
    // The next execution of the same run goes on holding it.
    if (error instanceof ContinueAsNew) throw error;
    run.phase(isCancellation(error) ? 'cancelled' : 'failed');
    if (ledgerPath !== undefined) await release(input.site, ledgerPath);
    throw error;
  }
}

async function release(site: string, ledgerPath: string): Promise<void> {
  const { workflowId } = workflowInfo();
  await CancellationScope.nonCancellable(async () => {
    try {
      await siteSteps(site, RELEASE_WITHIN_MS).releaseRun({ workflowId, ledgerPath });
    } catch {
      // The run's own failure is the one to report.
    }
  });
}
