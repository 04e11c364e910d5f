/**
 * SQLite's result codes (sqlite.org/rescode.html), sorted by what they mean for a caller, and turned into our
 * errors. A store hands in the codes for what is its own: busy, corrupt, cannot be opened. The machine's
 * failures are the same for all.
 */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { CourierError, diskErrorCode, type ErrorCode, isCourierError } from '../errors/index.ts';

/**
 * `busy` another connection holds the lock · `corrupt` the file is damaged or no database · `cannotOpen` the
 * file cannot be opened · `recovery` a dead writer left a journal that a read-only connection cannot roll
 * back · `readOnly` no permission to write · `full` no space · `disk` reading or writing failed · `locks` the
 * file system refuses locks · `memory` out of memory · `interrupted` the statement was aborted, or the
 * connection closed under it · `statement` the SQL does not fit the tables of the file · `program` a mistake
 * of the calling code
 */
export type SqliteFailure =
  | 'busy'
  | 'corrupt'
  | 'cannotOpen'
  | 'recovery'
  | 'readOnly'
  | 'full'
  | 'disk'
  | 'locks'
  | 'memory'
  | 'interrupted'
  | 'statement'
  | 'program';

type CodeByFailure = Readonly<Record<SqliteFailure, ErrorCode>>;

/** Codes for the failures of a store's own file. The others have a default, which a store may replace. */
export type SqliteCodes = Pick<CodeByFailure, 'busy' | 'corrupt' | 'cannotOpen'> & Partial<CodeByFailure>;

const COMMON = {
  recovery: 'NDI_E_READ_ONLY',
  readOnly: 'NDI_E_READ_ONLY',
  full: 'NDI_E_DISK_FULL',
  disk: 'NDI_E_DISK_IO',
  locks: 'NDI_E_FILE_LOCKS',
  memory: 'NDI_E_OUT_OF_MEMORY',
  interrupted: 'NDI_E_INTERRUPTED',
  statement: 'NDI_E_INTERNAL',
  program: 'NDI_E_INTERNAL',
} as const satisfies Partial<CodeByFailure>;

/** Extended codes that mean something else than their primary code, which is their low byte. */
const EXTENDED: Readonly<Record<number, SqliteFailure>> = {
  264: 'recovery', // READONLY_RECOVERY
  776: 'recovery', // READONLY_ROLLBACK
  1032: 'cannotOpen', // READONLY_DBMOVED
  513: 'busy', // ERROR_RETRY
  769: 'busy', // ERROR_SNAPSHOT
  2058: 'locks', // IOERR_UNLOCK
  2314: 'locks', // IOERR_RDLOCK
  3594: 'locks', // IOERR_CHECKRESERVEDLOCK
  3850: 'locks', // IOERR_LOCK
  5130: 'locks', // IOERR_SHMLOCK
  3082: 'memory', // IOERR_NOMEM
  8202: 'corrupt', // IOERR_DATA: the checksum of a page is wrong
};

const PRIMARY: Readonly<Record<number, SqliteFailure>> = {
  1: 'statement', // ERROR
  2: 'program', // INTERNAL
  3: 'readOnly', // PERM
  4: 'interrupted', // ABORT
  5: 'busy', // BUSY
  6: 'busy', // LOCKED
  7: 'memory', // NOMEM
  8: 'readOnly', // READONLY
  9: 'interrupted', // INTERRUPT
  10: 'disk', // IOERR
  11: 'corrupt', // CORRUPT
  12: 'program', // NOTFOUND
  13: 'full', // FULL
  14: 'cannotOpen', // CANTOPEN
  15: 'locks', // PROTOCOL
  16: 'program', // EMPTY
  17: 'busy', // SCHEMA: another connection keeps changing it
  18: 'program', // TOOBIG
  19: 'program', // CONSTRAINT
  20: 'program', // MISMATCH
  21: 'program', // MISUSE
  22: 'cannotOpen', // NOLFS
  23: 'program', // AUTH
  24: 'program', // FORMAT
  25: 'program', // RANGE
  26: 'corrupt', // NOTADB
};

/** The failure that SQLite reported. Undefined for an error that is not SQLite's. */
export function sqliteFailure(error: unknown): SqliteFailure | undefined {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  if (code !== 'ERR_SQLITE_ERROR' || typeof errcode !== 'number') return undefined;
  return EXTENDED[errcode] ?? PRIMARY[errcode & 0xff] ?? 'program';
}

/**
 * The error of `codes` for what SQLite or the file system said about the file at `path`; our own errors stay
 * as they are. Any other error is a mistake in the program: NDI_E_INTERNAL.
 */
export function databaseError(error: unknown, path: string, codes: SqliteCodes): CourierError {
  if (isCourierError(error)) return error;
  const failure = onFullDisk(failureOf(error), path);
  const code = failure === undefined ? (diskErrorCode(error) ?? 'NDI_E_INTERNAL') : codeOf(failure, codes);
  const message = error instanceof Error ? error.message : String(error);
  const detail = failure === 'corrupt' ? `${path} is damaged: ${message}.` : `${path}: ${message}.`;
  return new CourierError(code, { detail, room: { path }, cause: error });
}

const codeOf = (failure: SqliteFailure, codes: SqliteCodes): ErrorCode => ({ ...COMMON, ...codes })[failure];

/**
 * Adds failures that are reported outside of SQLite: by Node about a closed connection, by the operating
 * system about the disk.
 */
function failureOf(error: unknown): SqliteFailure | undefined {
  switch ((error as { code?: unknown } | null | undefined)?.code) {
    case 'ERR_INVALID_STATE':
      return 'interrupted';
    case 'EIO':
      return 'disk';
    case 'ENOMEM':
      return 'memory';
    default:
      return sqliteFailure(error);
  }
}

/**
 * SQLite says FULL only of a write to the file itself. When it cannot extend shared memory or make a journal
 * on a full disk, it says IOERR or CANTOPEN.
 */
function onFullDisk(failure: SqliteFailure | undefined, path: string): SqliteFailure | undefined {
  if (failure !== 'disk' && failure !== 'cannotOpen') return failure;
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize < FULL_BYTES ? 'full' : failure;
  } catch {
    return failure;
  }
}

/** Less than SQLite needs for a journal: 32 KiB of shared memory and a few pages. */
const FULL_BYTES = 64 * 1024;

/** Runs `work` on the file at `path`. @throws what `databaseError` makes of its error */
export function withDatabaseErrors<T>(path: string, codes: SqliteCodes, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw databaseError(error, path, codes);
  }
}
