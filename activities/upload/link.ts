/**
 * Which cloud dataset an upload goes to. A dataset is linked by its one `dataset_remote` document (contract §5.1);
 * without one a cloud dataset is created, once, and linked.
 */
import { CourierError } from '../../errors/index.ts';
import type { Ledger } from '../../ledger/types.ts';
import type { CloudClient } from '../../ndi/cloud/types.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import { linkRemote, unlinkRemote } from '../../ndi/dataset/write.ts';
import { metadataFromDataset, metadataFromFile } from '../../ndi/metadata/index.ts';
import type { UploadInput, UploadTarget } from '../../workflows/contracts.ts';
import type { Linked } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { createDatasetOnce } from './create.ts';
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
    const chosen = ledger.fact(run.runKey, 'cloudDatasetId') ?? existingTarget(reader, input.target);
    const linked =
      chosen === undefined
        ? await create(context, cloud, ledger, run.runKey, input, reader)
        : await writableDataset(context, cloud, chosen);
    ledger.setFact(run.runKey, 'cloudDatasetId', linked.cloudDatasetId);
    await link(ledger, run.runKey, input, reader, linked);
    ledger.audit(run.runKey, 'linked', linked);
    return linked;
  } finally {
    reader.close();
  }
}

/** The cloud dataset that is meant, unless one must be created. Errors: NDI_E_TWO_REMOTES. */
function existingTarget(reader: DatasetReader, target: UploadTarget): string | undefined {
  if (target.kind === 'to') return target.cloudDatasetId;
  if (target.kind === 'as-new') return undefined;
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
    input.metadataPath === null
      ? (metadataFromDataset(reader) ?? {})
      : await metadataFromFile(input.metadataPath);
  const given = input.target.kind === 'to' ? null : input.target.name;
  const name = given ?? ('name' in metadata ? metadata.name : undefined);
  if (name === undefined) throw new CourierError('NDI_E_NAME_NEEDED');
  const organizationId = await cloud.organizationId(context.signal);
  const cloudDatasetId = await createDatasetOnce(context, {
    cloud,
    ledger,
    runKey,
    organizationId,
    metadata: { ...metadata, name },
    tuning: input.tuning,
  });
  return { cloudDatasetId, organizationId };
}

/** Makes the dataset's own link say where it goes. A folder that cannot be written keeps the link in the ledger. */
async function link(
  ledger: Ledger,
  runKey: string,
  input: UploadInput,
  reader: DatasetReader,
  linked: Linked,
): Promise<void> {
  const { remotes } = reader.identity;
  const [only] = remotes;
  if (remotes.length === 1 && only?.cloudDatasetId === linked.cloudDatasetId) return;
  try {
    const others = remotes.filter((remote) => remote.cloudDatasetId !== linked.cloudDatasetId);
    if (others.length > 0) {
      unlinkRemote(
        input.datasetDir,
        others.map((remote) => remote.documentId),
      );
    }
    linkRemote(input.datasetDir, { ...linked, datasetId: input.datasetId });
  } catch (error) {
    if (!(error instanceof CourierError) || error.code !== 'NDI_E_READ_ONLY') throw error;
    ledger.addProblem(runKey, {
      kind: 'dataset',
      id: input.datasetId,
      code: error.code,
      detail: `The link to ${linked.cloudDatasetId} could not be written into ${input.datasetDir}.`,
    });
  }
}
