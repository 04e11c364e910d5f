/**
 * At most one run writes a dataset: its ledger holds a lease that a run takes first and renews while it
 * works.
 */
import { CourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import type { RunNames } from '../../workflows/steps.ts';
import type { StepDeps } from '../deps.ts';

/**
 * A lease that nobody has renewed for this long may be taken over. Clocks of hosts that share a disk may
 * differ by less.
 */
export const LEASE_TTL_MS = 120_000;

export const leaseRequest = (
  deps: Pick<StepDeps, 'holder'>,
  { workflowId, runKey, parentWorkflowId, partOf }: RunNames,
) => ({
  workflowId,
  runKey,
  parentWorkflowId,
  partOf,
  holder: deps.holder,
  ttlMs: LEASE_TTL_MS,
});

/**
 * Takes the lease, or goes on holding it. A lease that has run out is taken over, unless its run still goes
 * on here: a run may wait for a person for days without renewing it.
 * @throws NDI_E_DATASET_IN_USE the run waits, naming the one it waits for
 */
export async function takeLease(deps: StepDeps, ledger: Ledger, run: RunNames): Promise<void> {
  const request = leaseRequest(deps, run);
  const answer = ledger.lease.acquire(request);
  if (answer.held) return;
  const { by, hasRunOut } = answer;
  // Only a run of this service can be looked up: that our Temporal server does not know a run of another
  // service proves nothing.
  const isDead = (by.holder === deps.holder || hasRunOut) && !(await deps.isRunning(by.workflowId));
  if (isDead && ledger.lease.takeOver(request, by).held) return;
  throw new CourierError('NDI_E_DATASET_IN_USE', { detail: `It is ${by.workflowId}.` });
}

/** Interval of renewal: a third of the time would do; a busy disk may hold one up. */
export const LEASE_RENEWAL_MS = 20_000;

/**
 * Goes on holding the lease that the run took when it opened, and returns its fence.
 * @throws NDI_E_LEASE_LOST when another run has taken it meanwhile, whether or not it still has it
 */
export function keepLease(deps: Pick<StepDeps, 'holder'>, ledger: Ledger, run: RunNames): number {
  const answer = ledger.lease.acquire(leaseRequest(deps, run));
  if (!answer.held) throw new CourierError('NDI_E_LEASE_LOST', { detail: `${answer.by.workflowId} has it.` });
  const facts = ledger.run(run.runKey).facts;
  const taken = facts.get(RUN_FACTS.fence);
  if (taken === undefined) facts.set(RUN_FACTS.fence, answer.fence);
  else if (taken !== answer.fence) {
    ledger.lease.release(run.runKey);
    throw new CourierError('NDI_E_LEASE_LOST', { detail: 'Another run has worked on it since.' });
  }
  return answer.fence;
}
