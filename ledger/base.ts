/** The base: the last state both sides agreed on, per item. It outlives the runs that made it. */
import { type Db, type Row, SLICE_ROWS, sliced } from './db.ts';
import type { Runs } from './runs.ts';
import type { BaseItem, Ledger } from './types.ts';

const COLUMNS = 'kind, id, sha256_hex, cloud_id, size_bytes';

const baseOf = (row: Row): BaseItem =>
  ({
    kind: row.kind,
    id: row.id,
    sha256Hex: row.sha256_hex,
    cloudId: row.cloud_id,
    sizeBytes: row.size_bytes,
  }) as BaseItem;

/** A lost base never deletes anything; a base of another cloud dataset would. */
function ofCloudDataset(db: Db, run: number): void {
  const plan = db.get('SELECT cloud_dataset_id AS id FROM runs WHERE run = ?', run);
  const known = db.get(`SELECT value AS id FROM dataset_facts WHERE key = 'base of'`);
  if (known?.id === plan?.id) return;
  db.run('DELETE FROM base');
  db.run(`INSERT OR REPLACE INTO dataset_facts (key, value) VALUES ('base of', ?)`, plan?.id ?? '');
}

export function openBase(
  db: Db,
  runs: Runs,
): Pick<Ledger, 'advanceBase' | 'base' | 'baseItems' | 'baseCount'> {
  return {
    // What this run did not learn (the hash of a file that was there already) stays as an earlier run learnt it.
    advanceBase: (runKey) =>
      db.transaction(() => {
        const run = runs.planned(runKey);
        ofCloudDataset(db, run);
        return db.run(
          `INSERT INTO base (kind, id, sha256_hex, cloud_id, size_bytes)
           SELECT kind, id, sha256_hex, cloud_id, size_bytes FROM items
           WHERE run = ? AND state IN ('done', 'skipped') ORDER BY kind, id
           ON CONFLICT DO UPDATE SET sha256_hex = coalesce(excluded.sha256_hex, sha256_hex),
             cloud_id = coalesce(excluded.cloud_id, cloud_id), size_bytes = excluded.size_bytes`,
          run,
        );
      }),

    base: (kind, id) => {
      const row = db.get(`SELECT ${COLUMNS} FROM base WHERE kind = ? AND id = ?`, kind, id);
      return row && baseOf(row);
    },

    baseItems: function* (kind) {
      yield* sliced<BaseItem>((last) =>
        db
          .all(
            `SELECT ${COLUMNS} FROM base WHERE kind = ? AND id > ? ORDER BY id LIMIT ${SLICE_ROWS}`,
            kind,
            last?.id ?? '',
          )
          .map(baseOf),
      );
    },

    baseCount: (kind) => db.get('SELECT count(*) AS count FROM base WHERE kind = ?', kind)?.count as number,
  };
}
