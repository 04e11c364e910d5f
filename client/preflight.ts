/**
 * Checks before a run is started: each refusal is one clear error, and nothing has changed anywhere.
 *
 *   preflightUpload     is it a dataset, linked to one cloud dataset, named; may this account write there
 *   preflightDownload   is the id one, is the target free, may this account read it
 *
 * A cloud that does not answer now is no refusal: the run waits for it.
 */
import { existsSync, readdirSync, type Stats, statSync } from 'node:fs';
import { sep } from 'node:path';
import { isLeftByFileManager } from '../disk/file-manager.ts';
import { CourierError, isCourierError } from '../errors/index.ts';
import { eachPage } from '../ndi/cloud/pages.ts';
import type { CloudClient, DatasetRecord } from '../ndi/cloud/types.ts';
import type { DatasetIdentity } from '../ndi/dataset/types.ts';
import { isCloudId } from '../ndi/ids.ts';
import type { UploadTarget } from '../workflows/contracts/index.ts';
import type { UploadSettings } from './options.ts';

/** The target of an upload, from the options alone. */
export function uploadTarget(settings: Pick<UploadSettings, 'new' | 'to' | 'asNew'>): UploadTarget {
  const { to, asNew } = settings;
  const name = settings.new ?? null;
  if (to !== undefined && (asNew || name !== null)) {
    throw new CourierError('NDI_E_USAGE', {
      detail: `--to names an existing cloud dataset; it does not go with ${asNew ? '--as-new' : '--new'}.`,
    });
  }
  if (to !== undefined) return { kind: 'to', cloudDatasetId: to.toLowerCase() };
  return asNew ? { kind: 'as-new', name } : { kind: 'linked-or-new', name };
}

/** The cloud dataset that will be written, or null when one has to be created. */
export function targetId(target: UploadTarget, identity: DatasetIdentity): string | null {
  switch (target.kind) {
    case 'to':
      return target.cloudDatasetId;
    case 'as-new':
      return null;
    case 'linked-or-new': {
      const ids = [...new Set(identity.remotes.map((remote) => remote.cloudDatasetId))];
      if (ids.length > 1) {
        throw new CourierError('NDI_E_TWO_REMOTES', { detail: `It is linked to ${ids.join(' and ')}.` });
      }
      return ids[0] ?? null;
    }
  }
}

export interface UploadPreflight {
  readonly target: UploadTarget;
  readonly identity: DatasetIdentity;
  readonly settings: Pick<UploadSettings, 'new' | 'organization'>;
  readonly cloud: CloudClient;
  /** Whether the dataset on disk has one of these documents. */
  readonly hasAnyOf: (ids: readonly string[]) => boolean;
  /**
   * Name and metadata for creation.
   * @throws NDI_E_BAD_METADATA with all problems
   */
  readonly creationName: () => Promise<string>;
  readonly log: (line: string) => void;
}

/** Null: not known before the run. */
export interface UploadPlace {
  readonly organizationId: string | null;
  /** The name of the cloud dataset, also of one that is still to be made. */
  readonly cloudName: string | null;
}

/**
 * Checks everything about an upload that the cloud and the dataset say. Returns the organisation for
 * creation, and the cloud's name.
 */
export async function preflightUpload(check: UploadPreflight): Promise<UploadPlace> {
  const id = targetId(check.target, check.identity);
  // Problems of this disk first: they need no network to be told.
  const newName = id === null ? await check.creationName() : null;
  if (newName !== null) check.log(`A new cloud dataset will be called “${newName}”.`);
  else if (check.settings.new !== undefined) {
    check.log(`It goes to ${id}, which it is linked to; --new is not used. --as-new would make another one.`);
  }
  const chosen = { organizationId: check.settings.organization ?? null, cloudName: newName };
  return askCloud<UploadPlace>(check.log, chosen, async () => {
    const me = await check.cloud.me();
    if (id !== null) {
      const record = await check.cloud.datasets.get(id);
      refuseReadOnly(record);
      if (check.target.kind === 'to') await refuseOther(check, id);
      return { ...chosen, cloudName: record.name };
    }
    const organizationId = await check.cloud.organizationId();
    const organization = me.organizations.find((candidate) => candidate.id === organizationId);
    if (organization !== undefined && !organization.canUploadDataset && !me.isAdmin) {
      throw new CourierError('NDI_E_FORBIDDEN', {
        detail: `The organisation “${organization.name}” may not create cloud datasets.`,
      });
    }
    return { ...chosen, organizationId };
  });
}

const LIST_PAGE = 1_000;

/**
 * Two datasets in one cloud dataset have two ids, and no client can open what comes down; nothing takes them
 * apart again. One that shares a document with ours, or has none, is ours. The dataset's own link is
 * believed.
 */
export async function refuseOther(
  check: Pick<UploadPreflight, 'identity' | 'cloud' | 'hasAnyOf'>,
  cloudDatasetId: string,
): Promise<void> {
  const linked = check.identity.remotes.some((remote) => remote.cloudDatasetId === cloudDatasetId);
  if (linked) return;
  let seen = 0;
  let sessions = 0;
  const pages = eachPage(LIST_PAGE, (query) => check.cloud.documents.list(cloudDatasetId, query));
  for await (const { rows } of pages) {
    if (check.hasAnyOf(rows.map((row) => row.ndiId))) return;
    seen += rows.length;
    sessions += rows.filter((row) => row.className === 'session').length;
  }
  // Without a session of its own it is not a dataset yet: a script put documents there first.
  if (sessions === 0) return;
  throw new CourierError('NDI_E_OTHER_DATASET', {
    detail: `${cloudDatasetId} has ${seen} documents, and none of them is in ${check.identity.reference}.`,
  });
}

export function refuseReadOnly(record: DatasetRecord): void {
  if (record.isPublished) throw new CourierError('NDI_E_DATASET_PUBLISHED', { detail: record.name });
  if (record.isDeleted) {
    throw new CourierError('NDI_E_NOT_FOUND', {
      detail: `The cloud dataset ${record.id} has been deleted; undelete it, or upload with --as-new.`,
    });
  }
}

export interface DownloadPreflight {
  readonly cloudDatasetId: string;
  readonly targetDir: string;
  readonly cloud: CloudClient;
  /**
   * The cloud ids that the dataset in a folder is linked to.
   * @throws as `openDataset` when it is no dataset
   */
  readonly remotesOf: (dir: string) => readonly string[];
  readonly log: (line: string) => void;
}

/** @throws NDI_E_BAD_ID for anything but a cloud id; path separators among it never reach a path. */
export function checkCloudId(id: string): string {
  if (!isCloudId(id)) {
    throw new CourierError('NDI_E_BAD_ID', {
      detail: `“${id.slice(0, 80)}” is no cloud dataset id; those have 24 hexadecimal digits.`,
    });
  }
  return id.toLowerCase();
}

/** The record's name, or null when the cloud could not be asked. */
export async function preflightDownload(check: DownloadPreflight): Promise<{ name: string | null }> {
  refuseOccupied(check);
  return askCloud<{ name: string | null }>(check.log, { name: null }, async () => {
    const record = await check.cloud.datasets.get(check.cloudDatasetId);
    if (record.isDeleted) {
      throw new CourierError('NDI_E_NOT_FOUND', {
        detail: `The cloud dataset ${record.id} has been deleted.`,
      });
    }
    return { name: record.name };
  });
}

/**
 * An identical download is a no-op and another one of the same dataset is the run's business; anything else
 * is refused.
 */
function refuseOccupied({ cloudDatasetId, targetDir, remotesOf }: DownloadPreflight): void {
  if (targetDir.split(sep).includes('.ndi')) {
    throw new CourierError('NDI_E_TARGET_OCCUPIED', {
      detail: `${targetDir} lies inside the .ndi of another dataset.`,
    });
  }
  const stat = statOf(targetDir);
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    throw new CourierError('NDI_E_TARGET_OCCUPIED', { detail: `${targetDir} is a file.` });
  }
  const entries = readdirSync(targetDir).filter((name) => !isLeftByFileManager(name));
  if (entries.length === 0) return;
  if (!existsSync(`${targetDir}/.ndi`)) {
    throw new CourierError('NDI_E_TARGET_OCCUPIED', {
      detail: `${targetDir} holds ${entries.slice(0, 3).join(', ')}${entries.length > 3 ? ', …' : ''}.`,
    });
  }
  let remotes: readonly string[];
  try {
    remotes = remotesOf(targetDir);
  } catch (cause) {
    throw new CourierError('NDI_E_TARGET_OCCUPIED', {
      detail: `${targetDir} holds something that cannot be read as a dataset.`,
      cause,
    });
  }
  if (!remotes.includes(cloudDatasetId)) {
    throw new CourierError('NDI_E_TARGET_OCCUPIED', {
      detail: `${targetDir} holds another dataset${remotes.length > 0 ? ` (cloud id ${remotes.join(', ')})` : ''}.`,
    });
  }
}

/** Undefined also for a place that cannot be looked at: the run says why, before it fetches anything. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Asks; when the cloud has no answer now, says so and lets the run deal with it. */
async function askCloud<T>(log: (line: string) => void, unknown: T, questions: () => Promise<T>): Promise<T> {
  try {
    return await questions();
  } catch (error) {
    if (isCourierError(error) && error.class === 'retryable') {
      log(`NDI Cloud does not answer now (${error.code}); the run will wait for it.`);
      return unknown;
    }
    throw error;
  }
}
