/**
 * `openDb`: one SQLite file of our own, with prepared statements, transactions, and SQLite's errors turned
 * into ours.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { backup, DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { CourierError, diskErrorCode, type ErrorCode } from '../errors/index.ts';
import { databaseError, type SqliteCodes, withDatabaseErrors } from './errors.ts';
import { migrate } from './migrate.ts';
import { inTransaction } from './transaction.ts';
import type { Db, Row } from './types.ts';

/** Codes of a store whose tables are ours: `newer` is said of a file that a later program has migrated. */
export type StoreCodes = SqliteCodes & { readonly newer: ErrorCode };

/**
 * Which commits survive. Both survive the death of the process, by SIGKILL too. `power-loss` survives a power
 * cut as well, at the price of one fsync per transaction: for an intent that must be on disk before the world
 * is touched · `process-death` may lose the last commits, or the file, in a power cut: for what can be made
 * anew.
 */
export type Durability = 'power-loss' | 'process-death';

export interface DbOptions {
  readonly codes: StoreCodes;
  readonly durability: Durability;
  /** Run by `openDb` before it returns, see `migrate`. Default: none. */
  readonly migrations?: readonly string[];
  /** How long a statement waits for another connection's transaction. Default 15 s. */
  readonly busyTimeoutMs?: number;
  /** Page cache. Default 8 MiB. */
  readonly cacheKiB?: number;
}

/**
 * The longest transaction that is made here (80,000 items at once) takes about a second. When another process
 * holds the lock for longer than this, something is wrong, and the caller is told.
 */
const BUSY_TIMEOUT_MS = 15_000;
const CACHE_KIB = 8_192;

/**
 * Opens or creates the file, and its folder, for its owner only; migrates it when `migrations` are given. Any
 * number of processes may hold the same file. Uses the write-ahead log, or the rollback journal where there
 * is no shared memory for the log.
 * @throws the store's `codes`, NDI_E_DISK_FULL, NDI_E_READ_ONLY, NDI_E_DISK_IO, NDI_E_FILE_LOCKS,
 * NDI_E_OUT_OF_MEMORY
 */
export function openDb(path: string, options: DbOptions): Db {
  const { codes, migrations } = options;
  makeFolder(dirname(path), codes);
  const guard = <T>(work: () => T): T => withDatabaseErrors(path, codes, work);
  const timeout = options.busyTimeoutMs ?? BUSY_TIMEOUT_MS;
  const database = guard(() => new DatabaseSync(path, { timeout, enableForeignKeyConstraints: true }));
  try {
    const synchronous = options.durability === 'power-loss' ? 'FULL' : 'OFF';
    const hasWal = guard(() => setModes(database, synchronous, options.cacheKiB ?? CACHE_KIB));
    const db = dbOn(database, path, { guard, hasWal, synchronous });
    if (migrations !== undefined) migrate(db, migrations, codes.newer);
    return db;
  } catch (error) {
    database.close();
    throw error;
  }
}

function makeFolder(dir: string, codes: StoreCodes): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    const { message } = error as Error;
    throw new CourierError(diskErrorCode(error) ?? codes.cannotOpen, { detail: `${message}.`, cause: error });
  }
}

/** True when the file has a write-ahead log. */
function setModes(database: DatabaseSync, synchronous: string, cacheKiB: number): boolean {
  const hasWal = database.prepare('PRAGMA journal_mode = WAL').get()?.journal_mode === 'wal';
  if (!hasWal) database.exec('PRAGMA journal_mode = DELETE');
  database.exec(`PRAGMA synchronous = ${synchronous}`);
  database.exec(`PRAGMA cache_size = -${cacheKiB}; PRAGMA temp_store = FILE`);
  return hasWal;
}

interface Connection {
  readonly guard: <T>(work: () => T) => T;
  readonly hasWal: boolean;
  readonly synchronous: 'FULL' | 'OFF';
}

function dbOn(database: DatabaseSync, path: string, { guard, hasWal, synchronous }: Connection): Db {
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = database.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };
  const transaction = <T>(work: () => T): T =>
    database.isOpen && database.isTransaction ? work() : inTransaction(database, work, guard);
  const lazily = <T>(work: () => T): T => {
    // A rollback journal that is not flushed may leave half a transaction behind; a WAL ends at its last
    // whole one.
    if (!hasWal || synchronous === 'OFF' || (database.isOpen && database.isTransaction))
      return transaction(work);
    guard(() => database.exec('PRAGMA synchronous = NORMAL'));
    try {
      return transaction(work);
    } finally {
      guard(() => database.exec('PRAGMA synchronous = FULL'));
    }
  };
  return {
    path,
    exec: (sql) => guard(() => database.exec(sql)),
    get: (sql, ...values: SQLInputValue[]): Row | undefined => guard(() => prepared(sql).get(...values)),
    all: (sql, ...values: SQLInputValue[]): Row[] => guard(() => prepared(sql).all(...values)),
    run: (sql, ...values: SQLInputValue[]) => guard(() => Number(prepared(sql).run(...values).changes)),
    transaction,
    lazily,
    close: () => {
      statements.clear();
      if (database.isOpen) database.close();
    },
  };
}

/**
 * Copies the database at `from` to `to`, as it is at this moment, also while others write. Changes nothing at
 * `from`.
 * @throws as `openDb`; `cannotOpen` when there is none; `busy` when it stays locked for `busyTimeoutMs`
 */
export async function copyDb(
  from: string,
  to: string,
  codes: SqliteCodes,
  busyTimeoutMs: number = BUSY_TIMEOUT_MS,
): Promise<void> {
  try {
    const source = new DatabaseSync(from, { readOnly: true, timeout: busyTimeoutMs });
    try {
      // A lock is told here with its own code. Node's backup gives up for a lock without any (0).
      source.prepare('SELECT count(*) FROM sqlite_schema').get();
      await backup(source, to);
    } finally {
      source.close();
    }
  } catch (error) {
    if ((error as { errcode?: unknown }).errcode === 0)
      throw new CourierError(codes.busy, { detail: `${from} was locked while it was copied.`, cause: error });
    throw databaseError(error, from, codes);
  }
}
