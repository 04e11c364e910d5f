/** Units of a plan: what moves together, in which wave; and how left-overs are planned again. */
import { CourierError } from '../errors/index.ts';
import type { Db, Row } from '../sqlite/types.ts';
import { packUnits } from './pack.ts';
import type { Runs } from './runs.ts';
import type { NewPlanUnit, PlanUnit } from './types.ts';
import type { LedgerVerbs } from './verbs.ts';

const COLUMNS = 'unit, kind, wave, item_count, size_bytes, state, job_id';

const unitOf = (row: Row): PlanUnit =>
  ({
    unit: row.unit,
    kind: row.kind,
    wave: row.wave,
    itemCount: row.item_count,
    sizeBytes: row.size_bytes,
    state: row.state,
    jobId: row.job_id,
  }) as PlanUnit;

export function openUnits(
  db: Db,
  runs: Runs,
): Pick<LedgerVerbs, 'addUnits' | 'unit' | 'units' | 'openUnits' | 'markUnit' | 'replan'> {
  const unit: LedgerVerbs['unit'] = (runKey, number) => {
    const row = db.get(
      `SELECT ${COLUMNS} FROM units WHERE run = ? AND unit = ?`,
      runs.planned(runKey),
      number,
    );
    if (row === undefined) {
      throw new CourierError('NDI_E_INTERNAL', { detail: `run ${runKey} has no unit ${number}` });
    }
    return unitOf(row);
  };

  return {
    addUnits: (runKey, units) =>
      db.transaction(() => {
        const run = runs.building(runKey);
        for (const one of units) insertUnit(db, run, one);
      }),

    unit,

    units: (runKey, { kinds, after, limit }) =>
      db
        .all(
          `SELECT ${COLUMNS} FROM units WHERE run = ? AND unit > ? AND kind IN (${kinds.map(() => '?').join(', ')})
           ORDER BY unit LIMIT ?`,
          runs.planned(runKey),
          after ?? -1,
          ...kinds,
          limit,
        )
        .map(unitOf),

    openUnits: (runKey, { kinds, from, limit }) =>
      db
        .all(
          `SELECT ${COLUMNS} FROM units WHERE run = ? AND unit >= ? AND state <> 'done'
             AND kind IN (${kinds.map(() => '?').join(', ')})
           ORDER BY wave, unit LIMIT ?`,
          runs.planned(runKey),
          from ?? 0,
          ...kinds,
          limit,
        )
        .map(unitOf),

    markUnit: (runKey, number, { state, jobId }) =>
      db.transaction(() => {
        const before = unit(runKey, number);
        // As with items: the late word of a try that was given up does not undo what is done.
        const settled = before.state === 'done' && (state === 'sending' || state === 'sent');
        db.run(
          'UPDATE units SET state = ?, job_id = ? WHERE run = ? AND unit = ?',
          settled ? before.state : (state ?? before.state),
          jobId === undefined ? before.jobId : jobId,
          runs.planned(runKey),
          number,
        );
      }),

    replan: (runKey, query) => db.transaction(() => replan(db, runs.planned(runKey), query)),
  };
}

function insertUnit(db: Db, run: number, unit: NewPlanUnit): void {
  db.run(
    'INSERT INTO units (run, unit, kind, wave, item_count, size_bytes) VALUES (?, ?, ?, ?, ?, ?)',
    run,
    unit.unit,
    unit.kind,
    unit.wave,
    unit.itemCount,
    unit.sizeBytes,
  );
}

/**
 * An item keeps the wave of its old unit, so documents still go in dependency order; one that had none goes
 * last. Units that lost all their items are done.
 */
function replan(db: Db, run: number, query: Parameters<LedgerVerbs['replan']>[1]): PlanUnit[] {
  const last = db.get('SELECT max(unit) AS unit, max(wave) AS wave FROM units WHERE run = ?', run);
  const lastWave = query.kind === 'file' ? 0 : ((last?.wave as number | null) ?? -1) + 1;
  // Ids and sizes only: some 100 bytes for each item that is left over.
  const left = db.all(
    `SELECT items.seq, items.unit, items.size_bytes, coalesce(units.wave, ?) AS wave
     FROM items LEFT JOIN units ON units.run = items.run AND units.unit = items.unit
     WHERE items.run = ? AND items.kind = ? AND items.state IN (${query.states.map(() => '?').join(', ')})
     ORDER BY wave, items.seq`,
    lastWave,
    run,
    query.kind,
    ...query.states,
  );
  const made: PlanUnit[] = [];
  let nextUnit = ((last?.unit as number | null) ?? -1) + 1;
  const pack = packUnits(
    { kind: query.unitKind, maxItems: query.maxItems, maxBytes: query.maxBytes },
    () => nextUnit++,
    (packed) => {
      const unit: PlanUnit = { ...packed, state: 'pending', jobId: null };
      insertUnit(db, run, unit);
      made.push(unit);
    },
  );
  let wave: number | undefined;
  for (const row of left) {
    if (row.wave !== wave) pack.close();
    wave = row.wave as number;
    const unit = pack.add(row.size_bytes as number);
    pack.raiseWave(wave);
    db.run(
      `UPDATE items SET unit = ?, state = 'pending', error_code = NULL, error_detail = NULL WHERE seq = ?`,
      unit,
      row.seq as number,
    );
  }
  pack.close();
  for (const old of new Set(left.map((row) => row.unit))) {
    if (old !== null) recount(db, run, old as number);
  }
  return made;
}

function recount(db: Db, run: number, unit: number): void {
  db.run(
    `UPDATE units SET item_count = now.count, size_bytes = now.bytes, state = iif(now.count = 0, 'done', state)
     FROM (SELECT count(*) AS count, coalesce(sum(size_bytes), 0) AS bytes FROM items WHERE run = ? AND unit = ?) AS now
     WHERE run = ? AND unit = ?`,
    run,
    unit,
    run,
    unit,
  );
}
