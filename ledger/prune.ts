/**
 * The rows of ended runs that nobody needs any more. Base, audit and facts of the dataset outlive their runs
 * and are not touched.
 */
import type { Db } from '../sqlite/types.ts';

export interface PruneQuery {
  /** Only runs that began before this time, in milliseconds since 1970. */
  readonly begunBeforeMs: number;
  /** Whether a run has ended: the ledger alone cannot tell an ended run from one that waits. */
  hasEnded(runKey: string): boolean;
}

export interface PruneLedger {
  /** Run keys of all runs that the ledger knows. */
  runKeys(): readonly string[];
  /** Runs whose rows can go: old, ended, not the newest, not kept, and not the one that has the lease. */
  prunable(query: PruneQuery): readonly string[];
  /**
   * Removes the rows of the runs that are prunable at this moment and returns their keys. One transaction.
   */
  prune(query: PruneQuery): readonly string[];
}

export function openPrune(db: Db): PruneLedger {
  const prunable: PruneLedger['prunable'] = ({ begunBeforeMs, hasEnded }) =>
    db
      .all(
        `SELECT run_key FROM runs
         WHERE begun_at < ? AND keep IS NULL AND run < (SELECT max(run) FROM runs)
           AND run_key NOT IN (SELECT run_key FROM lease)
         ORDER BY run`,
        new Date(begunBeforeMs).toISOString(),
      )
      .map((row) => row.run_key as string)
      .filter(hasEnded);
  return {
    runKeys: () => db.all('SELECT run_key FROM runs ORDER BY run').map((row) => row.run_key as string),
    prunable,
    prune: (query) =>
      db.transaction(() => {
        const runKeys = prunable(query);
        for (const runKey of runKeys) db.run('DELETE FROM runs WHERE run_key = ?', runKey);
        return runKeys;
      }),
  };
}
