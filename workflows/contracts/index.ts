/** Everything that crosses between workflows, workers and clients: what all runs share, and one file per run type. */
import type { DownloadResult } from './download.ts';
import type { UploadResult } from './upload.ts';

export * from './common.ts';
export * from './download.ts';
export * from './tuning.ts';
export * from './upload.ts';

/** The result of a run; `operation` tells which. */
export type RunResult = UploadResult | DownloadResult;
