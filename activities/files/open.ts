/** The first step: is this a dataset, which cloud dataset has its binaries, and is nobody else writing it? */
import { CourierError } from '../../errors/index.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import type { FilesInput } from '../../workflows/contracts/index.ts';
import type { Linked, OpenedRun, RunNames } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { takeLease } from '../shared/lease.ts';
import { openHere } from '../shared/open-here.ts';

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

/** @throws NDI_E_NOT_LINKED, NDI_E_TWO_REMOTES */
function linkOf({ identity, dir }: DatasetReader): string {
  const ids = [...new Set(identity.remotes.map((remote) => remote.cloudDatasetId))];
  if (ids.length > 1) throw new CourierError('NDI_E_TWO_REMOTES', { detail: `They are ${ids.join(', ')}.` });
  if (ids[0] === undefined) throw new CourierError('NDI_E_NOT_LINKED', { detail: dir });
  return ids[0];
}
