/**
 * Which cloud dataset an upload goes to. A dataset is linked by its one `dataset_remote` document (contract §5.1);
 * without one a cloud dataset is created, once, and linked.
 */
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { Ledger } from '../../ledger/types.ts';
import type { CloudClient } from '../../ndi/cloud/types.ts';
import { linkRemote } from '../../ndi/dataset/finish.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import { metadataFromDataset, metadataFromFile } from '../../ndi/metadata/metadata.ts';
import type { UploadInput, UploadTarget } from '../../workflows/contracts/index.ts';
import type { Linked } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { createDatasetOnce, creationIsLinked } from './create.ts';
import { openSource } from './open.ts';

export async function linkOrCreate(
  deps: StepDeps,
  context: StepContext,
  input: UploadInput,
  run: { runKey: string; ledgerPath: string },
): Promise<Linked> {
  const ledger = deps.ledgers.open(run.ledgerPath);
  const cloud = deps.cloud(input.cloud);
  const reader = openSource(deps, input);
  try {
    // Chosen in an earlier try: creating is behind us, the link may not be.
    const chosen = ledger.fact(run.runKey, 'cloudDatasetId') ?? existingTarget(reader, ledger, input.target);
    const linked =
      chosen === undefined
        ? await create(context, cloud, ledger, run.runKey, input, reader)
        : await writableDataset(context, cloud, chosen);
    ledger.setFact(run.runKey, 'cloudDatasetId', linked.cloudDatasetId);
    link(ledger, input, reader, linked);
    creationIsLinked(ledger, linked.cloudDatasetId);
    ledger.audit(run.runKey, 'linked', linked);
    return linked;
  } finally {
    reader.close();
  }
}

/** The cloud dataset that is meant, unless one must be created. Errors: NDI_E_TWO_REMOTES. */
function existingTarget(reader: DatasetReader, ledger: Ledger, target: UploadTarget): string | undefined {
  if (target.kind === 'to') return target.cloudDatasetId;
  if (target.kind === 'as-new') return undefined;
  const kept = keptLink(ledger);
  if (kept !== undefined && kept.insteadOf === linksOf(reader)) return kept.cloudDatasetId;
  const ids = new Set(reader.identity.remotes.map((remote) => remote.cloudDatasetId));
  // MATLAB refuses two documents, whatever they say; two that agree are harmless.
  if (ids.size > 1) {
    throw new CourierError('NDI_E_TWO_REMOTES', { detail: `They are ${[...ids].join(', ')}.` });
  }
  return [...ids][0];
}

/** Errors: NDI_E_NOT_FOUND, NDI_E_FORBIDDEN, NDI_E_DATASET_PUBLISHED (contract §2.11: published means immutable). */
async function writableDataset(
  context: StepContext,
  cloud: CloudClient,
  cloudDatasetId: string,
): Promise<Linked> {
  const record = await cloud.datasets.get(cloudDatasetId, context.signal);
  if (record.isDeleted)
    throw new CourierError('NDI_E_NOT_FOUND', { detail: `${cloudDatasetId} was deleted.` });
  if (record.isPublished) throw new CourierError('NDI_E_DATASET_PUBLISHED', { detail: cloudDatasetId });
  // File addresses need the dataset's own organisation, which need not be the account's first one (§2.7).
  const organizationId = record.organizationId ?? (await cloud.organizationId(context.signal));
  return { cloudDatasetId: record.id, organizationId };
}

async function create(
  context: StepContext,
  cloud: CloudClient,
  ledger: Ledger,
  runKey: string,
  input: UploadInput,
  reader: DatasetReader,
): Promise<Linked> {
  const metadata =
    input.metadataPath === null ? metadataFromDataset(reader) : metadataFromFile(input.metadataPath);
  const given = input.target.kind === 'to' ? null : input.target.name;
  const name = given ?? metadata?.name ?? reader.identity.reference;
  const organizationId = await cloud.organizationId(context.signal);
  const cloudDatasetId = await createDatasetOnce(context, {
    cloud,
    baseUrl: input.cloud.baseUrl,
    ledger,
    runKey,
    organizationId,
    metadata: { ...metadata, name },
    tuning: input.tuning,
  });
  return { cloudDatasetId, organizationId };
}

/** Makes the dataset's own link say where it goes. A folder that cannot be written keeps the link in the ledger. */
function link(ledger: Ledger, input: UploadInput, reader: DatasetReader, linked: Linked): void {
  const { remotes } = reader.identity;
  if (remotes.length > 0 && remotes.every((remote) => remote.cloudDatasetId === linked.cloudDatasetId)) {
    ledger.setDatasetFact(KEPT_LINK, null);
    return;
  }
  try {
    // People said where it goes: links to elsewhere give way.
    linkRemote(input.datasetDir, { ...linked, datasetId: input.datasetId, replace: true });
    ledger.setDatasetFact(KEPT_LINK, null);
  } catch (error) {
    // Said among the problems at the end, with what else could not be written.
    if (!isCourierError(error, 'NDI_E_READ_ONLY')) throw error;
    const kept: KeptLink = { cloudDatasetId: linked.cloudDatasetId, insteadOf: linksOf(reader) };
    ledger.setDatasetFact(KEPT_LINK, JSON.stringify(kept));
  }
}

const KEPT_LINK = 'link';

/** Where a dataset goes whose folder could not be written. */
interface KeptLink {
  readonly cloudDatasetId: string;
  /** What the folder says. When it says something else, somebody has written it since, and that counts. */
  readonly insteadOf: string;
}

function keptLink(ledger: Ledger): KeptLink | undefined {
  const text = ledger.datasetFact(KEPT_LINK);
  return text === undefined ? undefined : (JSON.parse(text) as KeptLink);
}

const linksOf = ({ identity }: DatasetReader): string =>
  identity.remotes
    .map((remote) => remote.cloudDatasetId)
    .sort()
    .join(' ');
