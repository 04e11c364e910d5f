/**
 * Which cloud dataset an upload goes to. A dataset is linked by its one `dataset_remote` document
 * (contract §5.1); without one a cloud dataset is created, once, and linked.
 */
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { DatasetLedger } from '../../ledger/dataset-ledger.ts';
import { DATASET_FACTS, RUN_FACTS } from '../../ledger/fact-keys.ts';
import { linkRemote } from '../../ndi/dataset/finish.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import { metadataFromDataset, metadataFromFile } from '../../ndi/metadata/metadata.ts';
import type { UploadInput, UploadTarget } from '../../workflows/contracts/index.ts';
import type { Linked } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { createDatasetOnce, creationIsLinked } from './create.ts';
import { refuseHybrid } from './elsewhere.ts';
import { openSource } from './open.ts';

export async function linkOrCreate(scope: RunScope, input: UploadInput): Promise<Linked> {
  const { ledger, deps } = scope;
  const reader = openSource(deps, input);
  try {
    // Chosen in an earlier attempt: creating is behind us, the link may not be.
    const chosen =
      ledger.facts.get(RUN_FACTS.cloudDatasetId) ?? existingTarget(reader, ledger.dataset, input.target);
    const linked =
      chosen === undefined ? await create(scope, input, reader) : await writableDataset(scope, chosen);
    ledger.facts.set(RUN_FACTS.cloudDatasetId, linked.cloudDatasetId);
    link(ledger.dataset, input, reader, linked);
    creationIsLinked(ledger.dataset, linked.cloudDatasetId);
    ledger.audit('linked', linked);
    return linked;
  } finally {
    reader.close();
  }
}

/** The cloud dataset that is meant, unless one must be created. @throws NDI_E_TWO_REMOTES */
export function existingTarget(
  reader: DatasetReader,
  ledger: DatasetLedger,
  target: UploadTarget,
): string | undefined {
  if (target.kind === 'to') return target.cloudDatasetId;
  if (target.kind === 'as-new') return undefined;
  const kept = ledger.facts.get(DATASET_FACTS.keptLink);
  if (kept !== undefined && kept.insteadOf === linksOf(reader)) return kept.cloudDatasetId;
  const ids = new Set(reader.identity.remotes.map((remote) => remote.cloudDatasetId));
  // MATLAB refuses two documents, whatever they say; two that agree are harmless.
  if (ids.size > 1) {
    throw new CourierError('NDI_E_TWO_REMOTES', { detail: `They are ${[...ids].join(', ')}.` });
  }
  return [...ids][0];
}

/**
 * The cloud dataset, if it can be written. @throws NDI_E_NOT_FOUND, NDI_E_FORBIDDEN, NDI_E_DATASET_PUBLISHED
 * (contract §2.11: published means immutable)
 */
export async function writableDataset(
  { cloud, signal }: Pick<RunScope, 'cloud' | 'signal'>,
  cloudDatasetId: string,
): Promise<Linked> {
  const record = await cloud.datasets.get(cloudDatasetId, signal);
  if (record.isDeleted)
    throw new CourierError('NDI_E_NOT_FOUND', { detail: `${cloudDatasetId} was deleted.` });
  if (record.isPublished) throw new CourierError('NDI_E_DATASET_PUBLISHED', { detail: cloudDatasetId });
  // File addresses need the dataset's own organisation, which need not be the account's first one (§2.7).
  const organizationId = record.organizationId ?? (await cloud.organizationId(signal));
  return { cloudDatasetId: record.id, organizationId };
}

async function create(scope: RunScope, input: UploadInput, reader: DatasetReader): Promise<Linked> {
  refuseHybrid(reader);
  const metadata =
    input.metadataPath === null ? metadataFromDataset(reader) : metadataFromFile(input.metadataPath);
  const given = input.target.kind === 'to' ? null : input.target.name;
  const name = given ?? metadata?.name ?? reader.identity.reference;
  const organizationId = await scope.cloud.organizationId(scope.signal);
  const creation = { baseUrl: input.cloud.baseUrl, organizationId, metadata: { ...metadata, name } };
  return { cloudDatasetId: await createDatasetOnce(scope, creation), organizationId };
}

/**
 * Makes the dataset's own link say where it goes. A folder that cannot be written keeps the link in the
 * ledger.
 */
function link(ledger: DatasetLedger, input: UploadInput, reader: DatasetReader, linked: Linked): void {
  const { remotes } = reader.identity;
  if (remotes.length > 0 && remotes.every((remote) => remote.cloudDatasetId === linked.cloudDatasetId)) {
    ledger.facts.set(DATASET_FACTS.keptLink, null);
    return;
  }
  try {
    // People said where it goes: links to elsewhere give way.
    linkRemote(input.datasetDir, { ...linked, datasetId: input.datasetId, replace: true });
    ledger.facts.set(DATASET_FACTS.keptLink, null);
  } catch (error) {
    // Said among the problems at the end, with what else could not be written.
    if (!isCourierError(error, 'NDI_E_READ_ONLY')) throw error;
    const { cloudDatasetId } = linked;
    ledger.facts.set(DATASET_FACTS.keptLink, { cloudDatasetId, insteadOf: linksOf(reader) });
  }
}

const linksOf = ({ identity }: DatasetReader): string =>
  identity.remotes
    .map((remote) => remote.cloudDatasetId)
    .sort()
    .join(' ');
