/** SQLite's errors in the words of the house. A driver error never leaves `ndi/dataset`. */
import { CourierError, diskErrorCode, type ErrorCode } from '../../errors/index.ts';

const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;
const READONLY_ROLLBACK = 776;

interface SqliteError extends Error {
  readonly errcode: number;
}

const isSqliteError = (error: unknown): error is SqliteError =>
  error instanceof Error && (error as { code?: unknown }).code === 'ERR_SQLITE_ERROR';

export const isBusy = (error: unknown): boolean => {
  if (!isSqliteError(error)) return false;
  const primary = error.errcode & 0xff;
  return primary === BUSY || primary === LOCKED;
};

/** A rollback journal of a writer that died: reading needs a repair, which we do on a copy. */
export const needsRollback = (error: unknown): boolean =>
  isSqliteError(error) && (error.errcode === READONLY_ROLLBACK || (error.errcode & 0xff) === CANTOPEN);

/** The code of an SQLite or file system error; errors of the house stay as they are. */
export function databaseError(error: unknown, path: string): CourierError {
  if (error instanceof CourierError) return error;
  return new CourierError(codeOf(error), { detail: `${path}: ${messageOf(error)}`, cause: error });
}

function codeOf(error: unknown): ErrorCode {
  if (isSqliteError(error)) {
    switch (error.errcode & 0xff) {
      case BUSY:
      case LOCKED:
        return 'NDI_E_DATABASE_BUSY';
      case READONLY:
        return error.errcode === READONLY_ROLLBACK ? 'NDI_E_DATABASE_BUSY' : 'NDI_E_READ_ONLY';
      case CORRUPT:
      case NOTADB:
        return 'NDI_E_DATABASE_CORRUPT';
      case FULL:
        return 'NDI_E_DISK_FULL';
      case CANTOPEN:
        return 'NDI_E_READ_ONLY';
      default:
        return 'NDI_E_DATABASE_CORRUPT';
    }
  }
  return diskErrorCode(error) ?? 'NDI_E_INTERNAL';
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Runs `work`; what SQLite or the file system says becomes an error of the house. */
export function withDatabaseErrors<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw databaseError(error, path);
  }
}
