/**
 * The steps of a run, as a workflow sees them; `activities/` implements them. A step gets `(ledger, run, unit)` and
 * returns counts; what is long stays in the ledger.
 */
import type { CloudRef, Counts, DownloadInput, RunResult, Tuning, UploadInput } from './contracts.ts';

/** What a finished unit adds to the progress; less than nothing for what was counted as transferred and failed since. */
export interface UnitOutcome {
  readonly documents: { readonly transferred: number; readonly failed: number };
  readonly files: { readonly transferred: number; readonly failed: number };
  readonly bytes: number;
  readonly retries: number;
}

/** Names a run, its ledger and its two sides for every step after the first. */
export interface RunRef {
  readonly runKey: string;
  readonly workflowId: string;
  readonly ledgerPath: string;
  readonly cloud: CloudRef;
  readonly cloudDatasetId: string;
  readonly organizationId: string;
  readonly tuning: Tuning;
}

export interface PlanSummary {
  readonly documents: Counts;
  readonly files: Counts;
  /** Of what is to be moved. */
  readonly bytes: number;
  readonly units: number;
  readonly problemCount: number;
}

/**
 * Some units of one wave, to go at once. `lastOfWave`: after these, what was sent is settled. (The name is that of recorded
 * runs, which settled every wave.)
 */
export interface UnitBatch {
  readonly units: readonly number[];
  readonly lastOfWave: boolean;
}

/** What the cloud's own listing says after units were sent. */
export interface Settlement {
  /** Items that the cloud still lacks; they are planned again. */
  readonly missing: number;
  readonly newUnits: number;
}

/** What a site knows of the end; retries are counted by the run. */
export type SiteResult = Omit<RunResult, 'retries'>;

export interface Opened {
  readonly ledgerPath: string;
}

export interface Linked {
  readonly cloudDatasetId: string;
  readonly organizationId: string;
}

export interface UploadSteps {
  /** Takes the lease, checks that the directory is a dataset. Errors: the NDI_E_… of reading a dataset. */
  openUpload(input: UploadInput, run: { runKey: string; workflowId: string }): Promise<Opened>;
  linkOrCreate(input: UploadInput, run: { runKey: string; ledgerPath: string }): Promise<Linked>;
  planUpload(input: UploadInput, ref: RunRef): Promise<PlanSummary>;
  nextUploadUnits(ref: RunRef, what: 'files' | 'documents'): Promise<UnitBatch>;
  sendUnit(input: UploadInput, ref: RunRef, unit: number): Promise<UnitOutcome>;
  settleDocuments(input: UploadInput, ref: RunRef): Promise<Settlement>;
  verifyUpload(input: UploadInput, ref: RunRef): Promise<Settlement>;
  finishUpload(input: UploadInput, ref: RunRef): Promise<SiteResult>;
}

export interface DownloadSteps {
  /** Checks cloud dataset and target, takes the lease. `result`: the target holds exactly this already. */
  openDownload(
    input: DownloadInput,
    run: { runKey: string; workflowId: string },
  ): Promise<{ readonly opened: Opened & Linked } | { readonly result: SiteResult }>;
  planDownload(input: DownloadInput, ref: RunRef): Promise<PlanSummary>;
  nextDownloadUnits(ref: RunRef, what: 'files' | 'documents'): Promise<UnitBatch>;
  fetchUnit(input: DownloadInput, ref: RunRef, unit: number): Promise<UnitOutcome>;
  /** Which binaries the documents name. Only in local mode. */
  planDownloadFiles(input: DownloadInput, ref: RunRef): Promise<PlanSummary>;
  finishDownload(input: DownloadInput, ref: RunRef): Promise<SiteResult>;
}

export interface CommonSteps {
  /** Gives up the lease; what is done stays done. */
  releaseRun(run: { workflowId: string; ledgerPath: string }): Promise<void>;
}

export type SiteSteps = UploadSteps & DownloadSteps & CommonSteps;
