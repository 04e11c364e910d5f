/**
 * Everything that crosses between workflows, workers and clients: what all runs share, and one file per run
 * type.
 */
import type { DownloadResult } from './download.ts';
import type { FilesResult } from './files.ts';
import type { NightResult } from './night.ts';
import type { PreviewResult } from './preview.ts';
import type { DiffResult, SyncResult } from './sync.ts';
import type { UploadResult } from './upload.ts';

export * from './common.ts';
export * from './download.ts';
export * from './files.ts';
export * from './night.ts';
export * from './preview.ts';
export * from './sync.ts';
export * from './tuning.ts';
export * from './upload.ts';

/** The result of a run; `operation` tells which. */
export type RunResult =
  | UploadResult
  | DownloadResult
  | FilesResult
  | PreviewResult
  | SyncResult
  | DiffResult
  | NightResult;

/** The result of a run that moves a whole dataset. */
export type TransferResult = UploadResult | DownloadResult;

export type ResultOf<O extends RunResult['operation']> = Extract<RunResult, { operation: O }>;
