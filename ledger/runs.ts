/** Runs: the row that all of a run's records hang from, and who may build its plan. */
import { randomUUID } from 'node:crypto';
import { CourierError } from '../errors/index.ts';
import type { Db } from '../sqlite/types.ts';
import type { LedgerVerbs } from './verbs.ts';

export interface Runs {
  /** The run's number, or undefined when nothing was ever recorded for it. */
  find(runKey: string): number | undefined;
  /** The same, recording the run if it is new. To be called inside a transaction. */
  ensure(runKey: string): number;
  /** The number of a run whose plan exists; raises NDI_E_INTERNAL otherwise. */
  planned(runKey: string): number;
  /**
   * The number of a run whose plan this handle is building; raises NDI_E_LEDGER_BUSY when another try took
   * over.
   */
  building(runKey: string): number;
}

/** Plans of this many other runs are kept for reports. Base and audit outlive their runs anyway. */
const KEPT_RUNS = 5;

export function openRuns(
  db: Db,
): Runs & Pick<LedgerVerbs, 'planState' | 'beginPlan' | 'sealPlan' | 'reopenPlan' | 'keepRun'> {
  /** Tokens of the plans that this handle builds. */
  const builders = new Map<string, string>();

  const find = (runKey: string): number | undefined =>
    db.get('SELECT run FROM runs WHERE run_key = ?', runKey)?.run as number | undefined;

  const ensure = (runKey: string): number => {
    db.run(
      'INSERT INTO runs (run_key, begun_at) VALUES (?, ?) ON CONFLICT DO NOTHING',
      runKey,
      new Date().toISOString(),
    );
    return find(runKey) as number;
  };

  const planState: LedgerVerbs['planState'] = (runKey) =>
    (db.get('SELECT plan_state FROM runs WHERE run_key = ?', runKey)?.plan_state ?? 'absent') as ReturnType<
      LedgerVerbs['planState']
    >;

  const planned = (runKey: string): number => {
    const run = find(runKey);
    if (run === undefined) {
      throw new CourierError('NDI_E_INTERNAL', { detail: `run ${runKey} has no plan` });
    }
    return run;
  };

  const building = (runKey: string): number => {
    const row = db.get('SELECT run, plan_state, builder FROM runs WHERE run_key = ?', runKey);
    if (row?.plan_state !== 'building' || row.builder !== builders.get(runKey)) {
      throw new CourierError('NDI_E_LEDGER_BUSY', { detail: 'Another try builds the plan of this run.' });
    }
    return row.run as number;
  };

  const beginPlan: LedgerVerbs['beginPlan'] = (runKey, { operation, direction, cloudDatasetId }) =>
    db.transaction(() => {
      if (planState(runKey) === 'sealed') {
        throw new CourierError('NDI_E_INTERNAL', { detail: `the plan of run ${runKey} is sealed` });
      }
      const run = ensure(runKey);
      db.run('DELETE FROM items WHERE run = ?', run);
      db.run('DELETE FROM units WHERE run = ?', run);
      db.run('DELETE FROM problems WHERE run = ?', run);
      db.run('DELETE FROM differences WHERE run = ?', run);
      const builder = randomUUID();
      db.run(
        `UPDATE runs SET plan_state = 'building', builder = ?, operation = ?, direction = ?, cloud_dataset_id = ? WHERE run = ?`,
        builder,
        operation,
        direction,
        cloudDatasetId,
        run,
      );
      // The run that plans holds the lease, so every other run has ended. The run that made a downloaded
      // dataset is kept: it knows its leftovers.
      db.run(
        `DELETE FROM runs WHERE run IN
           (SELECT run FROM runs WHERE run <> ? ORDER BY run DESC LIMIT -1 OFFSET ${KEPT_RUNS})
           AND keep IS NULL`,
        run,
      );
      builders.set(runKey, builder);
    });

  const sealPlan: LedgerVerbs['sealPlan'] = (runKey) =>
    db.transaction(() => {
      if (planState(runKey) === 'sealed' && builders.has(runKey)) return;
      db.run(`UPDATE runs SET plan_state = 'sealed' WHERE run = ?`, building(runKey));
    });

  const reopenPlan: LedgerVerbs['reopenPlan'] = (runKey) =>
    db.transaction(() => {
      const run = planned(runKey);
      const builder = randomUUID();
      db.run(`UPDATE runs SET plan_state = 'building', builder = ? WHERE run = ?`, builder, run);
      builders.set(runKey, builder);
    });

  const keepRun: LedgerVerbs['keepRun'] = (runKey, reason) =>
    db.transaction(() => {
      db.run('UPDATE runs SET keep = NULL WHERE keep = ? AND run_key <> ?', reason, runKey);
      db.run('UPDATE runs SET keep = ? WHERE run = ?', reason, ensure(runKey));
    });

  return { find, ensure, planned, building, planState, beginPlan, sealPlan, reopenPlan, keepRun };
}
