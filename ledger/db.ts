/**
 * One SQLite file, opened: prepared statements, transactions, and SQLite's errors turned into ours.
 * Nothing else in this room touches `node:sqlite`.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { CourierError, diskErrorCode, isCourierError } from '../errors/index.ts';

export type Row = Record<string, SQLOutputValue>;

export interface Db {
  readonly path: string;
  exec(sql: string): void;
  get(sql: string, ...values: SQLInputValue[]): Row | undefined;
  all(sql: string, ...values: SQLInputValue[]): Row[];
  /** Returns the number of rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  /** All or nothing, under the write lock from its first statement. One inside another joins it. */
  transaction<T>(body: () => T): T;
  /** A transaction that a power cut may undo, whole, as long as no other has followed it; the death of a process does not. */
  lazily<T>(body: () => T): T;
  close(): void;
}

/**
 * How long a write waits for another process's. The longest transaction here (80,000 items at once) takes about a second;
 * beyond this something is wrong, and the run tries again by itself.
 */
const BUSY_TIMEOUT_MS = 15_000;

/**
 * Opens or creates the file.
 *
 * Durability: WAL with `synchronous = FULL`. A commit survives SIGKILL in any mode; FULL makes it survive a power cut,
 * which is what an intent needs that is written before the world is touched. It costs one fsync per verb, and a verb
 * covers a unit or a 16 MiB part, so it is not felt. Where WAL cannot be had (no shared memory) the rollback journal is used.
 */
export function openDb(path: string): Db {
  const database = guard(path, () => {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
  });
  let hasWal = false;
  try {
    guard(path, () => {
      hasWal = database.prepare('PRAGMA journal_mode = WAL').get()?.journal_mode === 'wal';
      if (!hasWal) database.exec('PRAGMA journal_mode = DELETE');
      database.exec('PRAGMA synchronous = FULL; PRAGMA cache_size = -8192; PRAGMA temp_store = FILE');
    });
  } catch (error) {
    database.close();
    throw error;
  }
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = database.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };
  let depth = 0;

  const transaction = <T>(body: () => T): T => {
    if (depth > 0) return body();
    guard(path, () => database.exec('BEGIN IMMEDIATE'));
    depth += 1;
    try {
      const result = body();
      guard(path, () => database.exec('COMMIT'));
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some errors (disk full); a second one would only hide the first.
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    } finally {
      depth -= 1;
    }
  };

  const lazily = <T>(body: () => T): T => {
    // A rollback journal that is not flushed may leave half a transaction behind; a WAL ends at its last whole one.
    if (depth > 0 || !hasWal) return transaction(body);
    guard(path, () => database.exec('PRAGMA synchronous = NORMAL'));
    try {
      return transaction(body);
    } finally {
      guard(path, () => database.exec('PRAGMA synchronous = FULL'));
    }
  };

  return {
    path,
    exec: (sql) => guard(path, () => database.exec(sql)),
    get: (sql, ...values) => guard(path, () => prepared(sql).get(...values)),
    all: (sql, ...values) => guard(path, () => prepared(sql).all(...values)),
    run: (sql, ...values) => guard(path, () => Number(prepared(sql).run(...values).changes)),
    transaction,
    lazily,
    close: () => {
      statements.clear();
      if (database.isOpen) database.close();
    },
  };
}

// SQLite's primary result codes (sqlite.org/rescode.html); the extended ones carry them in their low byte.
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const CONSTRAINT = 19;
const NOT_A_DATABASE = 26;

function guard<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw isCourierError(error) ? error : asCourierError(error, path);
  }
}

function asCourierError(error: unknown, path: string): CourierError {
  const { errcode, message } = error as { errcode?: number; message?: string };
  const detail = `${path}: ${message ?? String(error)}.`;
  const known = diskErrorCode(error);
  if (known !== undefined) return new CourierError(known, { detail });
  switch (errcode === undefined ? undefined : errcode & 0xff) {
    case BUSY:
    case LOCKED:
      return new CourierError('NDI_E_LEDGER_BUSY', { detail });
    case FULL:
      return new CourierError('NDI_E_DISK_FULL', { detail });
    case READONLY:
      return new CourierError('NDI_E_READ_ONLY', { detail });
    case CORRUPT:
    case NOT_A_DATABASE:
      return new CourierError('NDI_E_LEDGER', { detail: `${path} is damaged.`, cause: error });
    case CONSTRAINT:
      return new CourierError('NDI_E_INTERNAL', { detail, cause: error });
    case CANTOPEN:
      return new CourierError('NDI_E_LEDGER', { detail: `${path} cannot be opened.`, cause: error });
    default:
      return new CourierError('NDI_E_LEDGER', { detail, cause: error });
  }
}

/**
 * Streams a query in slices: `next` gets the last row of the slice before and returns the following one. No statement stays
 * open between slices, so a caller may write, or await, while it iterates.
 */
export function* sliced<T>(next: (last: T | undefined) => T[], sliceRows = SLICE_ROWS): IterableIterator<T> {
  let last: T | undefined;
  for (;;) {
    const rows = next(last);
    yield* rows;
    last = rows.at(-1);
    if (last === undefined || rows.length < sliceRows) return;
  }
}

/** Rows fetched at once while iterating: some 200 KB. */
export const SLICE_ROWS = 500;
