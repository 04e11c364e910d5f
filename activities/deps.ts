/** What steps need of the world; the worker hands in the real things, a test what it likes. */
import type { Ledger } from '../ledger/types.ts';
import type { CloudClient } from '../ndi/cloud/types.ts';
import type { Throttle } from '../transfer/types.ts';
import type { CloudRef, HeartbeatInfo } from '../workflows/contracts/index.ts';

export interface StepDeps {
  /** A client per cloud and account, kept for the life of the process so that connections and tokens are shared. */
  cloud(ref: CloudRef): CloudClient;
  ledgers: LedgerShelf;
  /** Is a run of this workflow id going on anywhere? Decides whether a lease is dead. */
  isRunning(workflowId: string): Promise<boolean>;
  readonly throttle: Throttle;
  /** Another one after each start of the machine. */
  readonly bootId: string;
  /** A folder for zips on their way, beside the state of this site. */
  readonly scratchDir: string;
}

/** Open ledgers by path. A ledger is opened once per process. */
export interface LedgerShelf {
  /** Where the ledger of a dataset directory is, or will be. */
  locate(datasetDir: string, datasetId: string): string;
  open(path: string): Ledger;
  /** Before the directory that holds it is renamed. */
  close(path: string): void;
}

/** What a step knows of the try it is in. */
export interface StepContext {
  /** Aborted when the run is cancelled, the worker stops, or the server has given this try up. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  /** Reports progress; cheap, call it per chunk. */
  beat(info: HeartbeatInfo): void;
}
