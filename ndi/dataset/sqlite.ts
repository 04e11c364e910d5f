/** SQLite's errors about a document database, which other programs write too. */
import type { CourierError } from '../../errors/index.ts';
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
 * are.
 */
export const databaseError = (error: unknown, path: string): CourierError =>
  sqlite.databaseError(error, path, DATASET_CODES);

/** Runs `work` on the database at `path`. @throws what `databaseError` makes of its error */
export const withDatabaseErrors = <T>(path: string, work: () => T): T =>
  sqlite.withDatabaseErrors(path, DATASET_CODES, work);
