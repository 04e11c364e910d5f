/**
 * The write lock of a dataset as a row: who holds it, and the refusals of others (NDI Cloud contract §2.11).
 */
import type { Store } from '../store.ts';
import { type Cloud, iso } from './http.ts';
import { refuse } from './refusal.ts';

export interface LockRow {
  dataset_id: string;
  user_id: string;
  reason: string;
  acquired_ms: number;
  until_ms: number;
  /** Joined in. */
  email: string | null;
}

/** The lock that is in force; one whose time is over is as good as none. */
export const lockOf = (store: Store, datasetId: string, nowMs: number): LockRow | undefined =>
  store.get<LockRow>(
    'SELECT l.*, u.email FROM write_locks l LEFT JOIN users u ON u.id=l.user_id WHERE dataset_id=? AND until_ms>?',
    datasetId,
    nowMs,
  );

export const holderOf = (lock: LockRow) => ({
  heldBy: lock.email ?? lock.user_id,
  heldUntil: iso(lock.until_ms),
  reason: lock.reason,
});

/** 423 for every writer but the holder, administrators included. */
export function refuseLocked(cloud: Cloud, userId: string, datasetId: string): void {
  const lock = lockOf(cloud.store, datasetId, cloud.now());
  if (lock === undefined || lock.user_id === userId) return;
  throw refuse(423, { message: 'Locked', ...holderOf(lock) });
}
