/**
 * Small facts of a run, or of the dataset, that must be on disk before the world is touched (a create mark, a
 * chosen id).
 */
import type { Db } from '../sqlite/types.ts';
import type { Runs } from './runs.ts';
import type { LedgerVerbs } from './verbs.ts';

export function openFacts(
  db: Db,
  runs: Runs,
): Pick<LedgerVerbs, 'fact' | 'setFact' | 'datasetFact' | 'setDatasetFact'> {
  return {
    fact: (runKey, key) =>
      db.get('SELECT value FROM facts JOIN runs USING (run) WHERE run_key = ? AND key = ?', runKey, key)
        ?.value as string | undefined,

    setFact: (runKey, key, value) =>
      db.transaction(() => {
        db.run(
          'INSERT INTO facts (run, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
          runs.ensure(runKey),
          key,
          value,
        );
      }),

    datasetFact: (key) =>
      db.get('SELECT value FROM dataset_facts WHERE key = ?', key)?.value as string | undefined,

    setDatasetFact: (key, value) =>
      db.transaction(() => {
        if (value === null) db.run('DELETE FROM dataset_facts WHERE key = ?', key);
        else db.run('INSERT OR REPLACE INTO dataset_facts (key, value) VALUES (?, ?)', key, value);
      }),
  };
}
