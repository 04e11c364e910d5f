/** Bulk file upload jobs: J1 and J2 (NDI Cloud contract §2.8). */
import { datasetById, datasetFor, mayRead } from './dataset-record.ts';
import { type Api, type Ask, iso, isoOrNull } from './http.ts';
import { badRequest, notFound, ok, refuse } from './refusal.ts';

export interface JobRow {
  id: string;
  dataset_id: string;
  state: string;
  created_ms: number;
  started_ms: number | null;
  completed_ms: number | null;
  total_files: number | null;
  files_extracted: number;
  error: string | null;
}

const STATES: Readonly<Record<string, readonly string[]>> = {
  active: ['queued', 'extracting'],
  all: ['queued', 'extracting', 'complete', 'failed'],
  queued: ['queued'],
  extracting: ['extracting'],
  complete: ['complete'],
  failed: ['failed'],
};

/** "Recent history". */
const MAX_LISTED = 1000;

export function registerBulkUploads(api: Api): void {
  api.route('GET', '/bulk-uploads/:jobId', 'required', getJob);
  api.route('GET', '/datasets/:d/bulk-uploads', 'required', listJobs);
}

/**
 * The job as a lagging replica has it: what came after that moment has not happened. Undefined: not even the
 * job.
 */
function jobAsOf(row: JobRow, asOfMs: number): JobRow | undefined {
  if (row.created_ms > asOfMs) return undefined;
  if (row.completed_ms !== null && row.completed_ms <= asOfMs) return row;
  if (row.started_ms === null || row.started_ms > asOfMs) {
    const unseen = {
      started_ms: null,
      completed_ms: null,
      total_files: null,
      files_extracted: 0,
      error: null,
    };
    return { ...row, ...unseen, state: 'queued' };
  }
  return row.completed_ms === null ? row : { ...row, completed_ms: null, error: null, state: 'extracting' };
}

/** Every key in every row: MATLAB reads `jobs(k).jobId` and cannot where rows differ. */
const jobRecord = (row: JobRow) => ({
  jobId: row.id,
  datasetId: row.dataset_id,
  state: row.state,
  createdAt: iso(row.created_ms),
  startedAt: isoOrNull(row.started_ms),
  completedAt: isoOrNull(row.completed_ms),
  totalFiles: row.total_files,
  filesExtracted: row.files_extracted,
  error: row.error,
});

function getJob(ask: Ask) {
  const found = ask.cloud.store.get<JobRow>('SELECT * FROM jobs WHERE id=?', ask.param('jobId'));
  const row = found === undefined ? undefined : jobAsOf(found, ask.asOf());
  const dataset = row === undefined ? undefined : datasetById(ask.cloud.store, row.dataset_id);
  if (row === undefined || dataset === undefined) throw notFound('Bulk upload job not found');
  if (!mayRead(ask.cloud, ask.user, dataset))
    throw refuse(403, { message: 'You do not have access to this job' });
  return ok(jobRecord(row));
}

function listJobs(ask: Ask) {
  const dataset = datasetFor(ask, 'read');
  const states = STATES[ask.query('state') ?? 'active'];
  if (states === undefined) throw badRequest(`state must be one of ${Object.keys(STATES).join(', ')}`);
  const jobs = ask.cloud.store
    .all<JobRow>('SELECT * FROM jobs WHERE dataset_id=? ORDER BY created_ms DESC, rowid DESC', dataset.id)
    .map((row) => jobAsOf(row, ask.asOf()))
    .filter((row) => row !== undefined)
    .filter((row) => states.includes(row.state))
    .slice(0, MAX_LISTED);
  return ok({ datasetId: dataset.id, jobs: jobs.map(jobRecord) });
}
