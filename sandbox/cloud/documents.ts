/** Documents: E1–E11 (NDI Cloud contract §2.5). */
import { randomBytes } from 'node:crypto';
import { delayOf } from '../faults.ts';
import { isCloudId } from '../store.ts';
import { datasetFor } from './dataset-record.ts';
import {
  addToCount,
  type DocumentRow,
  hydratedText,
  indexBody,
  insertDocument,
  SUMMARY_COLUMNS,
  summaryOf,
} from './document-record.ts';
import { filesTierOf } from './file-tiers.ts';
import { type Api, type Ask, pageOf, textOf, whenMs } from './http.ts';
import { badRequest, notFound, ok, okText, serverError } from './refusal.ts';

export const MAX_PAGE = 1000;
const MAX_FETCH = 500;

export function registerDocuments(api: Api): void {
  api.route('GET', '/datasets/:d/documents', 'optional', listDocuments);
  api.route('POST', '/datasets/:d/documents', 'required', addDocument);
  api.route('GET', '/datasets/:d/documents/deleted', 'required', listDeleted);
  api.route('POST', '/datasets/:d/documents/bulk-delete', 'required', bulkDelete);
  api.route('POST', '/datasets/:d/documents/bulk-fetch', 'optional', bulkFetch);
  api.route('POST', '/datasets/:d/documents/bulk-upload', 'required', bulkUpload);
  api.route('POST', '/datasets/:d/documents/bulk-download', 'optional', bulkDownload);
  api.route('GET', '/datasets/:d/documents/:doc', 'optional', getDocument);
  api.route('POST', '/datasets/:d/documents/:doc', 'required', updateDocument);
  api.route('DELETE', '/datasets/:d/documents/:doc', 'required', deleteDocument);
  api.route('POST', '/documents/search', 'none', searchPublic);
}

/** E1: summaries. Lists carry a total (§2.0); clients ask `document-count` all the same. */
function listDocuments(ask: Ask) {
  const dataset = datasetFor(ask, 'read');
  const page = pageOf(ask, 20, MAX_PAGE);
  const order = ask.hit('unstable-order') === undefined ? 'seq' : 'random()';
  const rows = ask.cloud.store.all<DocumentRow>(
    `SELECT ${SUMMARY_COLUMNS} FROM documents WHERE dataset_id=? AND created_ms<=? AND (deleted_ms IS NULL OR deleted_ms>?)
     ORDER BY ${order} LIMIT ? OFFSET ?`,
    dataset.id,
    ask.asOf(),
    ask.asOf(),
    page.pageSize,
    page.offset,
  );
  const totalNumber = ask.cloud.store.get<{ n: number }>(
    'SELECT count(*) n FROM documents WHERE dataset_id=? AND created_ms<=? AND (deleted_ms IS NULL OR deleted_ms>?)',
    dataset.id,
    ask.asOf(),
    ask.asOf(),
  )?.n;
  return ok({ totalNumber, page: page.page, pageSize: page.pageSize, documents: rows.map(summaryOf) });
}

/** E2: any object, no check, no uniqueness. */
async function addDocument(ask: Ask) {
  const dataset = datasetFor(ask, 'content');
  const body = indexBody(await ask.object());
  const { store } = ask.cloud;
  const id = store.transaction(() => {
    const twice = ask.hit('duplicate-insert') !== undefined;
    if (twice) insertDocument(store, dataset.id, body, ask.cloud.now());
    addToCount(ask.cloud, dataset.id, twice ? 2 : 1);
    return insertDocument(store, dataset.id, body, ask.cloud.now());
  });
  return ok({ id, ndiId: body.ndiId, name: body.name, className: body.className, datasetId: dataset.id });
}

/** By cloud id only: an NDI id is a cast error, 500 (§2.5 E3). */
function documentFor(ask: Ask, datasetId: string, options: { deleted?: boolean } = {}): DocumentRow {
  const id = ask.param('doc');
  if (!isCloudId(id)) throw serverError();
  const row = ask.cloud.store.get<DocumentRow>(
    'SELECT * FROM documents WHERE id=? AND dataset_id=?',
    id.toLowerCase(),
    datasetId,
  );
  const gone = row === undefined || (row.purge_ms !== null && row.purge_ms <= ask.cloud.now());
  if (gone || (row.deleted_ms !== null && options.deleted !== true) || row.created_ms > ask.asOf()) {
    throw notFound('Document not found');
  }
  return row;
}

const bodyText = (ask: Ask, seq: number): string =>
  ask.cloud.store.get<{ body: string }>('SELECT body FROM bodies WHERE seq=?', seq)?.body ?? '{}';

/** E3: the body hoisted to the top level, plus `id`. */
function getDocument(ask: Ask) {
  const row = documentFor(ask, datasetFor(ask, 'read').id);
  const stored = bodyText(ask, row.seq);
  // An `id` of the body's own must not come behind the cloud's and win.
  const body = stored.startsWith('{"id"') || stored.includes(',"id"') ? JSON.parse(stored) : {};
  if (Object.hasOwn(body, 'id'))
    return okText(hydratedText(ask, row, JSON.stringify({ ...body, id: row.id })));
  const text = hydratedText(ask, row, stored);
  return okText(text === '{}' ? `{"id":"${row.id}"}` : `{"id":"${row.id}",${text.slice(1)}`);
}

/** E4 replaces the whole body. */
export async function updateDocument(ask: Ask) {
  const dataset = datasetFor(ask, 'content');
  const row = documentFor(ask, dataset.id);
  const body = indexBody(await ask.object());
  const { store } = ask.cloud;
  store.transaction(() => {
    store.run(
      'UPDATE documents SET ndi_id=?, name=?, class_name=?, lineage=?, has_locations=?, updated_ms=? WHERE seq=?',
      body.ndiId,
      body.name,
      body.className,
      body.lineage,
      body.hasLocations ? 1 : 0,
      ask.cloud.now(),
      row.seq,
    );
    store.run('UPDATE bodies SET body=? WHERE seq=?', body.text, row.seq);
  });
  return ok({
    id: row.id,
    ndiId: body.ndiId,
    name: body.name,
    className: body.className,
    datasetId: dataset.id,
  });
}

const markDeleted = (ask: Ask, seq: number, delayMs: number): number =>
  ask.cloud.store.run(
    'UPDATE documents SET deleted_ms=coalesce(deleted_ms, ?), purge_ms=? WHERE seq=?',
    ask.cloud.now(),
    ask.cloud.now() + delayMs,
    seq,
  );

function deleteDocument(ask: Ask) {
  const delayMs = whenMs(ask.query('when'));
  const row = documentFor(ask, datasetFor(ask, 'content').id, { deleted: true });
  markDeleted(ask, row.seq, delayMs);
  return ok({ message: delayMs === 0 ? 'Document deleted' : 'Document scheduled for deletion' });
}

function listDeleted(ask: Ask) {
  const dataset = datasetFor(ask, 'member');
  const page = pageOf(ask, 100, MAX_PAGE);
  const rows = ask.cloud.store.all<DocumentRow>(
    `SELECT ${SUMMARY_COLUMNS} FROM documents WHERE dataset_id=? AND deleted_ms<=? AND purge_ms>? ORDER BY seq LIMIT ? OFFSET ?`,
    dataset.id,
    ask.asOf(),
    ask.cloud.now(),
    page.pageSize,
    page.offset,
  );
  const totalNumber = ask.cloud.store.get<{ n: number }>(
    'SELECT count(*) n FROM documents WHERE dataset_id=? AND deleted_ms<=? AND purge_ms>?',
    dataset.id,
    ask.asOf(),
    ask.cloud.now(),
  )?.n;
  return ok({ totalNumber, page: page.page, pageSize: page.pageSize, documents: rows.map(summaryOf) });
}

/** The `documentIds` of a bulk call, each 24 hex digits, or 400. */
function idsOf(body: Record<string, unknown>, hint: string): string[] {
  const ids = body.documentIds;
  if (!Array.isArray(ids) || !ids.every((id) => typeof id === 'string' && isCloudId(id))) {
    throw badRequest(`documentIds must be an array of document ids. ${hint}`.trim());
  }
  return ids.map((id) => String(id).toLowerCase());
}

/** E7: unknown ids are passed over. */
async function bulkDelete(ask: Ask) {
  const dataset = datasetFor(ask, 'content');
  const body = await ask.object();
  const delayMs = whenMs(body.when === undefined ? undefined : textOf(body.when));
  const ids = idsOf(body, '');
  const { store } = ask.cloud;
  store.transaction(() => {
    for (const id of ids) {
      const row = store.get<DocumentRow>(
        'SELECT * FROM documents WHERE id=? AND dataset_id=?',
        id,
        dataset.id,
      );
      if (row !== undefined) markDeleted(ask, row.seq, delayMs);
    }
  });
  return ok({ message: delayMs === 0 ? 'Documents deleted' : 'Documents scheduled for deletion' });
}

/** E8: 1 to 500 ids; unknown, deleted and foreign ones are left out silently. */
async function bulkFetch(ask: Ask) {
  const dataset = datasetFor(ask, 'read');
  const hint = `Give 1 to ${MAX_FETCH} of them, or use bulk-download.`;
  const ids = idsOf(await ask.object(), hint);
  if (ids.length === 0 || ids.length > MAX_FETCH) throw badRequest(`documentIds: ${hint}`);
  const parts: string[] = [];
  for (const id of new Set(ids)) {
    const row = ask.cloud.store.get<DocumentRow & { body: string }>(
      'SELECT d.*, b.body FROM documents d JOIN bodies b ON b.seq=d.seq WHERE d.id=? AND d.dataset_id=? AND d.deleted_ms IS NULL',
      id,
      dataset.id,
    );
    if (row === undefined || row.created_ms > ask.asOf()) continue;
    // A seventh key for those alone whose files were moved (§2.11); [F] has six.
    const filesTier = filesTierOf(ask.cloud.store, row, row.body);
    const head = JSON.stringify({ ...summaryOf(row), datasetId: dataset.id, filesTier });
    parts.push(`${head.slice(0, -1)},"data":${hydratedText(ask, row, row.body)}}`);
  }
  if (ask.hit('unstable-order') !== undefined) parts.sort(() => Math.random() - 0.5);
  return okText(`{"documents":[${parts.join(',')}]}`);
}

/** E9: only a URL; there is no job and no status for a document import. */
function bulkUpload(ask: Ask) {
  const dataset = datasetFor(ask, 'content');
  const key = `bulk-documents/${dataset.id}/${randomBytes(12).toString('hex')}.zip`;
  return ok({ url: putUrl(ask, key) });
}

export function putUrl(ask: Ask, key: string): string {
  const ttl = ask.hit('expired-url') === undefined ? ask.cloud.knobs.urlTtlSeconds : 0;
  return ask.cloud.signer.url('PUT', key, ttl);
}

/** E10: the URL comes at once, the zip later. No ids, or none given, means all; `["",""]` is 400 (§2.5). */
async function bulkDownload(ask: Ask) {
  const dataset = datasetFor(ask, 'read');
  const body = await ask.object();
  const ids = body.documentIds === undefined ? [] : idsOf(body, '');
  const { tasks, knobs, signer, faults } = ask.cloud;
  const key = `bulk-downloads/${dataset.id}/${randomBytes(12).toString('hex')}.zip`;
  const effects = [...ask.hits, ...faults.worker('MAKE download', key)];
  const payload = { key, datasetId: dataset.id, ids, effects };
  tasks.schedule('make-download', knobs.bulkDownloadDelayMs + delayOf(effects), payload);
  return ok({ url: signer.url('GET', key, ask.hit('expired-url') === undefined ? knobs.urlTtlSeconds : 0) });
}

/** E11: documents of public datasets by a piece of their text. */
async function searchPublic(ask: Ask) {
  const body = await ask.object();
  return ok(findText(ask, textOf(body.query ?? body.searchString), undefined));
}

/**
 * Documents whose body holds a text, in one dataset or in all public ones; for the two search routes nobody
 * uses.
 */
export function findText(ask: Ask, text: string, datasetId: string | undefined) {
  const page = pageOf(ask, 20, MAX_PAGE);
  const where = datasetId === undefined ? 's.is_published=1 AND s.deleted_ms IS NULL' : 's.id=?';
  const found = `FROM documents d JOIN datasets s ON s.id=d.dataset_id JOIN bodies b ON b.seq=d.seq
     WHERE ${where} AND d.deleted_ms IS NULL AND instr(b.body, ?)>0`;
  const values = datasetId === undefined ? [text] : [datasetId, text];
  const { store } = ask.cloud;
  const rows = store.all<DocumentRow>(
    `SELECT d.* ${found} ORDER BY d.seq LIMIT ? OFFSET ?`,
    ...values,
    page.pageSize,
    page.offset,
  );
  const totalNumber = store.get<{ n: number }>(`SELECT count(*) n ${found}`, ...values)?.n;
  const documents = rows.map((row) => ({ ...summaryOf(row), datasetId: row.dataset_id }));
  return { totalNumber, page: page.page, pageSize: page.pageSize, documents };
}
