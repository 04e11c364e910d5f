/**
 * The exclusive write lock of a dataset (NDI Cloud contract §2.11): acquire, look, refresh, release. The
 * contract knows the verbs and the answers, not the path: `/datasets/:d/write-lock` is a guess.
 */
import { datasetFor } from './dataset-record.ts';
import { type Api, type Ask, iso, textOf, userOf } from './http.ts';
import { badRequest, notFound, ok, refuse } from './refusal.ts';
import { holderOf, type LockRow, lockOf } from './write-lock-record.ts';

const DEFAULT_TTL_SECONDS = 30 * 60;
const MAX_TTL_SECONDS = 24 * 3600;
const PATH = '/datasets/:d/write-lock';

export function registerWriteLock(api: Api): void {
  api.route('POST', PATH, 'required', acquire);
  api.route('GET', PATH, 'required', show);
  api.route('PUT', PATH, 'required', refresh);
  api.route('POST', `${PATH}/refresh`, 'required', refresh);
  api.route('DELETE', PATH, 'required', release);
}

const record = (datasetId: string, lock: LockRow) => ({
  datasetId,
  locked: true,
  ...holderOf(lock),
  acquiredAt: iso(lock.acquired_ms),
});

function ttlMsOf(value: unknown): number {
  if (value === undefined || value === null) return DEFAULT_TTL_SECONDS * 1000;
  if (typeof value !== 'number' || !(value > 0) || value > MAX_TTL_SECONDS)
    throw badRequest(`ttlSeconds must be a number from 1 to ${MAX_TTL_SECONDS}`);
  return value * 1000;
}

/** The lock in force, if the asker may have it: none, or his own. 409 names the holder. */
function ownLock(ask: Ask, datasetId: string): LockRow | undefined {
  const lock = lockOf(ask.cloud.store, datasetId, ask.cloud.now());
  if (lock !== undefined && lock.user_id !== userOf(ask).id)
    throw refuse(409, { message: 'The write lock is held by another user', ...holderOf(lock) });
  return lock;
}

/** 201 for a new lock; the holder who asks again refreshes it, 200. */
async function acquire(ask: Ask) {
  const dataset = datasetFor(ask, 'member');
  const body = await ask.object();
  const ttlMs = ttlMsOf(body.ttlSeconds);
  const before = ownLock(ask, dataset.id);
  const { store, now } = ask.cloud;
  store.run(
    'INSERT OR REPLACE INTO write_locks VALUES (?,?,?,?,?)',
    dataset.id,
    userOf(ask).id,
    textOf(body.reason) || (before?.reason ?? ''),
    before?.acquired_ms ?? now(),
    now() + ttlMs,
  );
  return ok(record(dataset.id, lockOf(store, dataset.id, now())!), before === undefined ? 201 : 200);
}

function show(ask: Ask) {
  const dataset = datasetFor(ask, 'member');
  const lock = lockOf(ask.cloud.store, dataset.id, ask.cloud.now());
  return ok(lock === undefined ? { datasetId: dataset.id, locked: false } : record(dataset.id, lock));
}

async function refresh(ask: Ask) {
  const dataset = datasetFor(ask, 'member');
  const ttlMs = ttlMsOf((await ask.object()).ttlSeconds);
  if (ownLock(ask, dataset.id) === undefined) throw notFound('There is no write lock');
  const { store, now } = ask.cloud;
  store.run('UPDATE write_locks SET until_ms=? WHERE dataset_id=?', now() + ttlMs, dataset.id);
  return ok(record(dataset.id, lockOf(store, dataset.id, now())!));
}

/** Releasing what is free is no error: a holder whose time ran out must be able to let go. */
function release(ask: Ask) {
  const dataset = datasetFor(ask, 'member');
  ownLock(ask, dataset.id);
  ask.cloud.store.run('DELETE FROM write_locks WHERE dataset_id=?', dataset.id);
  return ok({ message: 'Write lock released' });
}
