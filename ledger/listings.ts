/**
 * Listings of the other side, in a table so that none is held in memory. A listing is written beside its
 * predecessor and takes its place when it is finished, so a half-written one is never read.
 */
import { createHash } from 'node:crypto';
import { CourierError } from '../errors/index.ts';
import { SLICE_ROWS, sliced } from '../sqlite/sliced.ts';
import type { Db, Row } from '../sqlite/types.ts';
import type { Runs } from './runs.ts';
import type { ItemKind, ListingResult, ListingRow } from './types.ts';
import type { LedgerVerbs } from './verbs.ts';

const COLUMNS = 'id, cloud_id, size_bytes, uploaded';

const rowOf = (row: Row): ListingRow => ({
  id: row.id as string,
  cloudId: row.cloud_id === '' ? null : (row.cloud_id as string),
  sizeBytes: row.size_bytes as number | null,
  uploaded: row.uploaded === null ? null : row.uploaded === 1,
});

type ListingVerbs = Pick<
  LedgerVerbs,
  | 'beginListing'
  | 'listing'
  | 'listed'
  | 'listedTwice'
  | 'settleByListing'
  | 'unsettledElsewhere'
  | 'forgetUnsettledElsewhere'
>;

/**
 * Documents of other runs into the cloud dataset of run ?1, of which nobody knows whether they were taken in.
 */
const ELSEWHERE = `run IN (SELECT other.run FROM runs AS other, runs AS this WHERE this.run = ?1 AND other.run <> ?1
  AND other.direction = 'up' AND other.cloud_dataset_id = this.cloud_dataset_id)
  AND kind = 'document' AND state IN ('sending', 'sent')`;

export function openListings(db: Db, runs: Runs): ListingVerbs {
  const finished = (runKey: string, kind: ItemKind, name: string): number => {
    const row = db.get(
      `SELECT listing FROM listings WHERE run = ? AND kind = ? AND name = ? AND finished = 1
       ORDER BY listing DESC`,
      runs.find(runKey) ?? -1,
      kind,
      name,
    );
    if (row === undefined) {
      throw new CourierError('NDI_E_INTERNAL', {
        detail: `run ${runKey} has no finished listing ${kind}/${name}`,
      });
    }
    return row.listing as number;
  };

  return {
    beginListing: (runKey, kind, name) => beginListing(db, runs, runKey, kind, name),

    listing: (runKey, kind, name) => iterateRows(db, finished(runKey, kind, name)),

    listed: (runKey, kind, name, id) => {
      const row = db.get(
        `SELECT ${COLUMNS} FROM listing_rows WHERE listing = ? AND id = ? ORDER BY cloud_id LIMIT 1`,
        finished(runKey, kind, name),
        id,
      );
      return row && rowOf(row);
    },

    listedTwice: (runKey, kind, name) => iterateTwice(db, finished(runKey, kind, name)),

    settleByListing: (runKey, kind, name) =>
      db.transaction(() => settle(db, runs.planned(runKey), kind, finished(runKey, kind, name))),

    unsettledElsewhere: (runKey, name) =>
      db.get(
        `SELECT count(DISTINCT id) AS count FROM items WHERE ${ELSEWHERE}
           AND NOT EXISTS (SELECT 1 FROM listing_rows WHERE listing = ?2 AND id = items.id)`,
        runs.planned(runKey),
        finished(runKey, 'document', name),
      )?.count as number,

    forgetUnsettledElsewhere: (runKey) =>
      db.transaction(() => {
        // Not `pending`: that they were sent is what makes their doubles ours to remove, however late those
        // come.
        db.run(
          `UPDATE items SET state = 'failed', error_code = 'NDI_E_IMPORT_INCOMPLETE',
             error_detail = 'Its run ended before the cloud listed it.' WHERE ${ELSEWHERE}`,
          runs.planned(runKey),
        );
      }),
  };
}

function beginListing(
  db: Db,
  runs: Runs,
  runKey: string,
  kind: ItemKind,
  name: string,
): ReturnType<LedgerVerbs['beginListing']> {
  const listing = db.transaction(() => {
    const run = runs.ensure(runKey);
    // Rows that an attempt which died has left half-written.
    db.run('DELETE FROM listings WHERE run = ? AND kind = ? AND name = ? AND finished = 0', run, kind, name);
    db.run('INSERT INTO listings (run, kind, name) VALUES (?, ?, ?)', run, kind, name);
    return db.get('SELECT last_insert_rowid() AS listing')?.listing as number;
  });
  const stillMine = (): void => {
    const row = db.get('SELECT finished FROM listings WHERE listing = ?', listing);
    if (row?.finished !== 0) {
      throw new CourierError('NDI_E_LEDGER_BUSY', { detail: 'Another try lists for this run.' });
    }
  };
  return {
    add: (rows) =>
      db.transaction(() => {
        stillMine();
        for (const row of rows) {
          db.run(
            `INSERT INTO listing_rows (listing, ${COLUMNS}) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET size_bytes = excluded.size_bytes, uploaded = excluded.uploaded`,
            listing,
            row.id,
            row.cloudId ?? '',
            row.sizeBytes,
            row.uploaded === null ? null : Number(row.uploaded),
          );
        }
      }),
    finish: () =>
      db.transaction(() => {
        stillMine();
        db.run(
          `DELETE FROM listings WHERE listing <> ? AND (run, kind, name) =
             (SELECT run, kind, name FROM listings WHERE listing = ?)`,
          listing,
          listing,
        );
        db.run('UPDATE listings SET finished = 1 WHERE listing = ?', listing);
        return summed(db, listing);
      }),
  };
}

function* iterateRows(db: Db, listing: number): IterableIterator<ListingRow> {
  yield* sliced<ListingRow>((last) =>
    db
      .all(
        `SELECT ${COLUMNS} FROM listing_rows WHERE listing = ? AND (id, cloud_id) > (?, ?)
         ORDER BY id, cloud_id LIMIT ${SLICE_ROWS}`,
        listing,
        last?.id ?? '',
        last?.cloudId ?? '',
      )
      .map(rowOf),
  );
}

/**
 * The table is ordered by id and cloud id, whatever order the rows came in: so is what goes into the digest.
 */
function summed(db: Db, listing: number): ListingResult {
  const hash = createHash('sha256');
  let rows = 0;
  let distinctIds = 0;
  let lastId: string | undefined;
  for (const row of iterateRows(db, listing)) {
    hash.update(JSON.stringify([row.id, row.cloudId, row.sizeBytes, row.uploaded]));
    rows += 1;
    if (row.id !== lastId) distinctIds += 1;
    lastId = row.id;
  }
  return { rows, distinctIds, digest: hash.digest('hex') };
}

function* iterateTwice(
  db: Db,
  listing: number,
): IterableIterator<{ readonly id: string; readonly cloudIds: readonly string[] }> {
  const groups = sliced<Row>((last) =>
    db.all(
      `SELECT id FROM listing_rows WHERE listing = ? AND id > ? GROUP BY id HAVING count(*) > 1
       ORDER BY id LIMIT ${SLICE_ROWS}`,
      listing,
      (last?.id as string | undefined) ?? '',
    ),
  );
  for (const { id } of groups) {
    const rows = db.all(
      `SELECT cloud_id FROM listing_rows WHERE listing = ? AND id = ? AND cloud_id <> '' ORDER BY cloud_id`,
      listing,
      id as string,
    );
    yield { id: id as string, cloudIds: rows.map((row) => row.cloud_id as string) };
  }
}

/** The smallest cloud id is the survivor among duplicates: what the NDI clients intend (contract §5.5). */
function settle(
  db: Db,
  run: number,
  kind: ItemKind,
  listing: number,
): { readonly open: number; readonly done: number } {
  const there =
    kind === 'file'
      ? 'AND uploaded IS NOT 0 AND (listing_rows.size_bytes IS NULL OR listing_rows.size_bytes = items.size_bytes)'
      : '';
  db.run(
    `UPDATE items SET state = 'done', error_code = NULL, error_detail = NULL, cloud_id = coalesce(
       (SELECT nullif(min(cloud_id), '') FROM listing_rows WHERE listing = ?1 AND id = items.id ${there}), cloud_id)
     WHERE run = ?2 AND kind = ?3 AND state IN ('pending', 'sending', 'sent')
       AND EXISTS (SELECT 1 FROM listing_rows WHERE listing = ?1 AND id = items.id ${there})`,
    listing,
    run,
    kind,
  );
  const counted = db.get(
    `SELECT count(*) FILTER (WHERE state IN ('pending', 'sending', 'sent')) AS open,
       count(*) FILTER (WHERE state = 'done') AS done FROM items WHERE run = ? AND kind = ?`,
    run,
    kind,
  );
  return { open: counted?.open as number, done: counted?.done as number };
}
