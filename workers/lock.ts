/**
 * A lock between processes that dies with its holder: an exclusive transaction on an empty SQLite file. The
 * kernel drops it on SIGKILL and reboot, so there is no stale lock to detect and no pid that somebody else
 * may own by now.
 */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { databaseError, type SqliteCodes, sqliteFailure } from '../sqlite/errors.ts';

export interface FileLock {
  release(): void;
}

export const LOCK_CODES = {
  busy: 'NDI_E_SERVICE',
  corrupt: 'NDI_E_SERVICE',
  cannotOpen: 'NDI_E_SERVICE',
} as const satisfies SqliteCodes;

/** Held locks are rooted here: a garbage-collected connection would let go of its lock. */
const held = new Set<DatabaseSync>();

/**
 * Takes the lock, or answers `undefined` when another process (or another caller in this one) holds it.
 * @throws NDI_E_SERVICE when there can be no lock at `path`, and what else `databaseError` says
 */
export function tryLock(path: string): FileLock | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 0 });
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    if (sqliteFailure(error) === 'busy') return undefined;
    throw databaseError(error, path, LOCK_CODES);
  }
  const connection = db;
  held.add(connection);
  return {
    release() {
      if (!held.delete(connection)) return;
      connection.exec('ROLLBACK');
      connection.close();
    },
  };
}

export interface WaitForLockOptions {
  readonly signal?: AbortSignal | undefined;
  readonly pollMs?: number;
  /** Called once, when the lock is not free at once. */
  readonly onWait?: () => void;
}

/** Waits until the lock is free and takes it. Rejects with the signal's reason when aborted. */
export async function waitForLock(path: string, options: WaitForLockOptions = {}): Promise<FileLock> {
  for (let first = true; ; first = false) {
    options.signal?.throwIfAborted();
    const lock = tryLock(path);
    if (lock !== undefined) return lock;
    if (first) options.onWait?.();
    await sleep(options.pollMs ?? 250, undefined, options.signal ? { signal: options.signal } : {});
  }
}
