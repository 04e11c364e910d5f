/** Items of a plan: documents and files, each with its state. */
import { SLICE_ROWS, sliced } from '../sqlite/sliced.ts';
import type { Db, Row } from '../sqlite/types.ts';
import type { Runs } from './runs.ts';
import type { ItemKind, KindTotals, NewPlanItem, PlanItem } from './types.ts';
import type { LedgerVerbs } from './verbs.ts';

const WRITTEN = `kind, id, unit, action, state, size_bytes, sha256_hex, md5_hex, text_hash, mtime_ms, inode, cloud_id, cloud_hash,
  cloud_md5_hex, cloud_how, expected_hash, document_id, name, path, error_code, error_detail`;
const COLUMNS = `seq, ${WRITTEN}`;

const INSERT = `INSERT INTO items (run, ${WRITTEN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

export const itemOf = (row: Row): PlanItem =>
  ({
    kind: row.kind,
    id: row.id,
    unit: row.unit,
    action: row.action,
    state: row.state,
    sizeBytes: row.size_bytes,
    sha256Hex: row.sha256_hex,
    md5Hex: row.md5_hex,
    textHash: row.text_hash,
    mtimeMs: row.mtime_ms,
    inode: row.inode,
    cloudId: row.cloud_id,
    cloudHash: row.cloud_hash,
    cloudMd5Hex: row.cloud_md5_hex,
    cloudHow: row.cloud_how,
    expectedHash: row.expected_hash,
    documentId: row.document_id,
    name: row.name,
    path: row.path,
    errorCode: row.error_code,
    errorDetail: row.error_detail,
  }) as PlanItem;

export function insertItem(db: Db, run: number, item: NewPlanItem): void {
  db.run(
    INSERT,
    run,
    item.kind,
    item.id,
    item.unit,
    item.action ?? (item.state === 'skipped' ? 'none' : 'add'),
    item.state,
    item.sizeBytes,
    item.sha256Hex ?? null,
    item.md5Hex ?? null,
    item.textHash ?? null,
    item.mtimeMs ?? null,
    item.inode ?? null,
    item.cloudId ?? null,
    item.cloudHash ?? null,
    item.cloudMd5Hex ?? null,
    item.cloudHow ?? null,
    item.expectedHash ?? null,
    item.documentId ?? null,
    item.name ?? null,
    item.path ?? null,
    item.errorCode ?? null,
    item.errorDetail ?? null,
  );
}

export function openItems(
  db: Db,
  runs: Runs,
): Pick<
  LedgerVerbs,
  | 'addItems'
  | 'planTotals'
  | 'unitItems'
  | 'items'
  | 'item'
  | 'markItems'
  | 'takeBack'
  | 'dropItems'
  | 'wasSentBefore'
> {
  return {
    addItems: (runKey, items) =>
      db.transaction(() => {
        const run = runs.building(runKey);
        for (const item of items) insertItem(db, run, item);
      }),

    planTotals: (runKey) => {
      const run = runs.planned(runKey);
      const rows = db.all(
        `SELECT kind, state, count(*) AS count, sum(size_bytes) AS bytes FROM items
         WHERE run = ? GROUP BY kind, state`,
        run,
      );
      const units = db.get('SELECT count(*) AS count FROM units WHERE run = ? AND item_count > 0', run);
      return {
        documents: totalsOf(rows, 'document'),
        files: totalsOf(rows, 'file'),
        units: units?.count as number,
      };
    },

    unitItems: (runKey, unit) =>
      db
        .all(
          `SELECT ${COLUMNS} FROM items WHERE run = ? AND unit = ? ORDER BY seq`,
          runs.planned(runKey),
          unit,
        )
        .map(itemOf),

    items: (runKey, query) => iterateItems(db, runs.planned(runKey), query),

    item: (runKey, kind, id) => {
      const row = db.get(
        `SELECT ${COLUMNS} FROM items WHERE run = ? AND kind = ? AND id = ?`,
        runs.planned(runKey),
        kind,
        id,
      );
      return row && itemOf(row);
    },

    wasSentBefore: (runKey, kind, id) =>
      db.get(
        `SELECT 1 AS found FROM items WHERE kind = ?2 AND id = ?3 AND action IN ('add', 'replace')
           AND state IN ('sending', 'sent', 'done', 'failed') AND unit IS NOT NULL
           AND run IN (SELECT other.run FROM runs AS other, runs AS this WHERE this.run = ?1 AND other.run <> ?1
             AND other.direction = 'up' AND other.cloud_dataset_id = this.cloud_dataset_id) LIMIT 1`,
        runs.planned(runKey),
        kind,
        id,
      ) !== undefined,

    takeBack: (runKey, kind, ids) =>
      db.transaction(() => {
        const run = runs.planned(runKey);
        for (const id of ids)
          db.run(`UPDATE items SET state = 'pending' WHERE run = ? AND kind = ? AND id = ?`, run, kind, id);
      }),

    dropItems: (runKey, kind, ids) =>
      db.transaction(() => {
        const run = runs.planned(runKey);
        for (const id of ids)
          db.run('DELETE FROM items WHERE run = ? AND kind = ? AND id = ?', run, kind, id);
      }),

    markItems: (runKey, kind, ids, change) =>
      db.transaction(() => {
        const run = runs.planned(runKey);
        // A try that was given up may still run and report late: what is done or skipped does not change by
        // its word.
        const unlessSettled =
          change.state === 'done' || change.state === 'skipped' ? '' : `AND state NOT IN ('done', 'skipped')`;
        for (const id of ids) {
          // An empty digest is one that was not made: `transfer` says it so.
          db.run(
            `UPDATE items SET state = ?, cloud_id = coalesce(?, cloud_id), sha256_hex = coalesce(?, sha256_hex),
               md5_hex = coalesce(?, md5_hex), size_bytes = coalesce(?, size_bytes), text_hash = coalesce(?, text_hash),
               mtime_ms = coalesce(?, mtime_ms), inode = coalesce(?, inode), cloud_hash = coalesce(?, cloud_hash),
               cloud_md5_hex = coalesce(?, cloud_md5_hex), cloud_how = coalesce(?, cloud_how), error_code = ?, error_detail = ?
             WHERE run = ? AND kind = ? AND id = ? ${unlessSettled}`,
            change.state,
            change.cloudId ?? null,
            change.sha256Hex || null,
            change.md5Hex || null,
            change.sizeBytes ?? null,
            change.textHash ?? null,
            change.mtimeMs ?? null,
            change.inode ?? null,
            change.cloudHash ?? null,
            change.cloudMd5Hex ?? null,
            change.cloudHow ?? null,
            change.errorCode ?? null,
            change.errorDetail ?? null,
            run,
            kind,
            id,
          );
        }
      }),
  };
}

function* iterateItems(
  db: Db,
  run: number,
  { kind, states }: Parameters<LedgerVerbs['items']>[1],
): IterableIterator<PlanItem> {
  const wanted = states === undefined ? '' : `AND state IN (${states.map(() => '?').join(', ')})`;
  const sql = `SELECT ${COLUMNS} FROM items NOT INDEXED WHERE run = ? AND kind = ? AND seq > ? ${wanted}
    ORDER BY seq LIMIT ${SLICE_ROWS}`;
  // Runs lie one behind the other in the table: begin where this one does.
  const first = db.get('SELECT min(seq) AS seq FROM items WHERE run = ?', run)?.seq;
  if (first === null || first === undefined) return;
  for (const row of sliced<Row>((last) =>
    db.all(sql, run, kind, last === undefined ? Number(first) - 1 : (last.seq as number), ...(states ?? [])),
  )) {
    yield itemOf(row);
  }
}

function totalsOf(rows: readonly Row[], kind: ItemKind): KindTotals {
  const of = (state?: string): Row[] =>
    rows.filter((row) => row.kind === kind && (state === undefined || row.state === state));
  const sum = (some: readonly Row[], column: 'count' | 'bytes'): number =>
    some.reduce((total, row) => total + (row[column] as number), 0);
  return {
    total: sum(of(), 'count'),
    pending: sum(of('pending'), 'count'),
    sending: sum(of('sending'), 'count'),
    sent: sum(of('sent'), 'count'),
    done: sum(of('done'), 'count'),
    skipped: sum(of('skipped'), 'count'),
    failed: sum(of('failed'), 'count'),
    bytesTotal: sum(of(), 'bytes'),
    bytesToMove: sum(of(), 'bytes') - sum(of('skipped'), 'bytes') - sum(of('failed'), 'bytes'),
    bytesDone: sum(of('sent'), 'bytes') + sum(of('done'), 'bytes'),
  };
}
