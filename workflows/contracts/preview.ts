/** The contract of `previewTransfer`. */
import type { CommonResult, Counts, Differences, RunInput } from './common.ts';
import type { DownloadInput } from './download.ts';
import type { OperationSpec } from './operation.ts';
import type { UploadInput } from './upload.ts';

export const previewOperation = {
  workflow: 'previewTransfer',
  noun: 'preview',
  title: 'Preview of',
  // `of` is the id of the run that is previewed.
  id: 'preview/{of}',
  phases: { planning: 'Comparing both sides' },
  counters: { documents: 'documents', files: 'files' },
  summary: 'Plans an upload or a download and writes nothing.',
} as const satisfies OperationSpec;

export interface PreviewInput extends RunInput {
  readonly of:
    | { readonly operation: 'upload'; readonly input: UploadInput }
    | { readonly operation: 'download'; readonly input: DownloadInput };
}

export interface PreviewResult extends Omit<CommonResult, 'status'> {
  readonly operation: 'preview';
  readonly status: 'planned';
  /** `transferred` is what would be moved. */
  readonly documents: Counts;
  readonly files: Counts;
  /** The differences that an upload would find. Absent for a download. */
  readonly differences?: Differences;
  /** A file in the state folder of the site: the plan by name and size. */
  readonly listPath: string;
}
