/** The first step of an upload: is this a dataset, and is nobody else writing it? */
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { OpenedRun, RunNames } from '../../workflows/steps.ts';
import type { StepDeps } from '../deps.ts';
import { takeLease } from '../shared/lease.ts';
import { openHere } from '../shared/open-here.ts';

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

/** @throws NDI_E_NOT_A_DATASET for a folder that holds another dataset by now */
export const openSource = (
  deps: Pick<StepDeps, 'scratchDir'>,
  { datasetDir, datasetId }: UploadInput,
): DatasetReader => openHere(deps, { datasetDir, ndiDatasetId: datasetId });
