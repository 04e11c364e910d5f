/**
 * Puts the documents of a live dataset back to a restore point: document by document in one transaction of
 * SQLite, so that a program which has the database open sees either state, and its journal mode and file stay.
 * Rows come back as they were written, MATLAB's and Python's own among them.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { NdiId } from '../document/types.ts';
import type { Leaving } from './live.ts';
import { sameFileCheck, versionOf } from './live.ts';
import { toStored } from './read.ts';
import {
  ensureSound,
  ensureSpaceToRestore,
  pointUrl,
  type RestorePoint,
  restorePointOf,
} from './restore-points.ts';
import { withDatabaseErrors } from './sqlite.ts';
import { openWriteSession, type WriteSession } from './write.ts';

export interface RestoreOptions {
  /**
   * Called inside the transaction, before anything is written, with documents that will be removed or
   * replaced, at most 250 at once. What it throws undoes the restore. Documents that people added since the
   * point are among them: put them into the trash.
   */
  readonly onLeaving: (leaving: readonly Leaving[]) => void;
  /** Default 5 s. */
  readonly busyTimeoutMs?: number;
}

/** Ids of documents, by what became of them. Documents that are not named were as the point has them. */
export interface Restored {
  readonly point: RestorePoint;
  /** They had gone since the point, and are there again. */
  readonly back: readonly NdiId[];
  /** They have the content of the point again. */
  readonly replaced: readonly NdiId[];
  /** They had come since the point. */
  readonly removed: readonly NdiId[];
}

const LEAVING_AT_ONCE = 250;

/**
 * Puts the dataset in `datasetDir` back to the point of `runKey`. The base of a sync no longer fits afterwards:
 * without being told, the next one would take what was removed for deletions. Repeated, it changes nothing.
 * @throws NDI_E_NOT_FOUND, NDI_E_DATABASE_BUSY, NDI_E_DATABASE_CORRUPT for a damaged point or database,
 * NDI_E_DATABASE_REPLACED, NDI_E_DISK_FULL, NDI_E_READ_ONLY
 */
export async function restore(
  datasetDir: string,
  pointsDir: string,
  runKey: string,
  options: RestoreOptions,
): Promise<Restored> {
  const point = restorePointOf(pointsDir, runKey);
  ensureSound(point.path, point.path);
  const session = openWriteSession(datasetDir, {
    busyTimeoutMs: options.busyTimeoutMs ?? 5_000,
    survivesPowerLoss: true,
  });
  const { database, path } = session;
  try {
    await ensureSpaceToRestore(path, point);
    return withDatabaseErrors(path, () => {
      const ensureSame = sameFileCheck(path);
      database.prepare('ATTACH ? AS point').run(pointUrl(point.path));
      return session.transaction(() => {
        ensureSame();
        findDifferences(database);
        const changes = changesOf(session);
        sayLeaving(session, [...changes.replaced, ...changes.removed], options.onLeaving);
        dropDifferent(database);
        copyDifferent(database);
        return { point, ...changes };
      });
    });
  } finally {
    database.close();
  }
}

/**
 * `here`, `there`: the positions of a document in the database and in the point; null where it is not. The
 * branches of all documents are gathered first: no index leads from a document to them.
 */
function findDifferences(database: DatabaseSync): void {
  for (const schema of ['main', 'point'])
    database.exec(`
      CREATE TEMP TABLE branches_in_${schema} (doc_idx INTEGER PRIMARY KEY, branches TEXT);
      INSERT INTO temp.branches_in_${schema} SELECT doc_idx, group_concat(branch_id, '/') FROM
        (SELECT doc_idx, branch_id FROM ${schema}.branch_docs ORDER BY doc_idx, branch_id) GROUP BY doc_idx;`);
  database.exec(`
    CREATE TEMP TABLE differing (ndi_id TEXT PRIMARY KEY, here INTEGER, there INTEGER);
    CREATE INDEX temp.differing_here ON differing (here);
    CREATE INDEX temp.differing_there ON differing (there);
    INSERT INTO temp.differing
    SELECT coalesce(h.doc_id, p.doc_id), h.doc_idx, p.doc_idx
    FROM main.docs h FULL JOIN point.docs p ON p.doc_id = h.doc_id
    WHERE h.json_code IS NOT p.json_code OR h.timestamp IS NOT p.timestamp OR h.doc_idx IS NULL OR
      p.doc_idx IS NULL OR
      (SELECT branches FROM temp.branches_in_main b WHERE b.doc_idx = h.doc_idx) IS NOT
      (SELECT branches FROM temp.branches_in_point b WHERE b.doc_idx = p.doc_idx);`);
}

/** As a reader of the branch sees it: a document that MATLAB deleted keeps its rows, and is not there. */
function changesOf({ database, branch }: WriteSession): Omit<Restored, 'point'> {
  const isIn = (schema: string, position: string): string =>
    `EXISTS (SELECT 1 FROM ${schema}.branch_docs b WHERE b.branch_id = $branch AND b.doc_idx = ${position})`;
  const rows = database
    .prepare(
      `SELECT ndi_id, ${isIn('main', 'here')} AS is_here, ${isIn('point', 'there')} AS is_there
       FROM temp.differing ORDER BY coalesce(there, here)`,
    )
    .all({ $branch: branch });
  const idsOf = (isHere: number, isThere: number): NdiId[] =>
    rows
      .filter((row) => row.is_here === isHere && row.is_there === isThere)
      .map(({ ndi_id }) => String(ndi_id));
  return { back: idsOf(0, 1), replaced: idsOf(1, 1), removed: idsOf(1, 0) };
}

function sayLeaving(
  { database }: WriteSession,
  ids: readonly NdiId[],
  onLeaving: RestoreOptions['onLeaving'],
): void {
  const find = database.prepare('SELECT doc_id AS id, json_code AS text FROM main.docs WHERE doc_id = ?');
  for (let at = 0; at < ids.length; at += LEAVING_AT_ONCE) {
    const leaving = ids.slice(at, at + LEAVING_AT_ONCE).map((ndiId): Leaving => {
      const text = toStored(database, find.get(ndiId))?.text ?? '';
      return { ndiId, text, hash: versionOf(text) };
    });
    onLeaving(leaving);
  }
}

function dropDifferent(database: DatabaseSync): void {
  // A binary that two documents share has one row: it goes back to the document that had it.
  database.exec(`
    DELETE FROM main.files WHERE uid IN
      (SELECT f.uid FROM point.files f CROSS JOIN temp.differing d ON d.there = f.doc_idx)`);
  for (const table of ['files', 'doc_data', 'branch_docs', 'docs'])
    database.exec(`DELETE FROM main.${table} WHERE doc_idx IN (SELECT here FROM temp.differing)`);
}

/**
 * A document keeps the position that it has, else gets the one that it had, or a new one. CROSS JOIN reads each
 * table of the point once: SQLite would look for each document in a table that has no index for it.
 */
function copyDifferent(database: DatabaseSync): void {
  database.exec(`
    DELETE FROM temp.differing WHERE there IS NULL;
    UPDATE temp.differing SET here = there
      WHERE here IS NULL AND there NOT IN (SELECT doc_idx FROM main.docs) AND
        there NOT IN (SELECT here FROM temp.differing WHERE here IS NOT NULL);
    UPDATE temp.differing SET here = rowid + (SELECT max(
        (SELECT coalesce(max(doc_idx), 0) FROM main.docs), (SELECT coalesce(max(doc_idx), 0) FROM point.docs),
        (SELECT coalesce(max(seq), 0) FROM main.sqlite_sequence WHERE name = 'docs')))
      WHERE here IS NULL;
    INSERT OR IGNORE INTO main.branches (branch_id, parent_id, timestamp)
      SELECT branch_id, parent_id, timestamp FROM point.branches;
    INSERT OR IGNORE INTO main.fields (class, field_name, json_name)
      SELECT class, field_name, json_name FROM point.fields ORDER BY field_idx;
    INSERT INTO main.docs (doc_id, doc_idx, json_code, timestamp)
      SELECT p.doc_id, d.here, p.json_code, p.timestamp
      FROM point.docs p CROSS JOIN temp.differing d ON d.there = p.doc_idx ORDER BY d.here;
    INSERT INTO main.branch_docs (branch_id, doc_idx, timestamp)
      SELECT p.branch_id, d.here, p.timestamp
      FROM point.branch_docs p CROSS JOIN temp.differing d ON d.there = p.doc_idx;
    INSERT INTO main.doc_data (doc_idx, field_idx, value)
      SELECT d.here, mine.field_idx, p.value FROM point.doc_data p
      CROSS JOIN temp.differing d ON d.there = p.doc_idx
      CROSS JOIN point.fields theirs ON theirs.field_idx = p.field_idx
      CROSS JOIN main.fields mine ON mine.field_name = theirs.field_name ORDER BY p.rowid;
    INSERT OR IGNORE INTO main.files
        (doc_idx, filename, uid, orig_location, cached_location, type, parameters)
      SELECT d.here, p.filename, p.uid, p.orig_location, p.cached_location, p.type, p.parameters
      FROM point.files p CROSS JOIN temp.differing d ON d.there = p.doc_idx ORDER BY p.rowid;`);
}
