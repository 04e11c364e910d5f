/**
 * The first step of a sync: is this a dataset, which cloud dataset is the other side, is nobody else writing
 * it, and is the base of these two sides?
 */
import { CourierError } from '../../errors/index.ts';
import { DATASET_FACTS, type Generation, RUN_FACTS } from '../../ledger/fact-keys.ts';
import { type DatabaseStamp, databaseStamp } from '../../ndi/dataset/stamp.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { Linked, OpenedRun, RunNames } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { takeLease } from '../shared/lease.ts';
import { openHere } from '../shared/open-here.ts';
import { existingTarget } from '../upload/link.ts';

export async function openSync(
  deps: StepDeps,
  { signal }: StepContext,
  input: SyncInput,
  run: RunNames,
): Promise<OpenedRun & Linked> {
  const ledgerPath = deps.ledgers.locate(input.datasetDir, input.ndiDatasetId);
  const ledger = deps.ledgers.open(ledgerPath);
  const reader = openHere(deps, input);
  let linked: string | undefined;
  try {
    linked = existingTarget(reader, ledger, { kind: 'linked-or-new', name: null });
  } finally {
    reader.close();
  }
  if (linked === undefined) throw new CourierError('NDI_E_NOT_LINKED', { detail: input.datasetDir });
  const record = await deps.cloud(input.cloud).datasets.get(linked, signal);
  if (record.isDeleted) throw new CourierError('NDI_E_NOT_FOUND', { detail: `${linked} was deleted.` });
  if (record.isPublished && writesCloud(input))
    throw new CourierError('NDI_E_DATASET_PUBLISHED', { detail: linked });
  await takeLease(deps, ledger, run);
  const runLedger = ledger.run(run.runKey);
  const updatedAt = String(record.raw.updatedAt ?? '');
  const lost = whyLost(ledger.facts.get(DATASET_FACTS.generation), {
    cloudDatasetId: record.id,
    stamp: databaseStamp(input.datasetDir),
    updatedAt,
  });
  if (lost !== undefined) runLedger.facts.set(RUN_FACTS.baseLost, lost);
  runLedger.facts.set(RUN_FACTS.cloudUpdatedAt, updatedAt);
  runLedger.audit('sync started', {
    directory: input.datasetDir,
    mode: input.mode,
    workflowId: run.workflowId,
  });
  return { ledgerPath, cloudDatasetId: record.id, organizationId: record.organizationId ?? '' };
}

const writesCloud = ({ mode, dryRun }: SyncInput): boolean =>
  !dryRun && mode !== 'download-new' && mode !== 'mirror-from-cloud';

interface Sides {
  readonly cloudDatasetId: string;
  readonly stamp: DatabaseStamp;
  readonly updatedAt: string;
}

/**
 * Why the base is not of these two sides, in a sentence; undefined when it is. A lost base must never produce
 * a delete (peers §3.1, rule 3).
 */
export function whyLost(known: Generation | undefined, now: Sides): string | undefined {
  if (known === undefined) return 'Both sides have not been compared before.';
  if (known.cloudDatasetId !== now.cloudDatasetId)
    return `Both sides agreed before on another cloud dataset, ${known.cloudDatasetId}.`;
  if (known.stamp.inode !== now.stamp.inode)
    return 'The database of the folder is another file than the one both sides agreed on.';
  if (known.stamp.changes > now.stamp.changes)
    return 'The database of the folder is older than what both sides agreed on, as a restored backup is.';
  if (known.cloudUpdatedAt !== null && Date.parse(known.cloudUpdatedAt) > Date.parse(now.updatedAt))
    return 'The cloud dataset is older than what both sides agreed on.';
  return undefined;
}
