/** Datasets of an organisation: D1 and D2 (NDI Cloud contract §2.4). */
import { isCloudId, newCloudId } from '../store.ts';
import {
  type DatasetRow,
  datasetById,
  datasetRecord,
  datasetRowRecord,
  metadataOf,
} from './dataset-record.ts';
import { type Api, type Ask, type Cloud, pageOf, userOf } from './http.ts';
import { badRequest, notFound, ok, refuse, serverError } from './refusal.ts';
import { isMember, type OrganizationRow } from './users.ts';

export function registerOrganizations(api: Api): void {
  api.route('POST', '/organizations/:org/datasets', 'required', async (ask) =>
    createDataset(ask, organizationFor(ask)),
  );
  api.route('GET', '/organizations/:org/datasets', 'required', (ask) =>
    listDatasets(ask, organizationFor(ask)),
  );
}

/** The organisation by `:org`, for its members and administrators. */
export function organizationFor(ask: Ask): OrganizationRow {
  const id = ask.param('org');
  if (!isCloudId(id)) throw serverError();
  const found = ask.cloud.store.get<OrganizationRow>(
    'SELECT id, name, can_upload FROM organizations WHERE id=?',
    id,
  );
  if (found === undefined) throw notFound('Organization not found');
  const user = userOf(ask);
  if (user.is_admin !== 1 && !isMember(ask.cloud, user.id, found.id)) {
    throw refuse(403, { message: 'You are not a member of this organization' });
  }
  return found;
}

/** D1: 201. No uniqueness of names and no idempotency: asking twice makes two. */
export async function createDataset(ask: Ask, organization: OrganizationRow) {
  const body = await ask.object();
  if (organization.can_upload !== 1) throw badRequest('Organization is not allowed to upload datasets');
  const metadata = metadataOf(body);
  if (typeof metadata.name !== 'string' || metadata.name === '') throw badRequest('name is required');
  if (ask.hit('duplicate-insert') !== undefined) insertDataset(ask.cloud, organization.id, metadata);
  return ok(datasetRecord(insertDataset(ask.cloud, organization.id, metadata)), 201);
}

export function insertDataset(
  cloud: Cloud,
  organizationId: string,
  metadata: Record<string, unknown>,
  options: { id?: string; branchOf?: string } = {},
): DatasetRow {
  const id = options.id ?? newCloudId(cloud.now());
  cloud.store.run(
    'INSERT INTO datasets (id, organization_id, branch_of, metadata, created_ms, updated_ms) VALUES (?,?,?,?,?,?)',
    id,
    organizationId,
    options.branchOf ?? null,
    JSON.stringify(metadata),
    cloud.now(),
    cloud.now(),
  );
  return datasetById(cloud.store, id)!;
}

/** Newest first: MATLAB's test wants a new dataset on the first page of 20. */
export function listDatasets(ask: Ask, organization: OrganizationRow) {
  const page = pageOf(ask, 20, 1000);
  const where = 'organization_id=? AND created_ms<=? AND (deleted_ms IS NULL OR deleted_ms>?)';
  const values = [organization.id, ask.asOf(), ask.asOf()] as const;
  const order = ask.hit('unstable-order') === undefined ? 'seq DESC' : 'random()';
  const rows = ask.cloud.store.all<DatasetRow>(
    `SELECT * FROM datasets WHERE ${where} ORDER BY ${order} LIMIT ? OFFSET ?`,
    ...values,
    page.pageSize,
    page.offset,
  );
  const total =
    ask.cloud.store.get<{ n: number }>(`SELECT count(*) n FROM datasets WHERE ${where}`, ...values)?.n ?? 0;
  return ok({
    totalNumber: total,
    page: page.page,
    pageSize: page.pageSize,
    datasets: rows.map(datasetRowRecord),
  });
}
