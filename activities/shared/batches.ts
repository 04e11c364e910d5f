/** Rows for the ledger, a transaction for each batch. */

/** Rows per transaction of the ledger. */
export const ITEM_BATCH = 1_000;

export interface Batches<Row> {
  add(row: Row): void;
  /** Writes what is left; nothing when nothing is. */
  flush(): void;
}

/** Collects rows and hands them to `write` by `ITEM_BATCH`. */
export function inBatches<Row>(write: (rows: readonly Row[]) => void): Batches<Row> {
  let batch: Row[] = [];
  const flush = (): void => {
    if (batch.length > 0) write(batch);
    batch = [];
  };
  return {
    add: (row) => {
      batch.push(row);
      if (batch.length >= ITEM_BATCH) flush();
    },
    flush,
  };
}
