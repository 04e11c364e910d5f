/** The first step of an upload: is this a dataset, and is nobody else writing it? */
import { CourierError } from '../../errors/index.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { OpenedRun, RunNames } from '../../workflows/steps.ts';
import type { StepDeps } from '../deps.ts';
import { takeLease } from '../shared/lease.ts';

export async function openUpload(deps: StepDeps, input: UploadInput, run: RunNames): Promise<OpenedRun> {
  const reader = openSource(deps, input);
  try {
    const ledgerPath = deps.ledgers.locate(input.datasetDir, input.datasetId);
    const ledger = deps.ledgers.open(ledgerPath);
    await takeLease(deps, ledger, run);
    const { workflowId } = run;
    ledger.run(run.runKey).audit('upload started', { directory: input.datasetDir, workflowId });
    return { ledgerPath };
  } finally {
    reader.close();
  }
}

/** Opens the dataset and makes sure that it still is the one the run was started for. */
export function openSource(deps: Pick<StepDeps, 'scratchDir'>, input: UploadInput): DatasetReader {
  const reader = openDataset(input.datasetDir, { scratchDir: deps.scratchDir });
  const { datasetId } = reader.identity;
  if (datasetId === input.datasetId) return reader;
  reader.close();
  throw new CourierError('NDI_E_NOT_A_DATASET', {
    detail: `${input.datasetDir} now holds dataset ${datasetId}, not ${input.datasetId}.`,
  });
}
