/** Problems of a run: its failed items, and troubles that concern no single item. */
import type { Db } from '../sqlite/types.ts';
import type { Runs } from './runs.ts';
import type { Problem } from './types.ts';
import type { LedgerVerbs } from './verbs.ts';

/** A failed item that was also named as a problem, with the same code, is one problem. */
const ALL = `
  SELECT 0 AS part, seq, kind, id, code, detail FROM problems WHERE run = ?1
  UNION ALL
  SELECT 1, seq, kind, id, coalesce(error_code, 'NDI_E_INTERNAL'), coalesce(error_detail, '') FROM items
  WHERE run = ?1 AND state = 'failed' AND NOT EXISTS (
    SELECT 1 FROM problems AS known WHERE known.run = ?1 AND known.kind = items.kind AND known.id = items.id
      AND known.code = items.error_code)`;

export function openProblems(
  db: Db,
  runs: Runs,
): Pick<LedgerVerbs, 'problems' | 'problemCount' | 'addProblem'> {
  return {
    problems: (runKey, limit) => {
      const run = runs.find(runKey);
      if (run === undefined) return [];
      return db
        .all(`SELECT kind, id, code, detail FROM (${ALL}) ORDER BY part, seq LIMIT ?2`, run, limit)
        .map((row) => ({ ...row }) as unknown as Problem);
    },

    problemCount: (runKey) => {
      const run = runs.find(runKey);
      return run === undefined ? 0 : (db.get(`SELECT count(*) AS count FROM (${ALL})`, run)?.count as number);
    },

    addProblem: (runKey, { kind, id, code, detail }) =>
      db.transaction(() => {
        db.run(
          `INSERT INTO problems (run, kind, id, code, detail) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET detail = excluded.detail`,
          runs.ensure(runKey),
          kind,
          id,
          code,
          detail,
        );
      }),
  };
}
