/**
 * Transactions on a bare connection: shared by `openDb` and by writers of foreign files, whose connections
 * have rules of their own.
 */
import type { DatabaseSync } from 'node:sqlite';

const unguarded = <T>(work: () => T): T => work();

/**
 * Runs `work` under the write lock, which no other writer can come between; undone when `work` throws.
 * `guard` wraps the two statements of the transaction itself, not `work`, which turns its own errors.
 */
export function inTransaction<T>(
  database: DatabaseSync,
  work: () => T,
  guard: (statement: () => void) => void = unguarded,
): T {
  guard(() => database.exec('BEGIN IMMEDIATE'));
  try {
    const result = work();
    guard(() => database.exec('COMMIT'));
    return result;
  } catch (error) {
    // SQLite has rolled back by itself after some errors (disk full); a second rollback would hide the first
    // error.
    if (database.isOpen && database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}
