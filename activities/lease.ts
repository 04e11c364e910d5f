/** At most one run writes a dataset: the ledger holds a lease named by the workflow id. */
import { CourierError } from '../errors/index.ts';
import type { Ledger } from '../ledger/types.ts';
import type { StepDeps } from './deps.ts';

/**
 * Takes the lease, breaking that of a run that no longer exists (terminated, or gone with its server's records).
 * Errors: NDI_E_DATASET_IN_USE (the run waits, naming the one it waits for).
 */
export async function takeLease(deps: StepDeps, ledger: Ledger, workflowId: string): Promise<void> {
  const answer = ledger.acquireLease(workflowId);
  if (answer.held) return;
  if (!(await deps.isRunning(answer.by))) {
    ledger.releaseLease(answer.by);
    if (ledger.acquireLease(workflowId).held) return;
  }
  throw new CourierError('NDI_E_DATASET_IN_USE', { detail: `It is ${answer.by}.` });
}
