/** The inbox of conflicts: items that both sides changed, and what a person decided of them. */
import { SLICE_ROWS, sliced } from '../sqlite/sliced.ts';
import type { Db, Row } from '../sqlite/types.ts';
import type { ItemKind } from './types.ts';

export type ConflictChoice = 'local' | 'cloud' | 'both' | 'merged';

export interface Conflict {
  /** Short, and the same as long as the item is in conflict. */
  readonly conflict: string;
  readonly kind: ItemKind;
  readonly id: string;
  /** `edit-edit`, `edit-delete`, `delete-edit` or `two-places`. */
  readonly what: string;
  readonly className: string | null;
  readonly name: string | null;
  readonly base: string | null;
  readonly local: string | null;
  readonly cloud: string | null;
  readonly cloudId: string | null;
  readonly foundAt: string;
  readonly runKey: string;
  readonly decision: ConflictChoice | null;
  readonly decidedAt: string | null;
  readonly decidedBy: string | null;
  readonly settledAt: string | null;
  /** Key of the run that carried the decision out. */
  readonly settledRun: string | null;
}

export type NewConflict = Pick<
  Conflict,
  | 'conflict'
  | 'kind'
  | 'id'
  | 'what'
  | 'className'
  | 'name'
  | 'base'
  | 'local'
  | 'cloud'
  | 'cloudId'
  | 'runKey'
>;

export interface ConflictLedger {
  /**
   * Records conflicts. One that is known keeps its date; its decision holds only while the versions are those
   * that it was made for.
   */
  note(conflicts: readonly NewConflict[]): void;
  get(conflict: string): Conflict | undefined;
  /** `open`: without those that are settled. In the order of their names; streams. */
  each(which: 'open' | 'all'): IterableIterator<Conflict>;
  openCount(): number;
  /** False when there is no such open conflict. */
  decide(conflict: string, decision: ConflictChoice | null, by: string): boolean;
  /** Open conflicts of these items are over: a run has carried the decision out, or both sides are equal. */
  settle(kind: ItemKind, ids: readonly string[], runKey: string): void;
  /** Open conflicts that a run did not find any more are over. */
  settleUnseen(kind: ItemKind, isStill: (id: string) => boolean, runKey: string): void;
}

const COLUMNS = `conflict, kind, id, what, class_name, name, base_version, local_version, cloud_version, cloud_id, found_at,
  run_key, decision, decided_at, decided_by, settled_at, settled_run`;

const conflictOf = (row: Row): Conflict =>
  ({
    conflict: row.conflict,
    kind: row.kind,
    id: row.id,
    what: row.what,
    className: row.class_name,
    name: row.name,
    base: row.base_version,
    local: row.local_version,
    cloud: row.cloud_version,
    cloudId: row.cloud_id,
    foundAt: row.found_at,
    runKey: row.run_key,
    decision: row.decision,
    decidedAt: row.decided_at,
    decidedBy: row.decided_by,
    settledAt: row.settled_at,
    settledRun: row.settled_run,
  }) as Conflict;

const NOTE = `
  INSERT INTO conflicts (conflict, kind, id, what, class_name, name, base_version, local_version, cloud_version, cloud_id,
    found_at, run_key)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
  ON CONFLICT DO UPDATE SET what = ?4, class_name = ?5, name = ?6, base_version = ?7, cloud_id = ?10,
    found_at = iif(settled_at IS NULL, found_at, ?11), run_key = ?12,
    decision = iif(settled_at IS NULL AND local_version IS ?8 AND cloud_version IS ?9, decision, NULL),
    decided_at = iif(settled_at IS NULL AND local_version IS ?8 AND cloud_version IS ?9, decided_at, NULL),
    decided_by = iif(settled_at IS NULL AND local_version IS ?8 AND cloud_version IS ?9, decided_by, NULL),
    local_version = ?8, cloud_version = ?9, settled_at = NULL, settled_run = NULL`;

const SETTLE = `UPDATE conflicts SET settled_at = ?, settled_run = ? WHERE settled_at IS NULL AND kind = ? AND id = ?`;

const valuesOf = (one: NewConflict) => [
  one.conflict,
  one.kind,
  one.id,
  one.what,
  one.className,
  one.name,
  one.base,
  one.local,
  one.cloud,
  one.cloudId,
];

function eachConflict(db: Db, which: 'open' | 'all'): IterableIterator<Conflict> {
  const sql = `SELECT ${COLUMNS} FROM conflicts WHERE conflict > ? ${which === 'open' ? 'AND settled_at IS NULL' : ''}
    ORDER BY conflict LIMIT ${SLICE_ROWS}`;
  return sliced<Conflict>((last) => db.all(sql, last?.conflict ?? '').map(conflictOf));
}

export function openConflicts(db: Db): ConflictLedger {
  return {
    note: (conflicts) =>
      db.transaction(() => {
        const now = new Date().toISOString();
        for (const one of conflicts) db.run(NOTE, ...valuesOf(one), now, one.runKey);
      }),

    get: (conflict) => {
      const row = db.get(`SELECT ${COLUMNS} FROM conflicts WHERE conflict = ?`, conflict);
      return row && conflictOf(row);
    },

    each: (which) => eachConflict(db, which),

    openCount: () =>
      db.get('SELECT count(*) AS count FROM conflicts WHERE settled_at IS NULL')?.count as number,

    decide: (conflict, decision, by) =>
      db.transaction(
        () =>
          db.run(
            `UPDATE conflicts SET decision = ?, decided_at = ?, decided_by = ?
             WHERE conflict = ? AND settled_at IS NULL`,
            decision,
            decision === null ? null : new Date().toISOString(),
            decision === null ? null : by,
            conflict,
          ) > 0,
      ),

    settle: (kind, ids, runKey) =>
      db.transaction(() => {
        const now = new Date().toISOString();
        for (const id of ids) db.run(SETTLE, now, runKey, kind, id);
      }),

    settleUnseen: (kind, isStill, runKey) =>
      db.transaction(() => {
        const now = new Date().toISOString();
        for (const conflict of [...eachConflict(db, 'open')])
          if (conflict.kind === kind && !isStill(conflict.id)) db.run(SETTLE, now, runKey, kind, conflict.id);
      }),
  };
}
