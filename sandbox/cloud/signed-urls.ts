/**
 * Signed-URL sets of newer servers (NDI Cloud contract §2.11): all file addresses of one document, by pages
 * at once or by a job as one gzipped JSON object. A document is named by its cloud id on one route and by its
 * NDI id on the other.
 */
import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { delayOf, findHit } from '../faults.ts';
import type { Task } from '../tasks.ts';
import { datasetById, datasetFor, mayRead } from './dataset-record.ts';
import { type DocumentRow, fileInfosOf } from './document-record.ts';
import { type Api, type Ask, type Cloud, iso, isoOrNull } from './http.ts';
import { badRequest, notFound, ok, refuse } from './refusal.ts';

const DEFAULT_LIMIT = 500;
const MAX_LIMIT = 1000;
const FILE_URL_SECONDS = 24 * 3600;
const POLL_AFTER_SECONDS = 1;

type Finder = (ask: Ask, datasetId: string) => DocumentRow;

export function registerSignedUrls(api: Api): void {
  const routes: [string, Finder][] = [
    ['/datasets/:d/documents/:doc', (ask, id) => documentBy('id', ask.param('doc').toLowerCase(), ask, id)],
    ['/datasets/:d/ndi-documents/:ndiId', (ask, id) => documentBy('ndi_id', ask.param('ndiId'), ask, id)],
  ];
  for (const [path, find] of routes) {
    api.route('GET', `${path}/signed-url-set`, 'optional', (ask) => urlSet(ask, find));
    api.route('POST', `${path}/signed-url-set-jobs`, 'required', (ask) => startJob(ask, find));
  }
  api.route('GET', '/signed-url-set-jobs/:jobId', 'required', getJob);
  api.cloud.tasks.register('sign-urls', (task) => runJob(api.cloud, task));
}

/** An id of the other kind finds nothing: 404, not the 500 of §2.0. */
function documentBy(column: 'id' | 'ndi_id', value: string, ask: Ask, datasetId: string): DocumentRow {
  const row = ask.cloud.store.get<DocumentRow>(
    `SELECT * FROM documents WHERE ${column}=? AND dataset_id=? AND deleted_ms IS NULL AND created_ms<=? ORDER BY seq LIMIT 1`,
    value,
    datasetId,
    ask.asOf(),
  );
  if (row === undefined) throw notFound('Document not found');
  return row;
}

/**
 * The file uids of a document in order, all or those of one series: `name#` has the members `name1`, `name2`,
 * … (§4.1).
 */
function uidsOf(cloud: Cloud, row: DocumentRow, series: string | undefined): string[] {
  const text =
    cloud.store.get<{ body: string }>('SELECT body FROM bodies WHERE seq=?', row.seq)?.body ?? '{}';
  const stem = series?.replace(/#$/, '');
  const wanted = (name: string): boolean =>
    stem === undefined || (name.startsWith(stem) && /^\d+$/.test(name.slice(stem.length)));
  const infos = fileInfosOf(JSON.parse(text) as Record<string, unknown>);
  const uids = infos.filter(({ name }) => wanted(name)).flatMap((info) => info.uids);
  return [...new Set(uids)].sort();
}

function sign(
  cloud: Cloud,
  datasetId: string,
  uids: readonly string[],
  ttlSeconds: number,
): Record<string, string> {
  const sql = 'SELECT source_dataset_id FROM files WHERE dataset_id=? AND uid=?';
  const urlOf = (uid: string): string => {
    const file = cloud.store.get<{ source_dataset_id: string }>(sql, datasetId, uid);
    return cloud.signer.url('GET', `${file?.source_dataset_id ?? datasetId}/${uid}`, ttlSeconds);
  };
  return Object.fromEntries(uids.map((uid) => [uid, urlOf(uid)]));
}

const ttlSecondsOf = (cloud: Cloud): number => Math.min(FILE_URL_SECONDS, cloud.knobs.urlTtlSeconds);

function urlSet(ask: Ask, find: Finder) {
  const { cloud } = ask;
  const dataset = datasetFor(ask, 'read');
  const row = find(ask, dataset.id);
  const limit = Math.min(
    Math.max(Math.trunc(Number(ask.query('limit') ?? DEFAULT_LIMIT)) || DEFAULT_LIMIT, 1),
    MAX_LIMIT,
  );
  const cursor = ask.query('cursor');
  const after = cursor === undefined ? '' : Buffer.from(cursor, 'base64url').toString('utf8');
  if (cursor !== undefined && after === '') throw badRequest('Invalid cursor');
  const uids = uidsOf(cloud, row, ask.query('fileSeries'));
  const left = uids.filter((uid) => uid > after);
  const shown = left.slice(0, limit);
  const ttlSeconds = ask.hit('expired-url') === undefined ? ttlSecondsOf(cloud) : 0;
  return ok({
    datasetId: dataset.id,
    documentId: row.id,
    totalCount: uids.length,
    pageCount: shown.length,
    ...(left.length > limit ? { nextCursor: Buffer.from(shown.at(-1) ?? '').toString('base64url') } : {}),
    expiresAt: iso(cloud.now() + ttlSeconds * 1000),
    files: sign(cloud, dataset.id, shown, ttlSeconds),
  });
}

interface UrlJobRow {
  id: string;
  dataset_id: string;
  document_id: string;
  series: string | null;
  state: 'queued' | 'running' | 'ready' | 'failed';
  signed_count: number;
  total_count: number | null;
  result_bytes: number | null;
  error: string | null;
  heartbeat_ms: number;
  files_expire_ms: number | null;
}

const jobById = (cloud: Cloud, id: string): UrlJobRow | undefined =>
  cloud.store.get<UrlJobRow>('SELECT * FROM url_jobs WHERE id=?', id);

const resultKey = (job: UrlJobRow): string => `url-sets/${job.dataset_id}/${job.id}.json.gz`;

function startJob(ask: Ask, find: Finder) {
  const { cloud } = ask;
  const dataset = datasetFor(ask, 'read');
  const document = find(ask, dataset.id);
  const jobId = randomUUID();
  cloud.store.run(
    "INSERT INTO url_jobs (id, dataset_id, document_id, series, state, heartbeat_ms) VALUES (?,?,?,?,'queued',?)",
    jobId,
    dataset.id,
    document.id,
    ask.query('fileSeries') ?? null,
    cloud.now(),
  );
  schedule(cloud, jobId, 'running');
  const statusUrl = `/v1/signed-url-set-jobs/${jobId}`;
  return ok(
    { jobId, datasetId: dataset.id, documentId: document.id, statusUrl, pollAfterSec: POLL_AFTER_SECONDS },
    202,
  );
}

function schedule(cloud: Cloud, jobId: string, to: 'running' | 'ready'): void {
  const hits = to === 'running' ? cloud.faults.worker('SIGN urls', jobId) : [];
  const lost = findHit(hits, 'import-lost');
  if (lost !== undefined && lost.params.jobState !== 'failed') return;
  const payload = { jobId, to: lost === undefined ? to : 'failed' };
  cloud.tasks.schedule('sign-urls', cloud.knobs.jobDelayMs + delayOf(hits), payload);
}

function runJob(cloud: Cloud, { payload }: Task): void {
  const job = jobById(cloud, String(payload.jobId));
  if (job === undefined) return;
  const row = cloud.store.get<DocumentRow>('SELECT * FROM documents WHERE id=?', job.document_id);
  if (payload.to === 'failed' || row === undefined) {
    const sql = "UPDATE url_jobs SET state='failed', error='Signing failed', heartbeat_ms=? WHERE id=?";
    cloud.store.run(sql, cloud.now(), job.id);
    return;
  }
  const uids = uidsOf(cloud, row, job.series ?? undefined);
  if (payload.to === 'running') {
    const sql = "UPDATE url_jobs SET state='running', total_count=?, heartbeat_ms=? WHERE id=?";
    cloud.store.run(sql, uids.length, cloud.now(), job.id);
    schedule(cloud, job.id, 'ready');
    return;
  }
  const files = sign(cloud, job.dataset_id, uids, ttlSecondsOf(cloud));
  const result = { jobId: job.id, fileCount: uids.length, generatedAt: iso(cloud.now()), files };
  const packed = gzipSync(JSON.stringify(result));
  cloud.bucket.putSmall(resultKey(job), packed, 'application/gzip');
  cloud.store.run(
    "UPDATE url_jobs SET state='ready', signed_count=?, result_bytes=?, heartbeat_ms=?, files_expire_ms=? WHERE id=?",
    uids.length,
    packed.length,
    cloud.now(),
    cloud.now() + ttlSecondsOf(cloud) * 1000,
    job.id,
  );
}

function getJob(ask: Ask) {
  const { cloud } = ask;
  const job = jobById(cloud, ask.param('jobId'));
  const dataset = job === undefined ? undefined : datasetById(cloud.store, job.dataset_id);
  if (job === undefined || dataset === undefined) throw notFound('Job not found');
  if (!mayRead(cloud, ask.user, dataset))
    throw refuse(403, { message: 'You do not have access to this job' });
  const ttlSeconds = ask.hit('expired-url') === undefined ? cloud.knobs.urlTtlSeconds : 0;
  const ready = job.state === 'ready';
  return ok({
    jobId: job.id,
    datasetId: job.dataset_id,
    documentId: job.document_id,
    state: job.state,
    signedCount: job.signed_count,
    totalCount: job.total_count,
    heartbeatAt: iso(job.heartbeat_ms),
    resultUrl: ready ? cloud.signer.url('GET', resultKey(job), ttlSeconds) : null,
    resultByteSize: job.result_bytes,
    expiresAt: ready ? iso(cloud.now() + ttlSeconds * 1000) : null,
    filesExpireAt: isoOrNull(job.files_expire_ms),
    error: job.error,
  });
}
