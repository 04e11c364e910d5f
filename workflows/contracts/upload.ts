/** The contract of `uploadDataset`. */
import type { CommonResult, Counts, Differences, RunInput } from './common.ts';
import type { OperationSpec } from './operation.ts';

export const uploadOperation = {
  workflow: 'uploadDataset',
  noun: 'upload',
  title: 'Upload',
  id: 'upload/{ndiDatasetId}@{site}',
  phases: {
    opening: 'Opening the dataset',
    linking: 'Finding or creating the cloud dataset',
    planning: 'Comparing both sides',
    files: 'Sending files',
    documents: 'Sending documents',
    verifying: 'Checking what the cloud took in',
    finishing: 'Finishing',
  },
  counters: { documents: 'documents', files: 'files' },
  summary: 'Brings a dataset folder into NDI Cloud.',
} as const satisfies OperationSpec;

export type UploadTarget =
  /** The dataset's own link; if there is none, create under `name` (or the metadata's). */
  | { readonly kind: 'linked-or-new'; readonly name: string | null }
  | { readonly kind: 'to'; readonly cloudDatasetId: string }
  /** Forget the link and create another cloud dataset. */
  | { readonly kind: 'as-new'; readonly name: string | null };

export type UploadStrategy = 'zip' | 'serial';

/**
 * `content`: what was sent is read back and compared. `ids`: the cloud's list has it; cheaper, and proves no
 * content.
 */
export type Verify = 'content' | 'ids';

/** `list`: what differs from the cloud's is listed. `replace`: what was changed here replaces the cloud's. */
export type OnChange = 'list' | 'replace';

export interface UploadInput extends RunInput {
  readonly datasetDir: string;
  /** The dataset's own NDI id. (The name is that of recorded runs.) */
  readonly datasetId: string;
  readonly target: UploadTarget;
  readonly strategy: UploadStrategy;
  /** A JSON file on the site with the metadata for creation. */
  readonly metadataPath: string | null;
  /** Default `content`. Absent in inputs of release 0.1. */
  readonly verify?: Verify;
  /** Default `list`. */
  readonly onChange?: OnChange;
}

export interface UploadResult extends CommonResult {
  readonly operation: 'upload';
  readonly documents: Counts;
  readonly files: Counts;
  readonly duplicatesRemoved: number;
  /** Absent in results of release 0.1. */
  readonly differences?: Differences;
}
