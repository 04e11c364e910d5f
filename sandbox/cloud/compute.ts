/**
 * Compute sessions (NDI Cloud contract §2.9). A session goes through the stages of its pipeline by itself,
 * one per `jobDelayMs`; nothing is computed. The contract lists routes and words only, so the record's shape
 * is a guess.
 */
import { randomUUID } from 'node:crypto';
import { delayOf, type FaultHit, findHit } from '../faults.ts';
import { type Api, type Ask, type Cloud, isObject, iso, textOf, userOf } from './http.ts';
import { licenseOf } from './license.ts';
import { badRequest, notFound, ok, refuse } from './refusal.ts';

interface Pipeline {
  readonly stages: readonly string[];
  /** Needs a MATLAB licence for this release. */
  readonly release?: string;
  /** Never gets on by itself: what a session left behind looks like. */
  readonly stuck?: boolean;
}

const PIPELINES: Readonly<Record<string, Pipeline>> = {
  'hello-world-v1': { stages: ['hello', 'world'] },
  'zombie-test-v1': { stages: ['wait'], stuck: true },
  'hello-matlab-v1': { stages: ['license', 'hello'], release: 'R2024b' },
};

interface SessionRow {
  id: string;
  user_id: string;
  pipeline_id: string;
  input: string;
  status: 'RUNNING' | 'COMPLETED' | 'FAILED' | 'ABORTED';
  stage: number;
  error: string | null;
  created_ms: number;
  updated_ms: number;
}

export function registerCompute(api: Api): void {
  api.route('POST', '/compute/start', 'required', start);
  api.route('GET', '/compute', 'required', list);
  api.route('GET', '/compute/:sessionId', 'required', (ask) => ok(record(sessionFor(ask))));
  api.route('DELETE', '/compute/:sessionId', 'required', abort);
  api.route('POST', '/compute/:sessionId/stage/:stageId', 'required', runStage);
  api.route('POST', '/compute/:sessionId/advance', 'required', advance);
  api.cloud.tasks.register('compute-step', ({ payload }) => {
    const row = byId(api.cloud, String(payload.sessionId));
    // Advanced or aborted by hand meanwhile: that step is not this one's any more.
    if (row === undefined || row.status !== 'RUNNING' || row.stage !== payload.stage) return;
    if (payload.fails === true) end(api.cloud, row, 'FAILED', 'The stage failed');
    else stepOn(api.cloud, row);
  });
}

const byId = (cloud: Cloud, id: string): SessionRow | undefined =>
  cloud.store.get<SessionRow>('SELECT * FROM compute_sessions WHERE id=?', id);

function record(row: SessionRow) {
  const stages = PIPELINES[row.pipeline_id]?.stages ?? [];
  const stateOf = (index: number): string =>
    index < row.stage ? 'COMPLETED' : index > row.stage ? 'PENDING' : row.status;
  return {
    sessionId: row.id,
    id: row.id,
    pipelineId: row.pipeline_id,
    inputParameters: JSON.parse(row.input) as unknown,
    status: row.status,
    currentStage: row.status === 'RUNNING' ? (stages[row.stage] ?? null) : null,
    stages: stages.map((stageId, index) => ({ stageId, status: stateOf(index) })),
    createdAt: iso(row.created_ms),
    updatedAt: iso(row.updated_ms),
    error: row.error,
  };
}

/** Somebody else's session is as unknown as none. */
function sessionFor(ask: Ask): SessionRow {
  const row = byId(ask.cloud, ask.param('sessionId'));
  const user = userOf(ask);
  if (row === undefined || (row.user_id !== user.id && user.is_admin !== 1))
    throw notFound('Session not found');
  return row;
}

function runningFor(ask: Ask): SessionRow {
  const row = sessionFor(ask);
  if (row.status !== 'RUNNING') throw refuse(409, { message: `The session is ${row.status}` });
  return row;
}

async function start(ask: Ask) {
  const body = await ask.object();
  const pipelineId = textOf(body.pipelineId);
  const pipeline = PIPELINES[pipelineId];
  if (pipeline === undefined) throw badRequest(`Unknown pipeline ${pipelineId}`);
  const input = body.inputParameters ?? {};
  if (!isObject(input)) throw badRequest('inputParameters must be an object');
  if (pipeline.release !== undefined) needLicense(ask, pipeline.release);
  const { cloud } = ask;
  const id = randomUUID();
  cloud.store.run(
    "INSERT INTO compute_sessions (id, user_id, pipeline_id, input, status, created_ms, updated_ms) VALUES (?,?,?,?,'RUNNING',?,?)",
    id,
    userOf(ask).id,
    pipelineId,
    JSON.stringify(input),
    cloud.now(),
    cloud.now(),
  );
  schedule(cloud, byId(cloud, id)!);
  return ok(record(byId(cloud, id)!), 201);
}

/** A network licence serves every release, a dedicated one those it has a file for. */
function needLicense(ask: Ask, requiredRelease: string): void {
  if (ask.hit('decrypt-failed') !== undefined) {
    const message = 'The MATLAB license could not be decrypted';
    throw refuse(400, { code: 'MATLAB_LICENSE_DECRYPT_FAILED', message });
  }
  const { mode, files } = licenseOf(userOf(ask));
  if (mode === 'network' || (mode === 'dedicated' && files.some((file) => file.release === requiredRelease)))
    return;
  const message = `A MATLAB license for ${requiredRelease} is required`;
  throw refuse(400, { code: 'MATLAB_LICENSE_REQUIRED', message, requiredRelease });
}

function schedule(cloud: Cloud, row: SessionRow): void {
  if (PIPELINES[row.pipeline_id]?.stuck === true) return;
  const hits: FaultHit[] = cloud.faults.worker('RUN compute', row.pipeline_id);
  const lost = findHit(hits, 'import-lost');
  const fails = lost?.params.jobState === 'failed';
  if (lost !== undefined && !fails) return;
  const payload = { sessionId: row.id, stage: row.stage, fails };
  cloud.tasks.schedule('compute-step', cloud.knobs.jobDelayMs + delayOf(hits), payload);
}

/** The current stage is done: the next one runs, or there is none. */
function stepOn(cloud: Cloud, row: SessionRow): void {
  const next = { ...row, stage: row.stage + 1 };
  const sql = 'UPDATE compute_sessions SET stage=?, updated_ms=? WHERE id=?';
  cloud.store.run(sql, next.stage, cloud.now(), row.id);
  if (next.stage < (PIPELINES[row.pipeline_id]?.stages.length ?? 0)) schedule(cloud, next);
  else end(cloud, row, 'COMPLETED');
}

function end(cloud: Cloud, row: SessionRow, status: SessionRow['status'], error: string | null = null): void {
  const sql = 'UPDATE compute_sessions SET status=?, error=?, updated_ms=? WHERE id=?';
  cloud.store.run(sql, status, error, cloud.now(), row.id);
}

function list(ask: Ask) {
  const sql = 'SELECT * FROM compute_sessions WHERE user_id=? ORDER BY seq DESC LIMIT 1000';
  return ok({ sessions: ask.cloud.store.all<SessionRow>(sql, userOf(ask).id).map(record) });
}

/** 204 for one that has ended, too: a client that tidies up does not look first. */
function abort(ask: Ask) {
  const row = sessionFor(ask);
  if (row.status === 'RUNNING') end(ask.cloud, row, 'ABORTED');
  return ok(undefined, 204);
}

/** Runs a stage, an earlier or a later one, and goes on from there. */
function runStage(ask: Ask) {
  const row = runningFor(ask);
  const stage = PIPELINES[row.pipeline_id]?.stages.indexOf(ask.param('stageId')) ?? -1;
  if (stage < 0) throw notFound('Stage not found');
  const sql = 'UPDATE compute_sessions SET stage=?, updated_ms=? WHERE id=?';
  ask.cloud.store.run(sql, stage, ask.cloud.now(), row.id);
  // Under way already: no second step for it.
  if (stage !== row.stage) schedule(ask.cloud, { ...row, stage });
  return ok(record(byId(ask.cloud, row.id)!));
}

function advance(ask: Ask) {
  const row = runningFor(ask);
  stepOn(ask.cloud, row);
  return ok(record(byId(ask.cloud, row.id)!));
}
