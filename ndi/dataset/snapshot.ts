/**
 * Opens a document database to read it, and changes nothing: not a byte, not a time stamp, no file beside it.
 *
 *   quiet file in delete mode      → read in place, read-only, with SQLite's own shared locks
 *   a rollback journal beside it   → private copy of file and journal; SQLite rolls the copy back, whether
 *                                    the writer is still in its transaction or died in it
 *   write-ahead log, or WAL mode   → private copy of file and log (reading in place would make `-shm`)
 *   locked, or never still         → NDI_E_DATABASE_BUSY
 */
import { execFileSync } from 'node:child_process';
import {
  type BigIntStats,
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { ensureRegular, openSourceSync, readUpTo } from '../../disk/source.ts';
import { CourierError } from '../../errors/index.ts';
import { sqliteFailure } from '../../sqlite/errors.ts';
import { databaseError } from './sqlite.ts';

const MAGIC = 'SQLite format 3\0';
const HEADER_BYTES = 100;
const WAL_MODE = 2;
const CHANGE_COUNTER_AT = 24;
const COPY_ATTEMPTS = 5;
/** Coarser than the clock of any common file system but FAT. */
const CLOCK_TICK_MS = 20;

export interface SnapshotOptions {
  /** Where a private copy may be made; the system's temporary folder by default. */
  readonly scratchDir?: string;
  /** How long to wait for a writer's commit. */
  readonly busyTimeoutMs?: number;
}

export interface Snapshot {
  readonly database: DatabaseSync;
  readonly isCopy: boolean;
  /** The version of a database that is read in place: another one after every change. */
  readonly version?: string;
  close(): void;
}

/**
 * A connection that sees one consistent state of the database at `path`.
 * @throws NDI_E_DATABASE_CORRUPT, NDI_E_DATABASE_BUSY
 */
export function openSnapshot(path: string, options: SnapshotOptions = {}): Snapshot {
  const busyTimeoutMs = options.busyTimeoutMs ?? 5_000;
  try {
    const version = quietVersion(path);
    if (version === undefined) return copied(path, ['', '-wal'], options, busyTimeoutMs);
    if (sizeOf(`${path}-journal`) > 0) return copied(path, ['', '-journal'], options, busyTimeoutMs);
    const database = openInPlace(path, busyTimeoutMs);
    // A writer came in between.
    if (database === undefined) return copied(path, ['', '-journal'], options, busyTimeoutMs);
    return { database, isCopy: false, version, close: () => database.close() };
  } catch (error) {
    throw databaseError(error, path);
  }
}

/**
 * The version of a database that is not in WAL mode: undefined for one that is. SQLite counts its changes in
 * the header (sqlite.org/fileformat.html §1.3.7). Looks into the file only when there is no `-wal`: closing a
 * descriptor drops every POSIX lock that this process has on the file, and an open writer in WAL mode has
 * some; in delete mode a lock never outlives the synchronous call that took it.
 * @throws NDI_E_DATABASE_CORRUPT for an empty or a foreign file
 */
function quietVersion(path: string): string | undefined {
  if (existsSync(`${path}-wal`)) return undefined;
  const header = Buffer.alloc(HEADER_BYTES);
  const { file } = openSourceSync(path);
  let length: number;
  let stat: BigIntStats;
  try {
    stat = fstatSync(file, { bigint: true });
    length = readUpTo(file, header, 0);
  } finally {
    closeSync(file);
  }
  if (length === 0) throw new CourierError('NDI_E_DATABASE_CORRUPT', { detail: `${path} is empty.` });
  if (length < HEADER_BYTES || header.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    throw new CourierError('NDI_E_DATABASE_CORRUPT', { detail: `${path} is not an SQLite database.` });
  }
  if (header[18] === WAL_MODE || header[19] === WAL_MODE) return undefined;
  return [stat.dev, stat.ino, stat.size, stat.mtimeNs, header.readUInt32BE(CHANGE_COUNTER_AT)].join(':');
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/**
 * A read-only connection that has proved it can take a shared lock; it holds none. Undefined when a rollback
 * is due.
 */
function openInPlace(path: string, busyTimeoutMs: number): DatabaseSync | undefined {
  const database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs });
  try {
    database.prepare('SELECT count(*) FROM sqlite_master').get();
    return database;
  } catch (error) {
    database.close();
    const failure = sqliteFailure(error);
    const needsRollback = failure === 'recovery' || failure === 'cannotOpen';
    if (needsRollback && sizeOf(`${path}-journal`) > 0) return undefined;
    if (failure !== 'locks') throw error;
    // A file system without locks (some network shares): nobody can lock it, so nothing is lost by not
    // asking.
    const url = pathToFileURL(path);
    url.searchParams.set('immutable', '1');
    return new DatabaseSync(url, { readOnly: true });
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
      const before = waitUntilStill(path);
      for (const suffix of suffixes) {
        const part = join(dir, `copy.sqlite${suffix}`);
        rmSync(part, { force: true });
        const found = statSync(path + suffix, { throwIfNoEntry: false });
        if (found === undefined) continue;
        ensureRegular(path + suffix, found);
        copyUnlocked(path + suffix, part);
      }
      if (fingerprint(path).text !== before) continue;
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
  const parent = options.scratchDir ?? tmpdir();
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, 'ndi-read-'));
}

/** In another process where locks belong to processes: see `quietVersion`. */
function copyUnlocked(from: string, to: string): void {
  if (process.platform === 'win32') {
    copyFileSync(from, to);
    return;
  }
  try {
    const env = { ...process.env, LC_ALL: 'C' };
    execFileSync('cp', ['--', from, to], { stdio: ['ignore', 'ignore', 'pipe'], env });
  } catch (cause) {
    const full = /no space left|quota exceeded/i.test(String(cause));
    throw new CourierError(full ? 'NDI_E_DISK_FULL' : 'NDI_E_DATABASE_BUSY', {
      detail: `${from} could not be copied to ${to}.`,
      room: { path: to },
      cause,
    });
  }
}

/** Changes when any part is written, appears or goes away. */
function fingerprint(path: string): { readonly text: string; readonly changedMs: number } {
  const stats = ['', '-wal', '-journal'].map((suffix) =>
    statSync(path + suffix, { bigint: true, throwIfNoEntry: false }),
  );
  const text = stats
    .map((stat) => (stat === undefined ? '-' : `${stat.ino}:${stat.size}:${stat.mtimeNs}`))
    .join(' ');
  return { text, changedMs: Math.max(...stats.map((stat) => Number(stat?.mtimeMs ?? 0))) };
}

/**
 * Within one tick of the file system's clock a change leaves no trace in the time stamp: such a tick must be
 * over.
 */
function waitUntilStill(path: string): string {
  const { text, changedMs } = fingerprint(path);
  const ageMs = Date.now() - changedMs;
  if (ageMs < 0 || ageMs >= CLOCK_TICK_MS) return text;
  pause(CLOCK_TICK_MS);
  return fingerprint(path).text;
}

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
