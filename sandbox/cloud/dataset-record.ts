/** A dataset as rows and records: who may see it, what its answers look like, which metadata is kept. */
import { isCloudId, type Store } from '../store.ts';
import { type Ask, type Cloud, isObject, iso } from './http.ts';
import { badRequest, notFound, refuse, serverError, type UserRow } from './refusal.ts';
import { isMember } from './users.ts';
import { refuseLocked } from './write-lock-record.ts';

export interface DatasetRow {
  seq: number;
  id: string;
  organization_id: string;
  branch_of: string | null;
  metadata: string;
  is_submitted: number;
  is_published: number;
  is_publishing: number;
  is_unpublishing: number;
  publish_total: number;
  unpublish_total: number;
  document_count: number;
  total_size: number;
  created_ms: number;
  updated_ms: number;
  uploaded_ms: number | null;
  deleted_ms: number | null;
  purge_ms: number | null;
}

const TEXT_FIELDS = [
  'name',
  'branchName',
  'abstract',
  'affiliation',
  'brainRegions',
  'species',
  'pubMedId',
  'doi',
  'license',
];
const NUMBER_FIELDS = ['neurons', 'numberOfSubjects'];
/**
 * Members of the entries that the backend's schema knows; others are dropped, such as MATLAB's `orchid`
 * (§8.2).
 */
const LIST_FIELDS: Readonly<Record<string, readonly string[]>> = {
  contributors: ['firstName', 'lastName', 'orcid', 'contact'],
  correspondingAuthors: ['firstName', 'lastName', 'orcid'],
  funding: ['source'],
  associatedPublications: ['DOI', 'title', 'PMID', 'PMCID'],
};

/**
 * Keeps what the cloud's schema knows (§8.1); an object where a list belongs becomes a list of one. Unknown
 * keys are dropped.
 */
export function metadataOf(body: Record<string, unknown>): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body)) {
    if (value === null || value === undefined) continue;
    if (TEXT_FIELDS.includes(name)) kept[name] = typeof value === 'string' ? value : String(value);
    else if (NUMBER_FIELDS.includes(name)) {
      const number = Number(value);
      if (!Number.isFinite(number)) throw badRequest(`${name} must be a number`);
      kept[name] = number;
    } else if (name in LIST_FIELDS) {
      const members = LIST_FIELDS[name] ?? [];
      const entries = (Array.isArray(value) ? value : [value]).filter(isObject);
      kept[name] = entries.map((entry) =>
        Object.fromEntries(members.flatMap((m) => (m in entry ? [[m, entry[m]]] : []))),
      );
    }
  }
  return kept;
}

export const datasetById = (store: Store, id: string): DatasetRow | undefined =>
  store.get<DatasetRow>('SELECT * FROM datasets WHERE id=?', id);

export const mayRead = (cloud: Cloud, user: UserRow | undefined, dataset: DatasetRow): boolean =>
  dataset.is_published === 1 ||
  (user !== undefined && (user.is_admin === 1 || isMember(cloud, user.id, dataset.organization_id)));

/** Past its purge time, a dataset is gone, swept or not. */
export const isGone = (dataset: DatasetRow, nowMs: number): boolean =>
  dataset.purge_ms !== null && dataset.purge_ms <= nowMs;

/**
 * The dataset that a route is about, by `:d`. `read`: published, or a member's; `member`: a member's;
 * `write`: that, and nobody else holds its write lock (423, §2.11); `content`: that, and not published, for
 * published content does not change. Malformed id 500, unknown 404 (§2.0), foreign 403, anonymous 401.
 */
export function datasetFor(
  ask: Ask,
  need: 'read' | 'member' | 'write' | 'content',
  options: { deleted?: boolean } = {},
): DatasetRow {
  const { cloud, user } = ask;
  const id = ask.param('d');
  if (!isCloudId(id)) throw serverError();
  const dataset = datasetById(cloud.store, id.toLowerCase());
  const hidden =
    dataset === undefined ||
    isGone(dataset, cloud.now()) ||
    (dataset.deleted_ms !== null && options.deleted !== true) ||
    dataset.created_ms > ask.asOf();
  if (hidden) throw notFound('Dataset not found');
  if (need === 'read' && mayRead(cloud, user, dataset)) return dataset;
  if (user === undefined) throw refuse(401, { message: 'Unauthorized' });
  if (user.is_admin !== 1 && !isMember(cloud, user.id, dataset.organization_id)) {
    throw refuse(403, { message: 'You do not have access to this dataset' });
  }
  if (need === 'write' || need === 'content') refuseLocked(cloud, user.id, dataset.id);
  if (need === 'content' && dataset.is_published === 1)
    throw badRequest('A published dataset cannot be changed');
  return dataset;
}

/** A row of the dataset lists ("DatasetListResult", §2.4 D2): less than the record. */
export function datasetRowRecord(dataset: DatasetRow): Record<string, unknown> {
  const metadata = JSON.parse(dataset.metadata) as Record<string, unknown>;
  return {
    id: dataset.id,
    _id: dataset.id,
    name: metadata.name,
    organizationId: dataset.organization_id,
    createdAt: iso(dataset.created_ms),
    updatedAt: iso(dataset.updated_ms),
    ...(dataset.uploaded_ms === null ? {} : { uploadedAt: iso(dataset.uploaded_ms) }),
    branchName: metadata.branchName ?? 'main',
    isSubscribed: false,
    isPublished: dataset.is_published === 1,
    contributors: metadata.contributors ?? [],
    doi: metadata.doi ?? '',
    funding: metadata.funding ?? [],
    abstract: metadata.abstract ?? '',
    ...(metadata.license === undefined ? {} : { license: metadata.license }),
    correspondingAuthors: metadata.correspondingAuthors ?? [],
    totalSize: dataset.total_size,
    ...(dataset.branch_of === null ? {} : { branchOf: dataset.branch_of }),
    documentCount: dataset.document_count,
    ...(dataset.deleted_ms === null || dataset.purge_ms === null
      ? {}
      : {
          isDeleted: true,
          deleteCommandTime: iso(dataset.deleted_ms),
          deleteOccurrenceTime: iso(dataset.purge_ms),
        }),
  };
}

/** The full record (D3) without what lies in other tables. */
export function datasetRecord(dataset: DatasetRow): Record<string, unknown> {
  const metadata = JSON.parse(dataset.metadata) as Record<string, unknown>;
  const progress = (total: number, running: number) => ({
    total,
    completed: running === 1 ? 0 : total,
    failed: 0,
  });
  return {
    ...datasetRowRecord(dataset),
    isSubmitted: dataset.is_submitted === 1,
    isPublishing: dataset.is_publishing === 1,
    isUnpublishing: dataset.is_unpublishing === 1,
    publishProgress: progress(dataset.publish_total, dataset.is_publishing),
    unpublishProgress: progress(dataset.unpublish_total, dataset.is_unpublishing),
    isDeleted: dataset.deleted_ms !== null,
    associatedPublications: metadata.associatedPublications ?? [],
    affiliation: metadata.affiliation ?? '',
    brainRegions: metadata.brainRegions ?? '',
    species: metadata.species ?? '',
    neurons: metadata.neurons ?? 0,
    numberOfSubjects: metadata.numberOfSubjects ?? 0,
    pubMedId: metadata.pubMedId ?? '',
    __v: 0,
  };
}
