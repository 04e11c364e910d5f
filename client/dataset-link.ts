/** The tie between a dataset folder and a cloud dataset: one `dataset_remote` document (contract §5.1). */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { CourierError } from '../errors/index.ts';
import { ledgerPath } from '../ledger/locate.ts';
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
    const dataset = { datasetDir: directory, datasetId: identity.datasetId };
    const documentId = await withLease(context, dataset, 'dataset link', () =>
      linkRemote(directory, { ...target, replace: options.replace ?? false }),
    );
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
  await withLease(context, { datasetDir: directory, datasetId }, 'dataset unlink', () =>
    unlinkRemote(directory),
  );
  return { directory, datasetIds };
}

/** Longer than any of these takes; one that was killed is in nobody's way for longer than that. */
const HOLD_MS = 60_000;

/**
 * Does something that no run may see half done, under the lease of the dataset: a run reads the link once
 * and works with it. A lease that has run out belongs to a run that may still be parked. It is left as it is: taking it
 * would end that run.
 * @throws NDI_E_DATASET_IN_USE while a run works on the dataset
 */
export async function withLease<Result>(
  { service }: Context,
  dataset: { readonly datasetDir: string; readonly datasetId: string },
  what: string,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  const ledger = openLedger(ledgerPath({ ...dataset, stateHome: await service.homeDir() }));
  const runKey = randomUUID();
  try {
    const answer = ledger.lease.acquire({
      workflowId: `${what} ${dataset.datasetDir}`,
      runKey,
      holder: `${hostname()}, process ${process.pid}`,
      ttlMs: HOLD_MS,
    });
    if (!answer.held && !answer.hasRunOut) {
      const { workflowId, holder } = answer.by;
      throw new CourierError('NDI_E_DATASET_IN_USE', {
        detail: `${workflowId} (${holder}). Nothing was changed; try again when that has ended.`,
      });
    }
    return await work();
  } finally {
    ledger.lease.release(runKey);
    ledger.close();
  }
}
