/** What a sync saw of each side. */
import { SLICE_ROWS, sliced } from '../sqlite/sliced.ts';
import type { Db, Row } from '../sqlite/types.ts';
import type { Runs } from './runs.ts';
import type { NewObservation, Observation, SyncLedger } from './sync-ledger.ts';

const COLUMNS = `id, version, content_key, class_name, name, aside, cloud_id, size_bytes, text_hash, mtime_ms, inode,
  document_id, path`;

const INSERT = `INSERT OR REPLACE INTO observations (run, side, kind, ${COLUMNS})
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const observationOf = (row: Row): Observation =>
  ({
    id: row.id,
    version: row.version,
    contentKey: row.content_key,
    className: row.class_name,
    name: row.name,
    aside: row.aside,
    cloudId: row.cloud_id,
    sizeBytes: row.size_bytes,
    textHash: row.text_hash,
    mtimeMs: row.mtime_ms,
    inode: row.inode,
    documentId: row.document_id,
    path: row.path,
  }) as Observation;

const valuesOf = (row: NewObservation) => [
  row.id,
  row.version,
  row.contentKey ?? null,
  row.className ?? null,
  row.name ?? null,
  row.aside ?? null,
  row.cloudId ?? null,
  row.sizeBytes ?? null,
  row.textHash ?? null,
  row.mtimeMs ?? null,
  row.inode ?? null,
  row.documentId ?? null,
  row.path ?? null,
];

type ObservationVerbs = Pick<
  SyncLedger,
  'forgetObservations' | 'copyObservations' | 'observe' | 'observed' | 'observation'
>;

export const openObservations = (db: Db, runs: Runs, runKey: string): ObservationVerbs => ({
  forgetObservations: (side, kind) =>
    db.transaction(() => {
      const run = runs.ensure(runKey);
      db.run('DELETE FROM observations WHERE run = ? AND side = ? AND kind = ?', run, side, kind);
    }),

  copyObservations: (fromRunKey, side, kind) =>
    db.transaction(() => {
      const run = runs.ensure(runKey);
      return db.run(
        `INSERT OR REPLACE INTO observations (run, side, kind, ${COLUMNS})
         SELECT ?, side, kind, ${COLUMNS} FROM observations WHERE run = ? AND side = ? AND kind = ?`,
        run,
        runs.find(fromRunKey) ?? -1,
        side,
        kind,
      );
    }),

  observe: (side, kind, rows) =>
    db.transaction(() => {
      const run = runs.ensure(runKey);
      for (const row of rows) db.run(INSERT, run, side, kind, ...valuesOf(row));
    }),

  observed: function* (side, kind) {
    const run = runs.find(runKey) ?? -1;
    const sql = `SELECT ${COLUMNS} FROM observations WHERE run = ? AND side = ? AND kind = ? AND id > ?
      ORDER BY id LIMIT ${SLICE_ROWS}`;
    yield* sliced<Observation>((last) => db.all(sql, run, side, kind, last?.id ?? '').map(observationOf));
  },

  observation: (side, kind, id) => {
    const row = db.get(
      `SELECT ${COLUMNS} FROM observations WHERE run = ? AND side = ? AND kind = ? AND id = ?`,
      runs.find(runKey) ?? -1,
      side,
      kind,
      id,
    );
    return row && observationOf(row);
  },
});
