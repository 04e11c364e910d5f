/**
 * Everything that crosses between workflows, workers and clients: inputs, results, signals, queries, updates, ids,
 * queue names, search attributes. Imports nothing but types and `@temporalio/workflow`.
 *
 * Lists never travel here: payloads stay under 32 KiB, and what is long lies in the ledger of the site.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ErrorClass } from '../errors/index.ts';

// --- Queues and ids -------------------------------------------------------------------------------------------

/** Workflows, and activities that need no disk. */
export const COURIER_QUEUE = 'courier';

/** Everything that touches the disk of one host. The name is stable because the data stays on that host. */
export const siteQueue = (site: string): string => `site.${site}`;

/** Temporal refuses identifiers over 1,000 characters, and SQL visibility over 255. */
const MAX_ID_LENGTH = 240;

export const uploadWorkflowId = (datasetId: string, site: string): string => `upload/${datasetId}@${site}`;

/** `target` is the absolute path; only the end of a very long one is kept, which is the part that differs. */
export function downloadWorkflowId(cloudDatasetId: string, site: string, target: string): string {
  const head = `download/${cloudDatasetId}@${site}:`;
  return head + target.slice(Math.max(0, target.length - (MAX_ID_LENGTH - head.length)));
}

// --- Search attributes: upserted on a change of phase only; never encrypted, so no path and no name goes in ------

export const SEARCH_ATTRIBUTES = {
  NdiOperation: 'Keyword',
  NdiDataset: 'Keyword',
  NdiSite: 'Keyword',
  NdiPhase: 'Keyword',
  NdiWaitingFor: 'Keyword',
  NdiProfile: 'Keyword',
} as const;

// --- Inputs ---------------------------------------------------------------------------------------------------

/** Which cloud, as whom. A profile is a name: credentials are found by the worker and never travel. */
export interface CloudRef {
  /** Full base URL including `/v1`. */
  readonly baseUrl: string;
  /** Null: the environment of the worker, then its default profile. */
  readonly profile: string | null;
  /** Null: the only organisation of the account. */
  readonly organizationId: string | null;
}

/** How hard a run may work. Every default is written down in `DEFAULT_TUNING` with its reason. */
export interface Tuning {
  /** Units in flight at once; a person can change it while the run goes on. */
  readonly window: number;
  readonly zipBytes: number;
  readonly zipFiles: number;
  readonly documentsPerUnit: number;
  readonly documentBytesPerUnit: number;
  /** An import that shows no new document for this long is taken to have lost the rest. */
  readonly importQuietMs: number;
  /** First wait of a poll; grows to `pollMaxMs`. */
  readonly pollMinMs: number;
  readonly pollMaxMs: number;
  /** How long a site may be silent before the run says that it waits for it. */
  readonly siteTimeoutMs: number;
  /** Units per execution before continue-as-new; history stays far below the 4,096 events Temporal suggests. */
  readonly unitsPerExecution: number;
}

export const DEFAULT_TUNING: Tuning = {
  // The limits of NDI Cloud are unknown; four to six calls at once is what its own site does.
  window: 4,
  // The clients' own zip size; the cloud's extractor is known to cope with it (contract §4.4).
  zipBytes: 50_000_000,
  zipFiles: 2_000,
  // One list of ids the cloud's own bulk download is used with (contract §4.4).
  documentsPerUnit: 2_000,
  documentBytesPerUnit: 20_000_000,
  importQuietMs: 60_000,
  pollMinMs: 100,
  pollMaxMs: 5_000,
  siteTimeoutMs: 600_000,
  unitsPerExecution: 400,
};

export type UploadTarget =
  /** The dataset's own link; if there is none, create under `name` (or the metadata's). */
  | { readonly kind: 'linked-or-new'; readonly name: string | null }
  | { readonly kind: 'to'; readonly cloudDatasetId: string }
  /** Forget the link and create another cloud dataset. */
  | { readonly kind: 'as-new'; readonly name: string | null };

export type UploadStrategy = 'zip' | 'serial';

export interface UploadInput {
  readonly site: string;
  readonly cloud: CloudRef;
  readonly datasetDir: string;
  readonly datasetId: string;
  readonly target: UploadTarget;
  readonly strategy: UploadStrategy;
  /** A JSON file on the site with the metadata for creation. */
  readonly metadataPath: string | null;
  readonly tuning: Tuning;
  /** Set by continue-as-new only. */
  readonly resume?: ResumeState;
}

export type DownloadMode = 'local' | 'hybrid';

export interface DownloadInput {
  readonly site: string;
  readonly cloud: CloudRef;
  readonly cloudDatasetId: string;
  /** Absolute path of the dataset directory to be made. */
  readonly targetDir: string;
  /** `local` brings the binaries; `hybrid` leaves them in the cloud behind `ndic://`. */
  readonly mode: DownloadMode;
  readonly tuning: Tuning;
  /** Set by continue-as-new only. */
  readonly resume?: ResumeState;
}

/** What a run carries over continue-as-new; the plan and its state are in the ledger. */
export interface ResumeState {
  readonly runKey: string;
  readonly cloudDatasetId: string;
  readonly organizationId: string;
  readonly ledgerPath: string;
  readonly progress: RunProgress;
}

// --- Progress and results -------------------------------------------------------------------------------------

export interface Counts {
  readonly total: number;
  readonly transferred: number;
  readonly skipped: number;
  readonly failed: number;
}

export interface ProblemLine {
  readonly kind: 'document' | 'file' | 'dataset';
  readonly id: string;
  readonly code: string;
  readonly detail: string;
}

export type Operation = 'upload' | 'download';

export type Phase =
  | 'opening'
  | 'linking'
  | 'planning'
  | 'files'
  | 'documents'
  | 'verifying'
  | 'building'
  | 'finishing'
  | 'done'
  | 'failed'
  | 'cancelled';

/** Why a run stands still. `since` is ISO time. */
export interface Waiting {
  readonly kind: 'login' | 'person' | 'site' | 'dataset' | 'paused';
  readonly code: string;
  readonly sentence: string;
  readonly nextStep: string;
  readonly since: string;
}

export interface RunProgress {
  readonly operation: Operation;
  readonly phase: Phase;
  readonly waitingFor: Waiting | null;
  readonly paused: boolean;
  readonly site: string;
  readonly profile: string | null;
  readonly datasetId: string | null;
  readonly documents: Counts;
  readonly files: Counts;
  readonly bytes: { readonly total: number; readonly transferred: number };
  /** Of the time in which units were in flight; null while there is nothing to say. */
  readonly bytesPerSecond: number | null;
  /** At that pace. Null also while the run waits. */
  readonly etaMs: number | null;
  readonly units: { readonly total: number; readonly done: number; readonly inFlight: number };
  readonly retries: number;
  readonly window: number;
  readonly startedAt: string;
  readonly problemCount: number;
}

export interface RunResult {
  readonly status: 'done' | 'done-with-leftovers';
  /** The cloud's id of the dataset. */
  readonly datasetId: string;
  readonly directory: string;
  readonly documents: Counts;
  readonly files: Counts;
  /** Bytes of documents and files that this run moved. */
  readonly bytes: number;
  readonly retries: number;
  readonly duplicatesRemoved: number;
  readonly problemCount: number;
  /** The first 20; the report has them all. */
  readonly problems: readonly ProblemLine[];
  readonly reportPath: string;
}

/** What an activity failure tells the workflow; the only member of `ApplicationFailure.details`. */
export interface FailureInfo {
  readonly code: string;
  readonly class: ErrorClass;
  readonly sentence: string;
  readonly nextStep: string;
}

/** What an activity reports while it works; read by clients from the pending activity. */
export interface HeartbeatInfo {
  readonly unit: number | null;
  readonly what: string;
  readonly bytes: number;
  readonly ofBytes: number;
}

// --- Steering -------------------------------------------------------------------------------------------------

export const progressQuery = defineQuery<RunProgress>('progress');
export const pauseSignal = defineSignal('pause');
/** Ends a pause, and makes a run that waits for a person or a login try again now. */
export const resumeSignal = defineSignal('resume');
/** A login changed at this profile; runs that wait for it try again. */
export const loginSignal = defineSignal<[{ readonly profile: string | null }]>('login');
/** Units in flight from now on; 1 to 64. Returns what it was before. */
export const setWindowUpdate = defineUpdate<number, [number]>('setWindow');
