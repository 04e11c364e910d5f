/**
 * Restore points: the database of a dataset as it was before a run's first write. A folder of them holds one
 * file for each of the last runs.
 *
 *   <time>-<runKey>.sqlite
 *
 * A point holds documents. Binaries that a run removed are in the trash.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { writeFailure } from '../../disk/errors.ts';
import { ensureSpace } from '../../disk/free-space.ts';
import { fsyncDirectorySync, fsyncFileSync } from '../../disk/fsync.ts';
import { CourierError } from '../../errors/index.ts';
import { copyDb } from '../../sqlite/db.ts';
import { locateDatabase } from './read.ts';
import { missingTables } from './schema.ts';
import { DATASET_CODES, withDatabaseErrors, withHolders } from './sqlite.ts';

/** How many runs keep their point. */
export const KEPT_POINTS = 3;

export interface RestorePoint {
  readonly runKey: string;
  readonly path: string;
  /** When it was made, as ISO text. */
  readonly at: string;
  readonly sizeBytes: number;
}

const NAME = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z-(.+)\.sqlite$/;

/** The points in `pointsDir`, the newest first. Empty when there is no such folder. */
export function listRestorePoints(pointsDir: string): RestorePoint[] {
  return namesIn(pointsDir)
    .sort()
    .reverse()
    .flatMap((name) => {
      const [, day, hour, minute, second, ms, runKey] = NAME.exec(name) ?? [];
      if (runKey === undefined) return [];
      const path = join(pointsDir, name);
      const sizeBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      return [{ runKey, path, at: `${day}T${hour}:${minute}:${second}.${ms}Z`, sizeBytes }];
    });
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** @throws NDI_E_NOT_FOUND, which names the runs that have one */
export function restorePointOf(pointsDir: string, runKey: string): RestorePoint {
  const points = listRestorePoints(pointsDir);
  const point = points.find((one) => one.runKey === runKey);
  if (point !== undefined) return point;
  const known = points.map((one) => one.runKey).join(', ') || 'none';
  throw new CourierError('NDI_E_NOT_FOUND', {
    detail: `There is no restore point of run ${runKey}. Runs that have one: ${known}.`,
  });
}

export interface PointOptions {
  readonly kept?: number;
  /** How long to wait for a program that holds the database. Default 5 s. */
  readonly busyTimeoutMs?: number;
}

/**
 * Makes the point of a run, whole and on disk when it resolves, unless an earlier attempt has. Afterwards the
 * points of older runs than the last `kept` are removed. The dataset is read only.
 * @throws NDI_E_DISK_FULL before anything is copied, NDI_E_DATABASE_BUSY, NDI_E_DATABASE_CORRUPT for a
 * database that should not be written to, NDI_E_NOT_A_DATASET, NDI_E_READ_ONLY
 */
export async function makeRestorePoint(
  datasetDir: string,
  pointsDir: string,
  runKey: string,
  options: PointOptions = {},
): Promise<RestorePoint> {
  const existing = listRestorePoints(pointsDir).find((one) => one.runKey === runKey);
  if (existing !== undefined) return existing;
  const database = locateDatabase(datasetDir);
  const aside = join(pointsDir, `${runKey}.partial`);
  try {
    mkdirSync(pointsDir, { recursive: true, mode: 0o700 });
    removeParts(pointsDir);
    await ensureSpace(pointsDir, sizeOf(database) + sizeOf(`${database}-wal`));
    await copyDb(database, aside, DATASET_CODES, options.busyTimeoutMs ?? 5_000);
    ensureSound(aside, database);
    fsyncFileSync(aside);
    const name = `${new Date().toISOString().replace(/[:.]/g, '-')}-${runKey}.sqlite`;
    renameSync(aside, join(pointsDir, name));
    fsyncDirectorySync(pointsDir);
  } catch (error) {
    rmSync(aside, { force: true });
    throw withHolders(writeFailure(error, pointsDir), database);
  }
  const points = listRestorePoints(pointsDir);
  for (const { path } of points.slice(options.kept ?? KEPT_POINTS)) rmSync(path, { force: true });
  return restorePointOf(pointsDir, runKey);
}

/** Of attempts that died; a dataset has one run at a time. */
function removeParts(pointsDir: string): void {
  for (const name of namesIn(pointsDir))
    if (/\.partial(?:-journal|-wal|-shm)?$/.test(name)) rmSync(join(pointsDir, name), { force: true });
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** A URL by which SQLite makes no file beside the point, whatever its journal mode. */
export function pointUrl(path: string): string {
  const url = pathToFileURL(path);
  url.searchParams.set('mode', 'ro');
  url.searchParams.set('immutable', '1');
  return url.href;
}

/**
 * A point that cannot be read back is none. `of` is the database that the error names.
 * @throws NDI_E_DATABASE_CORRUPT
 */
export function ensureSound(path: string, of: string): void {
  withDatabaseErrors(of, () => {
    const database = new DatabaseSync(new URL(pointUrl(path)), { readOnly: true });
    try {
      const verdict = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
      if (verdict !== 'ok')
        throw new CourierError('NDI_E_DATABASE_CORRUPT', { detail: `${of} is damaged: ${verdict}.` });
      const missing = missingTables(database);
      if (missing.length > 0)
        throw new CourierError('NDI_E_DATABASE_CORRUPT', { detail: `${of} lacks ${missing.join(', ')}.` });
    } finally {
      database.close();
    }
  });
}

/** What a restore needs beside the database: its journal holds each page that changes. */
export const ensureSpaceToRestore = (database: string, point: RestorePoint): Promise<void> =>
  ensureSpace(dirname(database), point.sizeBytes);
