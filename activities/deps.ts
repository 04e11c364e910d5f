/** Dependencies of activities. The worker hands in the real ones, a test its own. */

import type { Ledger } from '../ledger/ledger.ts';
import type { RunLedger } from '../ledger/run-ledger.ts';
import type { CloudClient } from '../ndi/cloud/types.ts';
import type { Network } from '../net/network.ts';
import type { Throttle } from '../transfer/types.ts';
import type { CloudRef, HeartbeatInfo, Tuning } from '../workflows/contracts/index.ts';
import type { RunRef } from '../workflows/steps.ts';

export interface StepDeps {
  /**
   * A client per cloud and account, kept for the life of the process so that connections and tokens are
   * shared.
   */
  cloud(ref: CloudRef): CloudClient;
  ledgers: LedgerCache;
  /** Whether a run of this workflow id goes on, as the Temporal server of this service knows. */
  isRunning(workflowId: string): Promise<boolean>;
  /** Names this service to others that share a dataset with it. */
  readonly holder: string;
  readonly throttle: Throttle;
  /** Proxy and certificates for the object store. */
  readonly network: Network;
  /** Another one after each start of the machine. */
  readonly bootId: string;
  /** Names this process among all that ever ran on this computer. */
  readonly worker: string;
  isWorkerAlive(worker: string): boolean;
  /** A folder for plans that people look at, in the state of this site. */
  readonly previewsDir: string;
  /** The settings of alerts as they are now; they may hold secrets. */
  alerts(): Readonly<Record<string, unknown>>;
  /** A folder for zips on their way, beside the state of this site. */
  readonly scratchDir: string;
}

/** Open ledgers by path. A ledger is opened once per process. */
export interface LedgerCache {
  /** Where the ledger of a dataset directory is, or will be. */
  locate(datasetDir: string, datasetId: string): string;
  /** Where the ledger of a dataset directory is, if there is one. Makes nothing. */
  find(datasetDir: string, datasetId: string): string | undefined;
  open(path: string): Ledger;
  /** Before the directory that holds it is renamed. */
  close(path: string): void;
}

/** The attempt that an activity is in. */
export interface StepContext {
  /** Aborted when the run is cancelled, the worker stops, or the server has given this attempt up. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  /** Reports progress; cheap, call it per chunk. */
  heartbeat(info: HeartbeatInfo): void;
}

/** Everything that an activity of an opened run works with. Built once per attempt (`step.ts`). */
export interface RunScope extends StepContext {
  readonly deps: StepDeps;
  readonly ref: RunRef;
  /** Every number, also those that a run of an earlier release did not carry. */
  readonly tuning: Required<Tuning>;
  /** The run's own verbs, fenced: they throw NDI_E_LEASE_LOST once another run has the dataset. */
  readonly ledger: RunLedger;
  readonly cloud: CloudClient;
}
