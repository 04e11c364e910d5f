/**
 * The ledger of one dataset: one SQLite file. All verbs are synchronous and durable when they return; any
 * number of processes may hold the same ledger.
 */
import type { DatasetLedger } from './dataset-ledger.ts';
import type { RunLedger } from './run-ledger.ts';

export interface Ledger extends DatasetLedger {
  /**
   * The verbs of one run. A run key names one run of a workflow across retries and continue-as-new. With a
   * fence, every verb that writes throws NDI_E_LEASE_LOST once the lease has another one.
   */
  run(runKey: string, fence?: number): RunLedger;
  close(): void;
}
