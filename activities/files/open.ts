/** The first step: is this a dataset, which cloud dataset has its binaries, and is nobody else writing it? */
import { CourierError } from '../../errors/index.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import type { FilesInput } from '../../workflows/contracts/index.ts';
import type { Linked, OpenedRun, RunNames } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { takeLease } from '../shared/lease.ts';

export async function openFiles(
  deps: StepDeps,
  { signal }: StepContext,
  input: FilesInput,
  run: RunNames,
): Promise<OpenedRun & Linked> {
  const reader = openHere(deps, input);
  const cloudDatasetId = linkOf(reader);
  reader.close();
  const record = await deps.cloud(input.cloud).datasets.get(cloudDatasetId, signal);
  const ledgerPath = deps.ledgers.locate(input.datasetDir, input.ndiDatasetId);
  const ledger = deps.ledgers.open(ledgerPath);
  await takeLease(deps, ledger, run);
  const { workflowId } = run;
  ledger.run(run.runKey).audit('transfer of files started', { action: input.action, workflowId });
  return { ledgerPath, cloudDatasetId: record.id, organizationId: record.organizationId ?? '' };
}

/** Opens the dataset and makes sure that it still is the one the run was started for. */
export function openHere(deps: Pick<StepDeps, 'scratchDir'>, input: FilesInput): DatasetReader {
  const reader = openDataset(input.datasetDir, { scratchDir: deps.scratchDir });
  const { datasetId } = reader.identity;
  if (datasetId === input.ndiDatasetId) return reader;
  reader.close();
  throw new CourierError('NDI_E_NOT_A_DATASET', {
    detail: `${input.datasetDir} now holds dataset ${datasetId}, not ${input.ndiDatasetId}.`,
  });
}

/** @throws NDI_E_NOT_LINKED, NDI_E_TWO_REMOTES */
function linkOf({ identity, dir }: DatasetReader): string {
  const ids = [...new Set(identity.remotes.map((remote) => remote.cloudDatasetId))];
  if (ids.length > 1) throw new CourierError('NDI_E_TWO_REMOTES', { detail: `They are ${ids.join(', ')}.` });
  if (ids[0] === undefined) throw new CourierError('NDI_E_NOT_LINKED', { detail: dir });
  return ids[0];
}
