/** The tie between a dataset folder and a cloud dataset: one `dataset_remote` document (contract §5.1). */
import { resolve } from 'node:path';
import { CourierError } from '../errors/index.ts';
import { existingLedgerPath } from '../ledger/locate.ts';
import { openLedger } from '../ledger/open.ts';
import { linkRemote, unlinkRemote } from '../ndi/dataset/finish.ts';
import type { AccountChoice } from './accounts.ts';
import type { Context } from './context.ts';
import { hasAnyDocument, identityOf } from './datasets.ts';
import { checkCloudId, refuseOther, refuseReadOnly } from './preflight.ts';

export interface LinkOptions extends Pick<AccountChoice, 'profile'> {
  /** The dataset folder. */
  readonly dir: string;
  /** The cloud's id of the dataset. */
  readonly cloudDatasetId: string;
  /** Take the place of links to other cloud datasets instead of refusing. Default false. */
  readonly replace?: boolean;
}

export interface LinkResult {
  readonly directory: string;
  readonly ndiDatasetId: string;
  readonly datasetId: string;
  readonly organizationId: string;
  /** The name of the cloud dataset. */
  readonly name: string;
  /** The `dataset_remote` document. */
  readonly documentId: string;
}

export interface UnlinkResult {
  readonly directory: string;
  /** The cloud's ids of the datasets to which the folder was linked. */
  readonly datasetIds: readonly string[];
}

/**
 * Links the folder to a cloud dataset that exists and holds this dataset or nothing. Done again, it changes
 * nothing.
 * @throws NDI_E_BAD_ID, NDI_E_NOT_FOUND, NDI_E_DATASET_PUBLISHED, NDI_E_OTHER_DATASET, NDI_E_TWO_REMOTES,
 *   NDI_E_DATASET_IN_USE while a run works on the dataset, NDI_E_READ_ONLY, NDI_E_DATABASE_BUSY
 */
export async function linkDataset(context: Context, options: LinkOptions): Promise<LinkResult> {
  const directory = resolve(options.dir);
  const identity = identityOf(directory);
  const id = checkCloudId(options.cloudDatasetId);
  const { client } = await context.accounts.open(options);
  try {
    const record = await client.datasets.get(id);
    refuseReadOnly(record);
    await refuseOther({ identity, cloud: client, hasAnyOf: (ids) => hasAnyDocument(directory, ids) }, id);
    const organizationId = record.organizationId ?? (await client.organizationId());
    const target = { cloudDatasetId: id, organizationId, datasetId: identity.datasetId };
    await refuseWhileRunning(context, directory, identity.datasetId);
    const documentId = linkRemote(directory, { ...target, replace: options.replace ?? false });
    return {
      directory,
      ndiDatasetId: identity.datasetId,
      datasetId: id,
      organizationId,
      name: record.name,
      documentId,
    };
  } finally {
    await client.close();
  }
}

/**
 * Removes the link, or all of them. The cloud dataset stays as it is.
 * @throws NDI_E_NOT_LINKED, NDI_E_DATASET_IN_USE while a run works on the dataset, NDI_E_READ_ONLY,
 * NDI_E_DATABASE_BUSY
 */
export async function unlinkDataset(context: Context, dir: string): Promise<UnlinkResult> {
  const directory = resolve(dir);
  const { datasetId, remotes } = identityOf(directory);
  const datasetIds = remotes.map(({ cloudDatasetId }) => cloudDatasetId);
  if (datasetIds.length === 0) throw new CourierError('NDI_E_NOT_LINKED', { detail: directory });
  await refuseWhileRunning(context, directory, datasetId);
  unlinkRemote(directory);
  return { directory, datasetIds };
}

/** A run reads the link once and works with it. No ledger is made: without one no run has worked here. */
export async function refuseWhileRunning(
  { service }: Context,
  datasetDir: string,
  datasetId: string,
): Promise<void> {
  const path = existingLedgerPath({ datasetDir, datasetId, stateHome: await service.homeDir() });
  if (path === undefined) return;
  const ledger = openLedger(path);
  try {
    const holder = ledger.lease.holder();
    if (holder === undefined || holder.expiresAtMs <= Date.now()) return;
    throw new CourierError('NDI_E_DATASET_IN_USE', {
      detail: `${holder.workflowId} (${holder.holder}). The link was not changed; try again when that run has ended.`,
    });
  } finally {
    ledger.close();
  }
}
