/**
 * The activities of a run, as a workflow sees them; `activities/` implements them. An activity gets
 * references and returns counts; what is long stays in the ledger of the site.
 */
import type { NeededRoom } from '../errors/index.ts';
import type { ApprovalAnswer, CloudRef, CommonResult, Counts, Differences } from './contracts/common.ts';
import type { DownloadInput } from './contracts/download.ts';
import type { FilesAction, FilesInput } from './contracts/files.ts';
import type { NightInput, NightOutcome } from './contracts/night.ts';
import type { PreviewInput, PreviewResult } from './contracts/preview.ts';
import type { ApprovalRequest, SyncInput, SyncResult } from './contracts/sync.ts';
import type { Tuning } from './contracts/tuning.ts';
import type { UploadInput } from './contracts/upload.ts';

export interface CountsDelta {
  readonly transferred: number;
  readonly failed: number;
}

/**
 * Progress delta of a finished unit. Negative for items that were counted as transferred and have failed
 * since.
 */
export interface UnitOutcome {
  readonly documents: CountsDelta;
  readonly files: CountsDelta;
  readonly bytes: number;
  readonly retries: number;
}

/** Names a run before its ledger is known. */
export interface RunNames {
  readonly runKey: string;
  readonly workflowId: string;
  /** The run that started this one and whose lease it shares. */
  readonly parentWorkflowId?: string;
  /** Key of the run that this is a part of: its lease is shared. */
  readonly partOf?: string;
}

/** Names a run, its ledger and its two sides for every activity after the first. */
export interface RunRef {
  readonly runKey: string;
  readonly workflowId: string;
  readonly ledgerPath: string;
  readonly cloud: CloudRef;
  readonly cloudDatasetId: string;
  readonly organizationId: string;
  readonly tuning: Tuning;
  readonly parentWorkflowId?: string;
  readonly partOf?: string;
}

export interface PlanSummary {
  readonly documents: Counts;
  readonly files: Counts;
  /** Bytes of the items that are to be moved. */
  readonly bytes: number;
  readonly units: number;
  readonly problemCount: number;
}

/**
 * Some units of one wave, to go at once. `lastOfWave`: after these, what was sent is settled. (The name is
 * that of recorded runs, which settled every wave.)
 */
export interface UnitBatch {
  readonly units: readonly number[];
  readonly lastOfWave: boolean;
}

/** The outcome of comparing what was sent with the cloud's own listing. */
export interface Settlement {
  /** Items that the cloud still lacks; they are planned again. */
  readonly missing: number;
  readonly newUnits: number;
}

/** The result as a site knows it; the workflow adds the operation and the retries. */
export interface SiteResult extends Omit<CommonResult, 'retries' | 'ndiDatasetId'> {
  /** Absent in results of release 0.1. */
  readonly ndiDatasetId?: string;
  readonly documents: Counts;
  readonly files: Counts;
  readonly duplicatesRemoved: number;
  readonly differences?: Differences;
}

export interface OpenedRun {
  readonly ledgerPath: string;
}

export interface Linked {
  readonly cloudDatasetId: string;
  readonly organizationId: string;
}

export interface UploadSteps {
  /** Takes the lease, checks that the directory is a dataset. @throws the NDI_E_… of reading a dataset */
  openUpload(input: UploadInput, run: RunNames): Promise<OpenedRun>;
  linkOrCreate(
    input: UploadInput,
    run: Omit<RunNames, 'workflowId'> & { workflowId?: string; ledgerPath: string },
  ): Promise<Linked>;
  planUpload(input: UploadInput, ref: RunRef): Promise<PlanSummary>;
  nextUploadUnits(ref: RunRef, what: 'files' | 'documents'): Promise<UnitBatch>;
  sendUnit(input: UploadInput, ref: RunRef, unit: number): Promise<UnitOutcome>;
  settleDocuments(input: UploadInput, ref: RunRef): Promise<Settlement>;
  verifyUpload(input: UploadInput, ref: RunRef): Promise<Settlement>;
  finishUpload(input: UploadInput, ref: RunRef): Promise<SiteResult>;
}

export type DownloadOpening =
  | { readonly opened: OpenedRun & Linked }
  /** The target holds exactly this already. */
  | { readonly result: SiteResult }
  /** The target holds this dataset in the other mode: only its binaries have to come or go. */
  | { readonly convert: FilesAction; readonly ndiDatasetId: string; readonly documents: number };

export interface DownloadSteps {
  /** Checks cloud dataset and target, takes the lease. */
  openDownload(input: DownloadInput, run: RunNames): Promise<DownloadOpening>;
  planDownload(input: DownloadInput, ref: RunRef): Promise<PlanSummary>;
  /** Plans the documents that others depend on. Only for a selection. */
  planDependencies(input: DownloadInput, ref: RunRef): Promise<PlanSummary>;
  nextDownloadUnits(ref: RunRef, what: 'files' | 'documents'): Promise<UnitBatch>;
  fetchUnit(input: DownloadInput, ref: RunRef, unit: number): Promise<UnitOutcome>;
  /** Plans the binaries that the documents name. Only in local mode. */
  planDownloadFiles(input: DownloadInput, ref: RunRef): Promise<PlanSummary>;
  finishDownload(input: DownloadInput, ref: RunRef): Promise<SiteResult>;
}

export interface FilesSteps {
  /**
   * Takes the lease, checks that the dataset is linked. @throws NDI_E_NOT_LINKED and those of reading a
   * dataset
   */
  openFiles(input: FilesInput, run: RunNames): Promise<OpenedRun & Linked>;
  planFiles(input: FilesInput, ref: RunRef): Promise<PlanSummary>;
  nextFileUnits(ref: RunRef): Promise<UnitBatch>;
  moveFileUnit(input: FilesInput, ref: RunRef, unit: number): Promise<UnitOutcome>;
  finishFiles(input: FilesInput, ref: RunRef): Promise<SiteResult>;
}

/** A sync, and the plans of its two transfers. */
export interface SyncRefs {
  readonly run: RunRef;
  /** What comes here. */
  readonly down: RunRef;
  /** What goes into the cloud. */
  readonly up: RunRef;
}

/** A plan of a sync, and what of it waits for an approval; null when nothing does. */
export interface SyncPlan extends PlanSummary {
  readonly approval: ApprovalRequest | null;
}

export interface SyncUploadPlan extends PlanSummary {
  /** Something is to be sent, or was sent and is not seen yet. */
  readonly sends: boolean;
}

/**
 * The transfers of a sync have plans of their own, under the lease of the run: `down` brings documents and
 * files here, `up` sends them.
 */
export interface SyncSteps {
  /**
   * Takes the lease, checks the link, and whether the base is of these two sides.
   * @throws NDI_E_NOT_LINKED, NDI_E_TWO_REMOTES and those of reading a dataset
   */
  openSync(input: SyncInput, run: RunNames): Promise<OpenedRun & Linked>;
  /** Sees both sides; writes nothing but what it saw. */
  observeSync(input: SyncInput, refs: SyncRefs): Promise<void>;
  planSync(input: SyncInput, refs: SyncRefs): Promise<SyncPlan>;
  nextSyncUnits(refs: SyncRefs, what: 'documents' | 'files'): Promise<UnitBatch>;
  /** Fetches documents, or files into their places. Documents wait in the ledger until they are written. */
  fetchSyncUnit(input: SyncInput, refs: SyncRefs, unit: number): Promise<UnitOutcome>;
  /** Plans the binaries that the fetched documents name, and those that are missing here. */
  planSyncFiles(input: SyncInput, refs: SyncRefs): Promise<PlanSummary>;
  /** Writes the fetched documents into the dataset. */
  writeSync(input: SyncInput, refs: SyncRefs): Promise<CountsDelta>;
  /** Plans what goes into the cloud. */
  planSyncUpload(input: SyncInput, refs: SyncRefs, upload: UploadInput): Promise<SyncUploadPlan>;
  /** A person has approved what was held back, or refused it. */
  settleApproval(refs: SyncRefs, answer: ApprovalAnswer): Promise<void>;
  deleteSync(input: SyncInput, refs: SyncRefs): Promise<CountsDelta>;
  finishSync(input: SyncInput, refs: SyncRefs): Promise<Omit<SyncResult, 'operation' | 'retries'>>;
}

export interface NightSteps {
  /** Keeps how the night went, and sends the alert that is due. Done again, it sends none twice. */
  recordNight(input: NightInput, night: NightOutcome): Promise<void>;
}

export interface PreviewSteps {
  /** Plans in a ledger that goes away again. */
  previewTransfer(input: PreviewInput, run: RunNames): Promise<Omit<PreviewResult, 'operation' | 'retries'>>;
}

export interface RoomWatch {
  readonly room: NeededRoom;
  readonly lookEveryMs: number;
}

export interface CommonSteps {
  /** Gives the lease back; what is done stays done. Called twice, the second call does nothing. */
  releaseRun(run: { workflowId: string; ledgerPath: string; runKey?: string }): Promise<void>;
  /** Resolves with true once a full disk has room again, or at once with false where too many disks are watched. */
  awaitRoom(watch: RoomWatch): Promise<boolean>;
}

export type SiteSteps = UploadSteps &
  DownloadSteps &
  FilesSteps &
  SyncSteps &
  NightSteps &
  PreviewSteps &
  CommonSteps;
