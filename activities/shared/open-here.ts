/** The dataset folder of a run, opened for one of its steps. */
import { CourierError } from '../../errors/index.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import type { StepDeps } from '../deps.ts';

/** Opens the dataset and makes sure that it still is the one the run was started for. */
export function openHere(
  deps: Pick<StepDeps, 'scratchDir'>,
  { datasetDir, ndiDatasetId }: { readonly datasetDir: string; readonly ndiDatasetId: string },
): DatasetReader {
  const reader = openDataset(datasetDir, { scratchDir: deps.scratchDir });
  const { datasetId } = reader.identity;
  if (datasetId === ndiDatasetId) return reader;
  reader.close();
  throw new CourierError('NDI_E_NOT_A_DATASET', {
    detail: `${datasetDir} now holds dataset ${datasetId}, not ${ndiDatasetId}.`,
  });
}
