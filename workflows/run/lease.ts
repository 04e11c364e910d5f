/**
 * The frame of every run that writes a dataset: the lease is given back whatever happens, and the last phase
 * is published.
 */
import { CancellationScope, ContinueAsNew, isCancellation } from '@temporalio/workflow';
import type { RunInput } from '../contracts/common.ts';
import type { Operation } from '../operations.ts';
import { HistoryTooLong } from './park.ts';
import type { Run } from './run.ts';
import { siteSteps } from './site.ts';

/**
 * A cancelled run whose site is away does not wait for it: another run takes over a lease that has run out.
 */
const RELEASE_WITHIN_MS = 60_000;

export interface Lease {
  /** Called as soon as a step has taken the lease. */
  hold(ledgerPath: string): void;
}

/**
 * Runs `body`; on failure and cancellation gives the lease back. On success the last step of the run has done
 * so.
 */
export async function withLease<O extends Operation, T>(
  input: RunInput,
  run: Run<O>,
  body: (lease: Lease) => Promise<T>,
): Promise<T> {
  let ledgerPath = input.resume?.ledgerPath;
  const hold = (path: string): void => {
    ledgerPath = path;
  };
  try {
    return await body({ hold });
  } catch (error) {
    // The next execution of the same run goes on holding it.
    if (error instanceof ContinueAsNew) throw error;
    if (error instanceof HistoryTooLong) return await run.continueAsNew();
    run.phase(isCancellation(error) ? 'cancelled' : 'failed');
    if (ledgerPath !== undefined) await release(input.site, run, ledgerPath);
    throw error;
  }
}

async function release<O extends Operation>(site: string, run: Run<O>, ledgerPath: string): Promise<void> {
  await CancellationScope.nonCancellable(async () => {
    try {
      const steps = siteSteps(site, {
        scheduleToStartMs: RELEASE_WITHIN_MS,
        summary: 'Give the dataset free',
      });
      await steps.releaseRun({ ...run.names, ledgerPath });
    } catch {
      // The run's own failure is the one to report.
    }
  });
}
