/** The decisions of a sync: its plan, per item. */
import { SLICE_ROWS, sliced } from '../sqlite/sliced.ts';
import type { Db, Row } from '../sqlite/types.ts';
import type { Runs } from './runs.ts';
import type { DecisionCount, KeptDecision, NewDecision, SyncLedger } from './sync-ledger.ts';

const COLUMNS = `kind, id, action, reason, local_version, cloud_version, base_version, content_key, cloud_id, name, is_held,
  state`;

const INSERT = `INSERT OR REPLACE INTO decisions (run, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open')`;

const decisionOf = (row: Row): KeptDecision =>
  ({
    kind: row.kind,
    id: row.id,
    action: row.action,
    reason: row.reason,
    local: row.local_version,
    cloud: row.cloud_version,
    base: row.base_version,
    contentKey: row.content_key,
    cloudId: row.cloud_id,
    name: row.name,
    isHeld: row.is_held === 1,
    state: row.state,
  }) as KeptDecision;

const valuesOf = (one: NewDecision) => [
  one.kind,
  one.id,
  one.action,
  one.reason,
  one.local,
  one.cloud,
  one.base,
  one.contentKey,
  one.cloudId,
  one.name,
  Number(one.isHeld),
];

const marks = (values: readonly unknown[]): string => values.map(() => '?').join(', ');

type DecisionVerbs = Pick<
  SyncLedger,
  | 'forgetDecisions'
  | 'forgetOthers'
  | 'addDecisions'
  | 'decisions'
  | 'decision'
  | 'markDecisions'
  | 'hold'
  | 'releaseHeld'
  | 'counts'
>;

function* eachDecision(
  db: Db,
  run: number,
  { kind, actions, states, held }: Parameters<SyncLedger['decisions']>[0],
): Generator<KeptDecision> {
  const ofActions = actions === undefined ? '' : `AND action IN (${marks(actions)})`;
  const ofStates = states === undefined ? '' : `AND state IN (${marks(states)})`;
  const sql = `SELECT ${COLUMNS} FROM decisions WHERE run = ? AND kind = ? ${ofActions} AND id > ?
    ${ofStates} ${held ? '' : 'AND is_held = 0'} ORDER BY id LIMIT ${SLICE_ROWS}`;
  yield* sliced<KeptDecision>((last) =>
    db.all(sql, run, kind, ...(actions ?? []), last?.id ?? '', ...(states ?? [])).map(decisionOf),
  );
}

export const openDecisions = (db: Db, runs: Runs, runKey: string): DecisionVerbs => ({
  forgetDecisions: () =>
    db.transaction(() => {
      db.run('DELETE FROM decisions WHERE run = ?', runs.ensure(runKey));
    }),

  forgetOthers: () =>
    db.transaction(() => {
      const run = runs.ensure(runKey);
      for (const table of ['observations', 'decisions', 'bodies'])
        db.run(`DELETE FROM ${table} WHERE run <> ?`, run);
    }),

  addDecisions: (added) =>
    db.transaction(() => {
      const run = runs.ensure(runKey);
      for (const one of added) db.run(INSERT, run, ...valuesOf(one));
    }),

  decisions: (query) => eachDecision(db, runs.find(runKey) ?? -1, query),

  decision: (kind, id) => {
    const row = db.get(
      `SELECT ${COLUMNS} FROM decisions WHERE run = ? AND kind = ? AND id = ?`,
      runs.find(runKey) ?? -1,
      kind,
      id,
    );
    return row && decisionOf(row);
  },

  markDecisions: (kind, ids, state) =>
    db.transaction(() => {
      const run = runs.planned(runKey);
      for (const id of ids)
        db.run('UPDATE decisions SET state = ? WHERE run = ? AND kind = ? AND id = ?', state, run, kind, id);
    }),

  hold: (action) =>
    db.transaction(() =>
      db.run('UPDATE decisions SET is_held = 1 WHERE run = ? AND action = ?', runs.planned(runKey), action),
    ),

  releaseHeld: () =>
    db.transaction(() => {
      db.run('UPDATE decisions SET is_held = 0 WHERE run = ?', runs.planned(runKey));
    }),

  counts: () =>
    db
      .all(
        `SELECT kind, action, reason, is_held, state, count(*) AS count FROM decisions WHERE run = ?
         GROUP BY kind, action, reason, is_held, state`,
        runs.find(runKey) ?? -1,
      )
      .map(({ is_held, ...row }) => ({ ...row, isHeld: is_held === 1 }) as unknown as DecisionCount),
});
