/** Datasets: D3–D18 (NDI Cloud contract §2.4). */
import type { SQLInputValue } from 'node:sqlite';
import { newCloudId } from '../store.ts';
import {
  type DatasetRow,
  datasetById,
  datasetFor,
  datasetRecord,
  datasetRowRecord,
  mayRead,
  metadataOf,
} from './dataset-record.ts';
import { fileRowsOf, fileTotals } from './files.ts';
import { type Api, type Ask, type Cloud, iso, pageOf, textOf, userOf, whenMs } from './http.ts';
import { insertDataset } from './organizations.ts';
import { badRequest, ok, refuse } from './refusal.ts';

/** `documents[]` of the record is a subset (NDI-matlab #817); here the first so many. */
const DOCUMENTS_SHOWN = 100;

export function registerDatasets(api: Api): void {
  api.route('GET', '/datasets/published', 'optional', listPublished);
  api.route('GET', '/datasets/unpublished', 'required', listUnpublished);
  api.route('GET', '/datasets/deleted', 'required', listDeleted);
  api.route('POST', '/datasets/search', 'none', search);
  api.route('GET', '/datasets/user/:userId/bookmarks', 'required', listBookmarks);
  api.route('GET', '/datasets/:d', 'optional', getDataset);
  api.route('POST', '/datasets/:d', 'required', updateDataset);
  api.route('DELETE', '/datasets/:d', 'required', deleteDataset);
  api.route('POST', '/datasets/:d/undelete', 'required', undelete);
  api.route('POST', '/datasets/:d/submit', 'required', submit);
  api.route('POST', '/datasets/:d/publish', 'required', (ask) => startLifecycle(ask, 'publish'));
  api.route('POST', '/datasets/:d/unpublish', 'required', (ask) => startLifecycle(ask, 'unpublish'));
  api.route('POST', '/datasets/:d/branch', 'required', branch);
  api.route('GET', '/datasets/:d/branches', 'optional', listBranches);
  api.route('POST', '/datasets/:d/bookmark', 'required', (ask) => bookmark(ask, true));
  api.route('DELETE', '/datasets/:d/bookmark', 'required', (ask) => bookmark(ask, false));
  api.route('GET', '/datasets/:d/document-count', 'optional', countDocuments);
  api.route('GET', '/datasets/:d/document-class-counts', 'optional', countClasses);
  registerLifecycleTasks(api.cloud);
}

/** D3. `files[]` and `documents[]` of a published dataset are empty, whatever it holds (§2.4). */
function getDataset(ask: Ask) {
  const dataset = datasetFor(ask, 'read');
  const { store, knobs } = ask.cloud;
  const documents =
    dataset.is_published === 1
      ? []
      : store.all<{ id: string }>(
          'SELECT id FROM documents WHERE dataset_id=? AND deleted_ms IS NULL ORDER BY seq LIMIT ?',
          dataset.id,
          DOCUMENTS_SHOWN,
        );
  const record: Record<string, unknown> = {
    ...datasetRecord(dataset),
    documents: documents.map((row) => row.id),
  };
  if (knobs.fileListing !== 'keyset')
    record.files = dataset.is_published === 1 ? [] : fileRowsOf(ask, dataset.id);
  if (knobs.fileListing !== 'embedded') record.fileCount = fileTotals(ask, dataset.id);
  return ok(record);
}

/** D4: a partial update by POST. Metadata of a published dataset may still change: DOIs are written back. */
export async function updateDataset(ask: Ask) {
  const dataset = datasetFor(ask, 'write');
  const body = await ask.object();
  const metadata = { ...JSON.parse(dataset.metadata), ...metadataOf(body) };
  if (textOf(metadata.name) === '') throw badRequest('name must not be empty');
  const submitted = typeof body.isSubmitted === 'boolean' ? Number(body.isSubmitted) : dataset.is_submitted;
  ask.cloud.store.run(
    'UPDATE datasets SET metadata=?, is_submitted=?, updated_ms=? WHERE id=?',
    JSON.stringify(metadata),
    submitted,
    ask.cloud.now(),
    dataset.id,
  );
  return ok(datasetRecord(datasetById(ask.cloud.store, dataset.id)!));
}

/** D5. Without `when`: 7 days, the default of both clients. */
function deleteDataset(ask: Ask) {
  const delayMs = whenMs(ask.query('when'));
  const dataset = datasetFor(ask, 'write', { deleted: true });
  if (dataset.is_published === 1 && userOf(ask).is_admin !== 1) {
    throw badRequest('A published dataset cannot be deleted');
  }
  const now = ask.cloud.now();
  ask.cloud.store.run(
    'UPDATE datasets SET deleted_ms=?, purge_ms=? WHERE id=?',
    now,
    now + delayMs,
    dataset.id,
  );
  if (delayMs === 0) return ok({ message: 'Dataset deleted' });
  return ok({ message: `Dataset will be deleted at ${iso(now + delayMs)}` });
}

/** D6: 200 means that it has started. */
function undelete(ask: Ask) {
  const dataset = datasetFor(ask, 'write', { deleted: true });
  if (dataset.deleted_ms === null) throw badRequest('Dataset is not deleted');
  ask.cloud.tasks.schedule('undelete', ask.cloud.knobs.lifecycleDelayMs, { datasetId: dataset.id });
  return ok({ message: 'Undelete started' });
}

function submit(ask: Ask) {
  const dataset = datasetFor(ask, 'write');
  if (dataset.is_published === 1) throw badRequest('Dataset is already published');
  ask.cloud.store.run(
    'UPDATE datasets SET is_submitted=1, updated_ms=? WHERE id=?',
    ask.cloud.now(),
    dataset.id,
  );
  return ok({});
}

/** D11, D12: administrators only; the flag flips in the background, at the end. */
function startLifecycle(ask: Ask, kind: 'publish' | 'unpublish') {
  if (userOf(ask).is_admin !== 1) throw refuse(403, { message: 'Only administrators may do this' });
  const dataset = datasetFor(ask, 'write');
  const { store, tasks, knobs } = ask.cloud;
  const total = Number(countOf(ask.cloud, dataset.id)) + fileTotals(ask, dataset.id);
  const [running, figure] =
    kind === 'publish'
      ? (['is_publishing', 'publish_total'] as const)
      : (['is_unpublishing', 'unpublish_total'] as const);
  store.run(`UPDATE datasets SET ${running}=1, ${figure}=? WHERE id=?`, total, dataset.id);
  tasks.schedule(kind, knobs.lifecycleDelayMs, { datasetId: dataset.id });
  return ok({});
}

function registerLifecycleTasks(cloud: Cloud): void {
  const { store, tasks } = cloud;
  const set = (kind: string, change: string, times: number): void =>
    tasks.register(kind, ({ payload }) => {
      const moments: SQLInputValue[] = Array.from({ length: times }, () => cloud.now());
      store.run(`UPDATE datasets SET ${change} WHERE id=?`, ...moments, String(payload.datasetId));
    });
  set('publish', 'is_published=1, is_publishing=0, uploaded_ms=?, updated_ms=?', 2);
  set('unpublish', 'is_published=0, is_unpublishing=0, updated_ms=?', 1);
  tasks.register('undelete', ({ payload }) => {
    const id = String(payload.datasetId);
    store.run(
      'UPDATE datasets SET deleted_ms=NULL, purge_ms=NULL WHERE id=? AND purge_ms>?',
      id,
      cloud.now(),
    );
  });
}

/**
 * D13, barely used by clients: a new dataset with the same content, whose files stay in the source dataset.
 */
async function branch(ask: Ask) {
  const source = datasetFor(ask, 'member');
  const name = textOf((await ask.object()).branchName);
  const { cloud } = ask;
  const copy = cloud.store.transaction(() => {
    const metadata = { ...JSON.parse(source.metadata), branchName: name === '' ? 'branch' : name };
    const made = insertDataset(cloud, source.organization_id, metadata, { branchOf: source.id });
    for (const { seq } of cloud.store.all<{ seq: number }>(
      'SELECT seq FROM documents WHERE dataset_id=? AND deleted_ms IS NULL ORDER BY seq',
      source.id,
    )) {
      const columns = 'ndi_id, name, class_name, lineage, has_locations, created_ms, updated_ms';
      cloud.store.run(
        `INSERT INTO documents (id, dataset_id, ${columns}) SELECT ?, ?, ${columns} FROM documents WHERE seq=?`,
        newCloudId(cloud.now()),
        made.id,
        seq,
      );
      cloud.store.run('INSERT INTO bodies SELECT last_insert_rowid(), body FROM bodies WHERE seq=?', seq);
    }
    cloud.store.run(
      `INSERT INTO files (dataset_id, uid, source_dataset_id, size, uploaded_ms, created_ms)
       SELECT ?, uid, source_dataset_id, size, uploaded_ms, created_ms FROM files WHERE dataset_id=? ORDER BY seq`,
      made.id,
      source.id,
    );
    cloud.store.run(
      'UPDATE datasets SET document_count=?, total_size=? WHERE id=?',
      source.document_count,
      source.total_size,
      made.id,
    );
    return datasetById(cloud.store, made.id)!;
  });
  return ok(datasetRecord(copy));
}

/** D14: MATLAB wants `branches`, the proxy `datasets` (§9.3 item 7). */
function listBranches(ask: Ask) {
  const dataset = datasetFor(ask, 'read');
  const rows = ask.cloud.store
    .all<DatasetRow>(
      'SELECT * FROM datasets WHERE branch_of=? AND deleted_ms IS NULL ORDER BY seq',
      dataset.id,
    )
    .filter((row) => mayRead(ask.cloud, ask.user, row))
    .map(datasetRowRecord);
  return ok({ branches: rows, datasets: rows });
}

function pageOfDatasets(ask: Ask, where: string, ...values: SQLInputValue[]) {
  const page = pageOf(ask, 20, 1000);
  const { store } = ask.cloud;
  const order = ask.hit('unstable-order') === undefined ? 'seq DESC' : 'random()';
  const rows = store.all<DatasetRow>(
    `SELECT * FROM datasets WHERE ${where} ORDER BY ${order} LIMIT ? OFFSET ?`,
    ...values,
    page.pageSize,
    page.offset,
  );
  const total = store.get<{ n: number }>(`SELECT count(*) n FROM datasets WHERE ${where}`, ...values)?.n ?? 0;
  return { totalNumber: total, page, datasets: rows.map(datasetRowRecord) };
}

/** D8: exactly these two keys. */
function listPublished(ask: Ask) {
  const { totalNumber, datasets } = pageOfDatasets(
    ask,
    'is_published=1 AND deleted_ms IS NULL AND created_ms<=?',
    ask.asOf(),
  );
  return ok({ totalNumber, datasets });
}

/** Members see their organisations, administrators all. */
const VISIBLE = '(?=1 OR organization_id IN (SELECT organization_id FROM memberships WHERE user_id=?))';

/** D9 is the review pile: not published and submitted. */
function listUnpublished(ask: Ask) {
  const user = userOf(ask);
  const where = `is_published=0 AND is_submitted=1 AND deleted_ms IS NULL AND ${VISIBLE}`;
  const { totalNumber, page, datasets } = pageOfDatasets(ask, where, user.is_admin, user.id);
  return ok({ totalNumber, page: page.page, pageSize: page.pageSize, datasets });
}

function listDeleted(ask: Ask) {
  const user = userOf(ask);
  const where = `deleted_ms<=? AND purge_ms>? AND ${VISIBLE}`;
  const { totalNumber, page, datasets } = pageOfDatasets(
    ask,
    where,
    ask.asOf(),
    ask.cloud.now(),
    user.is_admin,
    user.id,
  );
  return ok({ totalNumber, page: page.page, pageSize: page.pageSize, datasets });
}

/** D18: public datasets only, whoever asks. */
export async function search(ask: Ask) {
  const body = await ask.object();
  const wanted = textOf(body.query ?? body.searchString ?? ask.query('q')).toLowerCase();
  const where = 'is_published=1 AND deleted_ms IS NULL AND instr(lower(metadata), ?)>0';
  const { totalNumber, page, datasets } = pageOfDatasets(ask, where, wanted);
  return ok({ totalNumber, page: page.page, pageSize: page.pageSize, datasets });
}

function listBookmarks(ask: Ask) {
  const user = userOf(ask);
  if (ask.param('userId') !== user.id && user.is_admin !== 1) throw refuse(403, { message: 'Forbidden' });
  const where = 'deleted_ms IS NULL AND id IN (SELECT dataset_id FROM bookmarks WHERE user_id=?)';
  const { totalNumber, page, datasets } = pageOfDatasets(ask, where, ask.param('userId'));
  return ok({ totalNumber, page: page.page, pageSize: page.pageSize, datasets });
}

export function bookmark(ask: Ask, on: boolean) {
  const dataset = datasetFor(ask, 'read');
  const sql = on
    ? 'INSERT OR IGNORE INTO bookmarks VALUES (?,?)'
    : 'DELETE FROM bookmarks WHERE user_id=? AND dataset_id=?';
  ask.cloud.store.run(sql, userOf(ask).id, dataset.id);
  return ok({ message: on ? 'Bookmarked' : 'Bookmark removed' });
}

const countOf = (cloud: Cloud, datasetId: string): number =>
  cloud.store.get<{ n: number }>(
    'SELECT count(*) n FROM documents WHERE dataset_id=? AND deleted_ms IS NULL',
    datasetId,
  )?.n ?? 0;

/** D16, the live count. */
function countDocuments(ask: Ask) {
  const dataset = datasetFor(ask, 'read');
  const deleted = ask.query('includeDeleted') === 'true' ? 'purge_ms>?' : 'deleted_ms>?';
  const row = ask.cloud.store.get<{ n: number }>(
    `SELECT count(*) n FROM documents WHERE dataset_id=? AND created_ms<=? AND (deleted_ms IS NULL OR ${deleted})`,
    dataset.id,
    ask.asOf(),
    ask.asOf(),
  );
  return ok({ datasetId: dataset.id, count: row?.n ?? 0 });
}

/** D17: by leaf class; a document without one counts as `unknown`. */
function countClasses(ask: Ask) {
  const dataset = datasetFor(ask, 'read');
  const rows = ask.cloud.store.all<{ name: string; n: number }>(
    `SELECT CASE class_name WHEN '' THEN 'unknown' ELSE class_name END AS name, count(*) n FROM documents
     WHERE dataset_id=? AND created_ms<=? AND (deleted_ms IS NULL OR deleted_ms>?) GROUP BY 1 ORDER BY 1`,
    dataset.id,
    ask.asOf(),
    ask.asOf(),
  );
  const totalDocuments = rows.reduce((sum, row) => sum + row.n, 0);
  return ok({
    datasetId: dataset.id,
    totalDocuments,
    classCounts: Object.fromEntries(rows.map((r) => [r.name, r.n])),
  });
}
