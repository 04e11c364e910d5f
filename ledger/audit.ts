/** The audit trail: what was done to this dataset, when, by which run. Never pruned, never changed. */
import type { Db } from '../sqlite/types.ts';
import type { LedgerVerbs } from './verbs.ts';

export function openAudit(db: Db): Pick<LedgerVerbs, 'audit' | 'auditTrail'> {
  return {
    audit: (runKey, action, detail) => {
      db.run(
        'INSERT INTO audit (at, run_key, action, detail) VALUES (?, ?, ?, ?)',
        new Date().toISOString(),
        runKey,
        action,
        JSON.stringify(detail),
      );
    },

    /** The newest first. */
    auditTrail: ({ limit }) =>
      db.all('SELECT at, run_key, action, detail FROM audit ORDER BY seq DESC LIMIT ?', limit).map((row) => ({
        at: row.at as string,
        runKey: row.run_key as string,
        action: row.action as string,
        detail: JSON.parse(row.detail as string) as object,
      })),
  };
}
