/** The contract of `downloadDataset`. */
import type { Selection } from '../../ndi/dataset/selection.ts';
import type { CommonResult, Counts, RunInput } from './common.ts';
import type { OperationSpec } from './operation.ts';

export const downloadOperation = {
  workflow: 'downloadDataset',
  noun: 'download',
  title: 'Download',
  // `target` is the absolute path.
  id: 'download/{cloudDatasetId}@{site}:{target}',
  phases: {
    opening: 'Looking at the cloud dataset and the folder',
    planning: 'Listing the cloud dataset',
    documents: 'Fetching documents',
    files: 'Fetching files',
    building: 'Building the dataset folder',
  },
  counters: { documents: 'documents', files: 'files' },
  summary: 'Makes a dataset folder out of a cloud dataset.',
} as const satisfies OperationSpec;

export type DownloadMode = 'local' | 'hybrid';

export interface DownloadInput extends RunInput {
  readonly cloudDatasetId: string;
  /** Absolute path of the dataset directory to be made. */
  readonly targetDir: string;
  /** `local` brings the binaries; `hybrid` leaves them in the cloud behind `ndic://`. */
  readonly mode: DownloadMode;
  /** Only these documents, and those that they depend on. Null or absent: all. */
  readonly selection?: Selection | null;
  /**
   * Only binaries whose logical name matches one of these patterns (`*`, `?`); the others stay in the cloud.
   */
  readonly filesMatching?: readonly string[] | null;
}

export interface DownloadResult extends CommonResult {
  readonly operation: 'download';
  readonly documents: Counts;
  readonly files: Counts;
  readonly duplicatesRemoved: number;
}
