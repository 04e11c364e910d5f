/** The two transfers of a sync, `down` and `up`: each has a plan of its own under the lease of the run. */
import type { SyncRefs } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { keepLease } from '../shared/lease.ts';

/** The scope of a transfer. @throws NDI_E_LEASE_LOST */
export function transferScope(scope: RunScope, refs: SyncRefs, which: 'down' | 'up'): RunScope {
  const ref = refs[which];
  const ledger = scope.deps.ledgers.open(ref.ledgerPath);
  return { ...scope, ref, ledger: ledger.run(ref.runKey, keepLease(scope.deps, ledger, ref)) };
}
