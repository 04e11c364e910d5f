/**
 * Opens a document database to read it, and changes nothing: not a byte, not a time stamp, no file beside it.
 *
 *   quiet file in delete mode          → read in place, read-only, with SQLite's own shared locks
 *   writer inside a transaction        → private copy of the file, made while we hold a shared lock
 *   rollback journal of a dead writer  → private copy of file and journal; SQLite repairs the copy
 *   write-ahead log, or WAL mode       → private copy of file and log (reading in place would make `-shm`)
 *   locked for a commit, or never still → NDI_E_DATABASE_BUSY
 */
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { CourierError } from '../../errors/index.ts';
import { databaseError, isBusy, needsRollback } from './sqlite.ts';

const MAGIC = 'SQLite format 3\0';
const HEADER_BYTES = 100;
const WAL_MODE = 2;
const COPY_ATTEMPTS = 5;

export interface SnapshotOptions {
  /** Where a private copy may be made; the system's temporary folder by default. */
  readonly scratchDir?: string;
  /** How long to wait for a writer's commit. */
  readonly busyTimeoutMs?: number;
}

export interface Snapshot {
  readonly database: DatabaseSync;
  readonly isCopy: boolean;
  close(): void;
}

/**
 * A connection that sees one consistent state of the database at `path`.
 * @throws NDI_E_DATABASE_CORRUPT, NDI_E_DATABASE_BUSY
 */
export function openSnapshot(path: string, options: SnapshotOptions = {}): Snapshot {
  const busyTimeoutMs = options.busyTimeoutMs ?? 5_000;
  try {
    const header = readHeader(path);
    const walMode = header[18] === WAL_MODE || header[19] === WAL_MODE || existsSync(`${path}-wal`);
    if (walMode) return copied(path, ['', '-wal'], options, busyTimeoutMs);
    const locked = openLocked(path, busyTimeoutMs);
    if (locked === 'needs-rollback') return copied(path, ['', '-journal'], options, busyTimeoutMs);
    if (sizeOf(`${path}-journal`) === 0)
      return { database: locked, isCopy: false, close: () => locked.close() };
    return copiedUnderLock(path, locked, options, busyTimeoutMs);
  } catch (error) {
    throw databaseError(error, path);
  }
}

/** The first page's header. The checks are cheap and catch an empty, foreign or cut-off file at once. */
function readHeader(path: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, 'r');
  let length: number;
  try {
    length = readSync(file, header, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(file);
  }
  const corrupt = (why: string): CourierError =>
    new CourierError('NDI_E_DATABASE_CORRUPT', { detail: `${path} ${why}.` });
  if (length === 0) throw corrupt('is empty');
  if (length < HEADER_BYTES || header.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    throw corrupt('is not an SQLite database');
  }
  const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  const pages = header.readUInt32BE(28);
  // The page count is only valid when both counters agree; a live log or journal may hold the rest of the file.
  const countIsValid = header.readUInt32BE(24) === header.readUInt32BE(92) && pages > 0;
  const isAlone = !existsSync(`${path}-wal`) && !existsSync(`${path}-journal`);
  if (countIsValid && isAlone && statSync(path).size < pages * pageBytes) throw corrupt('is cut off');
  return header;
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** A read-only connection that has proved it can take a shared lock. It holds none. */
function openLocked(path: string, busyTimeoutMs: number): DatabaseSync | 'needs-rollback' {
  const database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs });
  try {
    database.prepare('SELECT count(*) FROM sqlite_master').get();
    return database;
  } catch (error) {
    database.close();
    if (isBusy(error)) throw error;
    if (sizeOf(`${path}-journal`) > 0 && needsRollback(error)) return 'needs-rollback';
    if (!isLockFailure(error)) throw error;
    // A file system without locks (some network shares): nobody can lock it, so nothing is lost by not asking.
    const url = pathToFileURL(path);
    url.searchParams.set('immutable', '1');
    return new DatabaseSync(url, { readOnly: true });
  }
}

const SQLITE_IOERR = 10;
const SQLITE_PROTOCOL = 15;
function isLockFailure(error: unknown): boolean {
  const primary = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
  return primary === SQLITE_IOERR || primary === SQLITE_PROTOCOL;
}

/** A writer is between BEGIN and COMMIT: while we hold a shared lock it cannot touch the main file. */
function copiedUnderLock(
  path: string,
  locked: DatabaseSync,
  options: SnapshotOptions,
  busyTimeoutMs: number,
): Snapshot {
  const dir = scratch(options);
  try {
    locked.exec('BEGIN');
    locked.prepare('SELECT count(*) FROM sqlite_master').get();
    copyFileSync(path, join(dir, 'copy.sqlite'), constants.COPYFILE_FICLONE);
    locked.exec('COMMIT');
    return openCopy(dir, busyTimeoutMs);
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  } finally {
    locked.close();
  }
}

/** Copies the parts until nothing moved while copying; then SQLite recovers the copy. */
function copied(
  path: string,
  suffixes: readonly string[],
  options: SnapshotOptions,
  busyTimeoutMs: number,
): Snapshot {
  const dir = scratch(options);
  try {
    let damage: unknown;
    for (let attempt = 0; attempt < COPY_ATTEMPTS; attempt += 1) {
      if (attempt > 0) pause(Math.min(busyTimeoutMs, 50 * 2 ** attempt));
      const before = fingerprint(path);
      for (const suffix of suffixes) {
        const part = join(dir, `copy.sqlite${suffix}`);
        rmSync(part, { force: true });
        if (existsSync(path + suffix)) copyFileSync(path + suffix, part, constants.COPYFILE_FICLONE);
      }
      if (fingerprint(path) !== before) continue;
      try {
        return openCopy(dir, busyTimeoutMs);
      } catch (error) {
        damage = error;
      }
    }
    if (damage !== undefined) throw damage;
    throw new CourierError('NDI_E_DATABASE_BUSY', { detail: `${path} changed each time it was copied.` });
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

function scratch(options: SnapshotOptions): string {
  return mkdtempSync(join(options.scratchDir ?? tmpdir(), 'ndi-read-'));
}

/** Changes when any part is written, appears or goes away. */
const fingerprint = (path: string): string =>
  ['', '-wal', '-journal']
    .map((suffix) => statSync(path + suffix, { bigint: true, throwIfNoEntry: false }))
    .map((stat) => (stat === undefined ? '-' : `${stat.ino}:${stat.size}:${stat.mtimeNs}`))
    .join(' ');

function openCopy(dir: string, busyTimeoutMs: number): Snapshot {
  const database = new DatabaseSync(join(dir, 'copy.sqlite'), { timeout: busyTimeoutMs });
  try {
    // Copying is not atomic: a torn copy must not pass for the dataset.
    const verdict = database.prepare('PRAGMA quick_check(1)').get();
    if (verdict?.quick_check !== 'ok') {
      throw new CourierError('NDI_E_DATABASE_CORRUPT', { detail: String(verdict?.quick_check) });
    }
  } catch (error) {
    database.close();
    throw error;
  }
  const close = (): void => {
    database.close();
    rmSync(dir, { recursive: true, force: true });
  };
  return { database, isCopy: true, close };
}

/** Reading is synchronous throughout, so waiting is too; at most a second or so. */
const pause = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
