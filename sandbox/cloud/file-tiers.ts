/**
 * Storage tiers of files (NDI Cloud contract §2.11): jobs that move the files of documents, and what a tier
 * means for readers. In a cold one a file exists and cannot be read until it is moved back: 403
 * `InvalidObjectState` at the object store (§10 row 27).
 */
import { randomUUID } from 'node:crypto';
import { delayOf, findHit } from '../faults.ts';
import { isCloudId, type Store } from '../store.ts';
import type { Task } from '../tasks.ts';
import { datasetById, datasetFor, mayRead } from './dataset-record.ts';
import { type DocumentRow, fileInfosOf } from './document-record.ts';
import { type Api, type Ask, type Cloud, isObject, iso, textOf } from './http.ts';
import { badRequest, notFound, ok, refuse } from './refusal.ts';

const TIERS = ['STANDARD', 'STANDARD_IA', 'GLACIER_IR', 'GLACIER', 'DEEP_ARCHIVE', 'PSEUDO_COLD'];
/** `GLACIER_IR` answers at once, whatever its name. */
const COLD = new Set(['GLACIER', 'DEEP_ARCHIVE', 'PSEUDO_COLD']);

export function registerFileTiers(api: Api): void {
  api.route('POST', '/datasets/:d/file-tier-jobs', 'required', startJob);
  api.route('GET', '/file-tier-jobs/:jobId', 'required', getJob);
  api.cloud.tasks.register('move-tier', (task) => runJob(api.cloud, task));
}

/** The storage class that keeps an object from being read, if it lies in one. */
export function coldTierOf(store: Store, key: string): string | undefined {
  const tier = store.get<{ tier: string }>('SELECT tier FROM object_tiers WHERE key=?', key)?.tier;
  return tier !== undefined && COLD.has(tier) ? tier : undefined;
}

interface DocumentWithBody extends Pick<DocumentRow, 'id' | 'ndi_id' | 'dataset_id'> {
  body: string;
}

/** The object keys of a document's files. */
function keysOf(store: Store, { dataset_id, body }: Omit<DocumentWithBody, 'id' | 'ndi_id'>): string[] {
  const uids = fileInfosOf(JSON.parse(body) as Record<string, unknown>).flatMap((info) => info.uids);
  const sql = 'SELECT source_dataset_id FROM files WHERE dataset_id=? AND uid=?';
  return [...new Set(uids)].map((uid) => {
    const file = store.get<{ source_dataset_id: string }>(sql, dataset_id, uid);
    return `${file?.source_dataset_id ?? dataset_id}/${uid}`;
  });
}

/** `filesTier` of a document, once a job has touched its files; before that it has none. */
export function filesTierOf(
  store: Store,
  row: Pick<DocumentRow, 'dataset_id' | 'has_locations'>,
  body: string,
) {
  if (row.has_locations === 0 || store.get('SELECT 1 FROM object_tiers LIMIT 1') === undefined)
    return undefined;
  const counts: Record<string, number> = {};
  let updatedMs = 0;
  for (const key of keysOf(store, { dataset_id: row.dataset_id, body })) {
    const sql = 'SELECT tier, updated_ms FROM object_tiers WHERE key=?';
    const found = store.get<{ tier: string; updated_ms: number }>(sql, key);
    const tier = found?.tier ?? 'STANDARD';
    counts[tier] = (counts[tier] ?? 0) + 1;
    updatedMs = Math.max(updatedMs, found?.updated_ms ?? 0);
  }
  if (updatedMs === 0) return undefined;
  const dominant = Object.entries(counts).sort((a, b) => b[1] - a[1])[0]?.[0];
  return { counts, dominant, notes: [] as string[], updatedAt: iso(updatedMs) };
}

async function startJob(ask: Ask) {
  const dataset = datasetFor(ask, 'write');
  const body = await ask.object();
  const tier = textOf(body.targetTier);
  if (!TIERS.includes(tier)) throw badRequest(`targetTier must be one of ${TIERS.join(', ')}`);
  const selected = resolve(ask, dataset.id, body.documentSelectors);
  const { cloud } = ask;
  const keys = [...new Set(selected.flatMap((row) => keysOf(cloud.store, row)))];
  const jobId = randomUUID();
  cloud.store.transaction(() => {
    supersede(cloud, dataset.id, keys);
    cloud.store.run(
      "INSERT INTO tier_jobs (id, dataset_id, tier, state, keys, created_ms) VALUES (?,?,?,'queued',?,?)",
      jobId,
      dataset.id,
      tier,
      JSON.stringify(keys),
      cloud.now(),
    );
  });
  schedule(cloud, jobId, 'running');
  return ok({
    jobId,
    fileCount: keys.length,
    resolvedDocumentCount: selected.length,
    collateralDocumentIds: collateral(cloud.store, dataset.id, selected, keys),
  });
}

/**
 * Selectors name documents by cloud id or NDI id; which, their form says. Unknown ones resolve to nothing.
 */
function resolve(ask: Ask, datasetId: string, selectors: unknown): DocumentWithBody[] {
  if (!Array.isArray(selectors) || selectors.length === 0 || !selectors.every(isObject))
    throw badRequest('documentSelectors must be an array of {id}');
  const found = new Map<string, DocumentWithBody>();
  for (const selector of selectors) {
    const id = textOf(selector.id);
    const column = isCloudId(id) ? 'id' : 'ndi_id';
    const rows = ask.cloud.store.all<DocumentWithBody>(
      `SELECT d.id, d.ndi_id, d.dataset_id, b.body FROM documents d JOIN bodies b ON b.seq=d.seq
       WHERE d.${column}=? AND d.dataset_id=? AND d.deleted_ms IS NULL`,
      isCloudId(id) ? id.toLowerCase() : id,
      datasetId,
    );
    for (const row of rows) found.set(row.id, row);
  }
  return [...found.values()];
}

/** Documents that were not selected and share a file with one that was. */
function collateral(
  store: Store,
  datasetId: string,
  selected: readonly DocumentWithBody[],
  keys: readonly string[],
): string[] {
  const chosen = new Set(selected.map((row) => row.id));
  const moved = new Set(keys);
  const others = store.all<DocumentWithBody>(
    `SELECT d.id, d.ndi_id, d.dataset_id, b.body FROM documents d JOIN bodies b ON b.seq=d.seq
     WHERE d.dataset_id=? AND d.has_locations=1 AND d.deleted_ms IS NULL`,
    datasetId,
  );
  return others
    .filter((row) => !chosen.has(row.id) && keysOf(store, row).some((key) => moved.has(key)))
    .map((row) => row.id);
}

interface TierJobRow {
  id: string;
  dataset_id: string;
  tier: string;
  state: 'queued' | 'running' | 'completed' | 'failed' | 'superseded';
  keys: string;
  files_done: number;
  errors: string;
}

const keysIn = (job: Pick<TierJobRow, 'keys'>): string[] => JSON.parse(job.keys) as string[];

/** A later job for the same files takes over from those that have not ended. */
function supersede(cloud: Cloud, datasetId: string, keys: readonly string[]): void {
  const taken = new Set(keys);
  const open = cloud.store.all<TierJobRow>(
    "SELECT * FROM tier_jobs WHERE dataset_id=? AND state IN ('queued','running')",
    datasetId,
  );
  for (const job of open) {
    if (!keysIn(job).some((key) => taken.has(key))) continue;
    cloud.store.run("UPDATE tier_jobs SET state='superseded' WHERE id=?", job.id);
  }
}

function schedule(cloud: Cloud, jobId: string, to: 'running' | 'completed'): void {
  const hits = to === 'running' ? cloud.faults.worker('MOVE tiers', jobId) : [];
  const lost = findHit(hits, 'import-lost');
  if (lost !== undefined && lost.params.jobState !== 'failed') return;
  const payload = { jobId, to: lost === undefined ? to : 'failed' };
  cloud.tasks.schedule('move-tier', cloud.knobs.jobDelayMs + delayOf(hits), payload);
}

function runJob(cloud: Cloud, { payload }: Task): void {
  const { store } = cloud;
  const job = store.get<TierJobRow>('SELECT * FROM tier_jobs WHERE id=?', String(payload.jobId));
  if (job === undefined || (job.state !== 'queued' && job.state !== 'running')) return;
  if (payload.to === 'failed') {
    const errors = JSON.stringify(['The move failed']);
    store.run("UPDATE tier_jobs SET state='failed', errors=? WHERE id=?", errors, job.id);
  } else if (payload.to === 'running') {
    store.run("UPDATE tier_jobs SET state='running' WHERE id=?", job.id);
    schedule(cloud, job.id, 'completed');
  } else store.transaction(() => moveAll(cloud, job));
}

/** A file that was never sent cannot be moved: it counts as failed, the others are done. */
function moveAll(cloud: Cloud, job: TierJobRow): void {
  const errors: string[] = [];
  let done = 0;
  for (const key of keysIn(job)) {
    if (cloud.bucket.info(key) === undefined) {
      errors.push(`${key}: no such file`);
      continue;
    }
    cloud.store.run('INSERT OR REPLACE INTO object_tiers VALUES (?,?,?)', key, job.tier, cloud.now());
    done++;
  }
  const sql = "UPDATE tier_jobs SET state='completed', files_done=?, errors=? WHERE id=?";
  cloud.store.run(sql, done, JSON.stringify(errors), job.id);
}

function getJob(ask: Ask) {
  const { cloud } = ask;
  const job = cloud.store.get<TierJobRow>('SELECT * FROM tier_jobs WHERE id=?', ask.param('jobId'));
  const dataset = job === undefined ? undefined : datasetById(cloud.store, job.dataset_id);
  if (job === undefined || dataset === undefined) throw notFound('Job not found');
  if (!mayRead(cloud, ask.user, dataset))
    throw refuse(403, { message: 'You do not have access to this job' });
  const errors = JSON.parse(job.errors) as string[];
  const fileCount = keysIn(job).length;
  const filesFailed = job.state === 'failed' ? fileCount : errors.length;
  return ok({
    jobId: job.id,
    datasetId: job.dataset_id,
    targetTier: job.tier,
    state: job.state,
    fileCount,
    filesDone: job.files_done,
    filesFailed,
    perPhaseCounts: {
      pending: fileCount - job.files_done - filesFailed,
      moved: job.files_done,
      failed: filesFailed,
    },
    errors,
  });
}
