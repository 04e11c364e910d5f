/** SQLite's errors about a document database, which other programs write too. */
import { type FileHolder, holdersOf } from '../../disk/holders.ts';
import { CourierError, isCourierError } from '../../errors/index.ts';
import * as sqlite from '../../sqlite/errors.ts';

export const DATASET_CODES = {
  busy: 'NDI_E_DATABASE_BUSY',
  corrupt: 'NDI_E_DATABASE_CORRUPT',
  // Its folder refuses the journal that a reader of a hot database must make.
  cannotOpen: 'NDI_E_READ_ONLY',
  // The writer may still be in its transaction.
  recovery: 'NDI_E_DATABASE_BUSY',
  // The tables are not ours: SQL that does not fit them says that they are not those of NDI.
  statement: 'NDI_E_DATABASE_CORRUPT',
} as const satisfies sqlite.SqliteCodes;

/**
 * The error for what SQLite or the file system said about the database at `path`; our own errors stay as they
 * are. That it is busy names who holds it, where the system tells.
 */
export function databaseError(error: unknown, path: string): CourierError {
  const said = sqlite.databaseError(error, path, DATASET_CODES);
  return said === error ? said : withHolders(said, path);
}

/** An error that the database at `path` is busy, with who holds it; others as they are. */
export function withHolders<T>(error: T, path: string): T | CourierError {
  if (!isCourierError(error, 'NDI_E_DATABASE_BUSY')) return error;
  const holders = holdersOf(['', '-wal', '-shm', '-journal'].map((suffix) => path + suffix));
  if (holders.length === 0) return error;
  const detail = `${error.detail} ${namesOf(holders)}`;
  return new CourierError(error.code, { detail, cause: error.cause });
}

/** Those that hold a lock, or when none is known, those that have it open. */
function namesOf(holders: readonly FileHolder[]): string {
  const locking = holders.filter(({ holdsLock }) => holdsLock);
  const named = (locking.length > 0 ? locking : holders)
    .slice(0, 5)
    .map(({ pid, command }) => `${command || 'a program'} (process ${pid})`);
  return `It is ${locking.length > 0 ? 'locked' : 'open'} in ${named.join(', ')}.`;
}

/** Runs `work` on the database at `path`. @throws what `databaseError` makes of its error */
export function withDatabaseErrors<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw databaseError(error, path);
  }
}
