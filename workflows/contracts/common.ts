/**
 * The contract that all runs share: queues, search attributes, inputs, progress, results, signals, queries,
 * updates. Imports nothing but types and `@temporalio/workflow`.
 *
 * Payloads stay under 32 KiB: lists lie in the ledger of the site and never travel here.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ErrorClass, NeededRoom } from '../../errors/index.ts';
import type { Tuning } from './tuning.ts';

// --- Queues
// -----------------------------------------------------------------------------------------------------

/**
 * Task queue of the role `control`: workflows, and activities that need no disk. The wire name is that of
 * release 0.1.
 */
export const CONTROL_QUEUE = 'courier';

/**
 * Task queue of the role `site`: everything that touches the disk of one host. The name is stable: data stays
 * on its host.
 */
export const siteQueue = (site: string): string => `site.${site}`;

// --- Search attributes
// ------------------------------------------------------------------------------------------

/**
 * Upserted when the phase changes. Temporal never encrypts them, so they hold no path and no person's name.
 */
export const SEARCH_ATTRIBUTES = {
  NdiOperation: 'Keyword',
  /** The dataset's own NDI id. */
  NdiDataset: 'Keyword',
  /** The cloud's id of the dataset. */
  NdiCloudDataset: 'Keyword',
  NdiSite: 'Keyword',
  NdiPhase: 'Keyword',
  NdiWaitingFor: 'Keyword',
  NdiProfile: 'Keyword',
} as const;

// --- Inputs
// -----------------------------------------------------------------------------------------------------

/** A cloud and an account. A profile is a name: the worker finds the credentials, which never travel. */
export interface CloudRef {
  /** Full base URL including `/v1`. */
  readonly baseUrl: string;
  /** Null: the environment of the worker, then its default profile. */
  readonly profile: string | null;
  /** Null: the only organisation of the account. */
  readonly organizationId: string | null;
}

/** The input that every run type has; contracts of run types extend it. */
export interface RunInput {
  readonly site: string;
  readonly cloud: CloudRef;
  readonly tuning: Tuning;
  /** Set by continue-as-new only. */
  readonly resume?: ResumeState;
}

/** The state that a run carries over continue-as-new; the plan and its state are in the ledger. */
export interface ResumeState {
  readonly runKey: string;
  readonly progress: RunProgress;
  /** Absent when the run waited so long before its ledger was open that it starts from the beginning. */
  readonly cloudDatasetId?: string;
  readonly organizationId?: string;
  readonly ledgerPath?: string;
}

// --- Progress and results
// ---------------------------------------------------------------------------------------

export interface Counts {
  readonly total: number;
  readonly transferred: number;
  readonly skipped: number;
  readonly failed: number;
}

export const NO_COUNTS: Counts = { total: 0, transferred: 0, skipped: 0, failed: 0 };

export interface ProblemLine {
  readonly kind: 'document' | 'file' | 'dataset';
  readonly id: string;
  readonly code: string;
  readonly detail: string;
}

/** How both sides differ, in numbers; the report has the names. `changedThere` holds what is known of it. */
export interface DifferenceCounts {
  readonly new: number;
  readonly equal: number;
  readonly changedHere: number;
  readonly changedThere: number;
  readonly goneHere: number;
  readonly onlyInCloud: number;
}

export interface Differences {
  readonly documents: DifferenceCounts;
  readonly files: DifferenceCounts;
}

/** Phases in which a run has ended; every run type has them besides its own. */
export type EndPhase = 'done' | 'failed' | 'cancelled';

/** Why a run stands still. `since` is ISO time. */
export interface Waiting {
  /**
   * `site` and `worker`: nobody takes up the activities, or the decisions, of the run. `service`: the server
   * is away.
   */
  readonly kind: 'login' | 'person' | 'site' | 'worker' | 'service' | 'dataset' | 'paused';
  readonly code: string;
  readonly sentence: string;
  readonly nextStep: string;
  readonly since: string;
}

export interface RunProgress {
  /** A key of `OPERATIONS`; a newer program may know more of them. */
  readonly operation: string;
  /** A phase of the operation, or an `EndPhase`. */
  readonly phase: string;
  readonly waitingFor: Waiting | null;
  readonly paused: boolean;
  readonly site: string;
  readonly profile: string | null;
  /** Null while the run does not know it. */
  readonly ndiDatasetId: string | null;
  readonly cloudDatasetId: string | null;
  /** By counter of the operation. */
  readonly counts: Readonly<Record<string, Counts>>;
  readonly bytes: { readonly total: number; readonly transferred: number };
  /** Over the time in which units were in flight; null below one second of it. */
  readonly bytesPerSecond: number | null;
  /** At that rate. Null also while the run waits. */
  readonly etaMs: number | null;
  readonly units: { readonly total: number; readonly done: number; readonly inFlight: number };
  readonly retries: number;
  readonly window: number;
  readonly startedAt: string;
  readonly problemCount: number;
}

/** The result that every run type has; `operation` tells the members of the union `RunResult` apart. */
export interface CommonResult {
  readonly status: 'done' | 'done-with-leftovers';
  /** The cloud's id of the dataset. (The name is that of release 0.1, which scripts read.) */
  readonly datasetId: string;
  readonly ndiDatasetId: string | null;
  readonly directory: string;
  /** Bytes of documents and files that this run moved. */
  readonly bytes: number;
  readonly retries: number;
  readonly problemCount: number;
  /** The first 20; the report has them all. */
  readonly problems: readonly ProblemLine[];
  /** Empty when the run found everything in place and wrote none. */
  readonly reportPath: string;
}

/** Details of an activity failure; the only member of `ApplicationFailure.details`. */
export interface FailureInfo {
  readonly code: string;
  readonly class: ErrorClass;
  readonly sentence: string;
  readonly nextStep: string;
  /** Of a full disk: where there must be room again. */
  readonly room?: NeededRoom;
}

/** Details of a heartbeat; clients read them from the pending activity. */
export interface HeartbeatInfo {
  readonly unit: number | null;
  readonly what: string;
  readonly bytes: number;
  readonly ofBytes: number;
  /** The attempt that beats; heartbeats outlive theirs. Absent in those of release 0.1. */
  readonly attempt?: number;
  /**
   * The failure of the last request to the cloud, while it is repeated; null once one was answered. Absent
   * before the first.
   */
  readonly trouble?: FailureInfo | null;
}

// --- Steering
// ---------------------------------------------------------------------------------------------------

export const progressQuery = defineQuery<RunProgress>('progress');
export const pauseSignal = defineSignal('pause');
/** Ends a pause, and makes a run that waits for a person or a login try again now. */
export const resumeSignal = defineSignal('resume');
/** A login changed at this profile; runs that wait for it try again. */
export const loginSignal = defineSignal<[{ readonly profile: string | null }]>('login');
/** A person's answer to the approval that a run waits for. */
export const approvalSignal = defineSignal<[ApprovalAnswer]>('approval');

export interface ApprovalAnswer {
  readonly approved: boolean;
  /** Who answered, for the audit. */
  readonly by: string;
}

/** A newer sync is about to begin: a sync that only waits for an approval ends without it. */
export const supersededSignal = defineSignal('superseded');

/** Units in flight from now on; 1 to 64. Returns the number before. */
export const setWindowUpdate = defineUpdate<number, [number]>('setWindow');
