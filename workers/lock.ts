/**
 * A lock between processes that dies with its holder: an exclusive transaction on an empty SQLite file. The kernel
 * drops it on SIGKILL and reboot, so there is no stale lock to detect and no pid that somebody else may own by now.
 */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { CourierError } from '../errors/index.ts';

export interface FileLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/** Held locks are rooted here: a garbage-collected connection would let go of its lock. */
const held = new Set<DatabaseSync>();

/** Takes the lock, or answers `undefined` when another process (or another caller in this one) holds it. */
export function tryLock(path: string): FileLock | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 0 });
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw new CourierError('NDI_E_SERVICE', { detail: `The lock ${path} cannot be used.`, cause: error });
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
