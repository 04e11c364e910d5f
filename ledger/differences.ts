/** Differences between both sides, as a run found them: by number and by name. */
import { SLICE_ROWS, sliced } from '../sqlite/sliced.ts';
import type { Db, Row } from '../sqlite/types.ts';
import type { Runs } from './runs.ts';
import type { LedgerVerbs } from './verbs.ts';

/** New and equal items are in the plan; they are told by their action. */
const IN_PLAN = {
  new: `action = 'add'`,
  equal: `action = 'none' AND state = 'skipped'`,
} as const;

export function openDifferences(
  db: Db,
  runs: Runs,
): Pick<LedgerVerbs, 'addDifferences' | 'differenceCounts' | 'differing'> {
  return {
    addDifferences: (runKey, kind, what, items) =>
      db.transaction(() => {
        const run = runs.planned(runKey);
        for (const { id, name } of items)
          db.run(
            'INSERT OR REPLACE INTO differences VALUES (?, ?, ?, ?, ?)',
            run,
            kind,
            what,
            id,
            name ?? null,
          );
      }),

    differenceCounts: (runKey, kind) => {
      const run = runs.planned(runKey);
      const planned = db.get(
        `SELECT count(*) FILTER (WHERE ${IN_PLAN.new}) AS new, count(*) FILTER (WHERE ${IN_PLAN.equal}) AS equal
         FROM items WHERE run = ? AND kind = ?`,
        run,
        kind,
      );
      const others = db.all(
        'SELECT what, count(*) AS count FROM differences WHERE run = ? AND kind = ? GROUP BY what',
        run,
        kind,
      );
      const count = (what: string): number => (others.find((row) => row.what === what)?.count ?? 0) as number;
      return {
        new: planned?.new as number,
        equal: planned?.equal as number,
        changedHere: count('changedHere'),
        changedThere: count('changedThere'),
        goneHere: count('goneHere'),
        onlyInCloud: count('onlyInCloud'),
      };
    },

    differing: function* (runKey, kind, what) {
      const run = runs.planned(runKey);
      const inPlan = what === 'new' || what === 'equal' ? IN_PLAN[what] : undefined;
      const rows = sliced<Row>((last) =>
        inPlan === undefined
          ? db.all(
              `SELECT id, name FROM differences WHERE run = ? AND kind = ? AND what = ? AND id > ?
               ORDER BY id LIMIT ${SLICE_ROWS}`,
              run,
              kind,
              what,
              (last?.id as string | undefined) ?? '',
            )
          : db.all(
              `SELECT id, name FROM items WHERE run = ? AND kind = ? AND ${inPlan} AND id > ?
               ORDER BY id LIMIT ${SLICE_ROWS}`,
              run,
              kind,
              (last?.id as string | undefined) ?? '',
            ),
      );
      for (const { id, name } of rows) yield { id: id as string, name: name as string | null };
    },
  };
}
