/** The contract of `transferFiles`. */
import type { Selection } from '../../ndi/dataset/selection.ts';
import type { CommonResult, Counts, RunInput } from './common.ts';
import type { OperationSpec } from './operation.ts';

export const filesOperation = {
  workflow: 'transferFiles',
  noun: 'transfer of files',
  title: 'Files of',
  id: 'files/{ndiDatasetId}@{site}',
  phases: {
    opening: 'Opening the dataset',
    planning: 'Looking which files are meant',
    files: 'Moving files',
    finishing: 'Updating the documents',
  },
  counters: { files: 'files' },
  summary:
    'Fetches binaries of a dataset that is here without them, or lets go of binaries that the cloud has.',
} as const satisfies OperationSpec;

/** `get` brings binaries here. `drop` lets go of those that the cloud has with the same bytes. */
export type FilesAction = 'get' | 'drop';

export interface FilesInput extends RunInput {
  readonly datasetDir: string;
  readonly ndiDatasetId: string;
  readonly action: FilesAction;
  /** Null: the files of all documents. */
  readonly selection: Selection | null;
}

export interface FilesResult extends CommonResult {
  readonly operation: 'files';
  readonly action: FilesAction;
  readonly files: Counts;
}
