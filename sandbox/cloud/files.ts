/** Files: F1–F4 and the keyset listing of newer servers (NDI Cloud contract §2.7, §2.11). */
import { randomUUID } from 'node:crypto';
import type { ObjectInfo } from '../objects/bucket.ts';
import { type DatasetRow, datasetFor } from './dataset-record.ts';
import { putUrl } from './documents.ts';
import type { Api, Ask, Cloud } from './http.ts';
import { badRequest, notFound, ok, type Refusal } from './refusal.ts';

export interface FileRow {
  seq: number;
  dataset_id: string;
  uid: string;
  source_dataset_id: string;
  size: number | null;
  uploaded_ms: number | null;
}

export function registerFiles(api: Api): void {
  // `bulk` collides with a file of that name, as in the cloud (§2.7).
  api.route('GET', '/datasets/:org/:d/files/bulk', 'required', (ask) =>
    ok(provisionBulk(ask, datasetOfOrganization(ask))),
  );
  api.route('GET', '/datasets/:d/files/:uid/detail', 'optional', (ask) => ok(fileDetail(ask)));
  api.route('GET', '/datasets/:org/:d/files/:uid', 'required', (ask) => {
    const dataset = datasetOfOrganization(ask);
    return ok({ url: provisionFile(ask, dataset, ask.param('uid')) });
  });
  api.route('GET', '/datasets/:d/files', 'optional', listFiles);
}

/** The segment before the dataset is its organisation; another organisation's id does not open it. */
function datasetOfOrganization(ask: Ask): DatasetRow {
  const dataset = datasetFor(ask, 'content');
  if (dataset.organization_id !== ask.param('org')) throw notFound('Dataset not found in this organization');
  return dataset;
}

/** F1: the row exists from here on, not yet uploaded (§10 row 17). */
export function provisionFile(ask: Ask, dataset: DatasetRow, uid: string): string {
  if (uid === '') throw badRequest('uid is required');
  ask.cloud.store.run(
    'INSERT OR IGNORE INTO files (dataset_id, uid, source_dataset_id, created_ms) VALUES (?,?,?,?)',
    dataset.id,
    uid,
    dataset.id,
    ask.cloud.now(),
  );
  return putUrl(ask, `${dataset.id}/${uid}`);
}

/** F2: the job is there as soon as the URL is, even if nothing is ever sent. */
export function provisionBulk(ask: Ask, dataset: DatasetRow): { url: string; jobId: string } {
  const jobId = randomUUID();
  const sql = "INSERT INTO jobs (id, dataset_id, state, created_ms) VALUES (?,?,'queued',?)";
  ask.cloud.store.run(sql, jobId, dataset.id, ask.cloud.now());
  return { url: putUrl(ask, `bulk-files/${dataset.id}/${jobId}.zip`), jobId };
}

/** F3: without a `downloadUrl` until the file is there. */
export function fileDetail(ask: Ask): Record<string, unknown> {
  const dataset = datasetFor(ask, 'read');
  const { store, signer, knobs } = ask.cloud;
  const row = store.get<FileRow>(
    'SELECT * FROM files WHERE dataset_id=? AND uid=?',
    dataset.id,
    ask.param('uid'),
  );
  if (row === undefined) throw notFound('File not found');
  const record = { ...fileRecord(row, ask.asOf()), datasetId: dataset.id };
  if (!record.uploaded) return record;
  const ttl = ask.hit('expired-url') === undefined ? knobs.urlTtlSeconds : 0;
  return { ...record, downloadUrl: signer.url('GET', `${row.source_dataset_id}/${row.uid}`, ttl) };
}

/** A row of a listing: `size` is missing until the file is there. */
function fileRecord(row: FileRow, asOfMs: number) {
  const uploaded = row.uploaded_ms !== null && row.uploaded_ms <= asOfMs;
  return {
    uid: row.uid,
    uploaded,
    ...(uploaded && row.size !== null ? { size: row.size } : {}),
    sourceDatasetId: row.source_dataset_id,
  };
}

/** F4: `files[]` of the record. */
export function fileRowsOf(ask: Ask, datasetId: string) {
  const order = ask.hit('unstable-order') === undefined ? 'seq' : 'random()';
  return ask.cloud.store
    .all<FileRow>(
      `SELECT * FROM files WHERE dataset_id=? AND created_ms<=? ORDER BY ${order}`,
      datasetId,
      ask.asOf(),
    )
    .map((row) => fileRecord(row, ask.asOf()));
}

export const fileTotals = (ask: Ask, datasetId: string): number =>
  ask.cloud.store.get<{ n: number }>(
    'SELECT count(*) n FROM files WHERE dataset_id=? AND created_ms<=?',
    datasetId,
    ask.asOf(),
  )?.n ?? 0;

/** §2.11: keyset on insertion order. An older server has no such route. */
function listFiles(ask: Ask) {
  if (ask.cloud.knobs.fileListing === 'embedded') throw noSuchRoute();
  const dataset = datasetFor(ask, 'read');
  const limit = Math.min(Math.max(Math.trunc(Number(ask.query('limit') ?? 1000)) || 1000, 1), 1000);
  const given = ask.query('after');
  const after = given === undefined ? 0 : seqOfCursor(given);
  if (after === undefined) throw badRequest('Invalid cursor');
  const rows = ask.cloud.store.all<FileRow>(
    'SELECT * FROM files WHERE dataset_id=? AND seq>? AND created_ms<=? ORDER BY seq LIMIT ?',
    dataset.id,
    after,
    ask.asOf(),
    limit + 1,
  );
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return ok({
    datasetId: dataset.id,
    limit,
    count: shown.length,
    cursor: last === undefined ? (given ?? null) : Buffer.from(`f${last.seq}`).toString('base64url'),
    hasMore: rows.length > limit,
    totalNumber: fileTotals(ask, dataset.id),
    files: shown.map((row) => fileRecord(row, ask.asOf())),
  });
}

function seqOfCursor(cursor: string): number | undefined {
  const found = /^f(\d+)$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  return found === null ? undefined : Number(found[1]);
}

const noSuchRoute = (): Refusal => notFound('Not Found');

/**
 * A stored object becomes an uploaded file of the dataset. `uploadedMs` may lie ahead: then it is not yet
 * shown.
 */
export function fileArrived(
  cloud: Cloud,
  datasetId: string,
  uid: string,
  object: Pick<ObjectInfo, 'size'>,
  uploadedMs: number,
): void {
  const { store } = cloud;
  // New bytes are in no archive.
  store.run('DELETE FROM object_tiers WHERE key=?', `${datasetId}/${uid}`);
  const before = store.get<FileRow>('SELECT * FROM files WHERE dataset_id=? AND uid=?', datasetId, uid);
  store.run(
    `INSERT INTO files (dataset_id, uid, source_dataset_id, size, uploaded_ms, created_ms) VALUES (?,?,?,?,?,?)
     ON CONFLICT (dataset_id, uid) DO UPDATE SET size=excluded.size, source_dataset_id=excluded.source_dataset_id,
       uploaded_ms=CASE WHEN uploaded_ms IS NULL THEN excluded.uploaded_ms ELSE uploaded_ms END`,
    datasetId,
    uid,
    datasetId,
    object.size,
    uploadedMs,
    cloud.now(),
  );
  store.run(
    'UPDATE datasets SET total_size=total_size+? WHERE id=?',
    object.size - (before?.size ?? 0),
    datasetId,
  );
}
