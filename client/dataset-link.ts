/** The tie between a dataset folder and a cloud dataset: one `dataset_remote` document (contract §5.1). */
import { resolve } from 'node:path';
import { CourierError } from '../errors/index.ts';
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

/**
 * Links the folder to a cloud dataset that exists and holds this dataset or nothing. Done again, it changes nothing.
 * @throws NDI_E_BAD_ID, NDI_E_NOT_FOUND, NDI_E_DATASET_PUBLISHED, NDI_E_OTHER_DATASET, NDI_E_TWO_REMOTES, NDI_E_READ_ONLY, NDI_E_DATABASE_BUSY
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
 * @throws NDI_E_NOT_LINKED, NDI_E_READ_ONLY, NDI_E_DATABASE_BUSY
 */
export function unlinkDataset(dir: string): {
  readonly directory: string;
  readonly datasetIds: readonly string[];
} {
  const directory = resolve(dir);
  const datasetIds = identityOf(directory).remotes.map(({ cloudDatasetId }) => cloudDatasetId);
  if (datasetIds.length === 0) throw new CourierError('NDI_E_NOT_LINKED', { detail: directory });
  unlinkRemote(directory);
  return { directory, datasetIds };
}
