/** The tables of a sync: observations, decisions, bodies. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { SLICE_ROWS, sliced } from '../sqlite/sliced.ts';
import type { Db, Row } from '../sqlite/types.ts';
import type { Runs } from './runs.ts';
import type {
  BaseBodyLedger,
  DecisionCount,
  KeptBody,
  KeptDecision,
  Observation,
  SyncLedger,
} from './sync-ledger.ts';

const OBSERVATION = `id, version, content_key, class_name, name, is_link, cloud_id, size_bytes, text_hash, mtime_ms, inode,
  document_id, path`;
const DECISION = `kind, id, action, reason, local_version, cloud_version, base_version, content_key, cloud_id, name, is_held, state`;

const observationOf = (row: Row): Observation =>
  ({
    id: row.id,
    version: row.version,
    contentKey: row.content_key,
    className: row.class_name,
    name: row.name,
    isLink: row.is_link === 1,
    cloudId: row.cloud_id,
    sizeBytes: row.size_bytes,
    textHash: row.text_hash,
    mtimeMs: row.mtime_ms,
    inode: row.inode,
    documentId: row.document_id,
    path: row.path,
  }) as Observation;

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

/** Documents are a few KiB of JSON: level 1 takes half the time of level 6, and 10 % more space. */
const pack = (text: string): Buffer => deflateRawSync(text, { level: 1 });
const unpack = (body: unknown): string => inflateRawSync(body as Uint8Array).toString('utf8');

const marks = (values: readonly unknown[]): string => values.map(() => '?').join(', ');

export const openSync =
  (db: Db, runs: Runs) =>
  (runKey: string): SyncLedger => ({
    ...observations(db, runs, runKey),
    ...decisions(db, runs, runKey),
    ...bodies(db, runs, runKey),
  });

function observations(
  db: Db,
  runs: Runs,
  runKey: string,
): Pick<SyncLedger, 'forgetObservations' | 'observe' | 'observed' | 'observation'> {
  return {
    forgetObservations: (side, kind) =>
      db.transaction(() => {
        const run = runs.ensure(runKey);
        db.run('DELETE FROM observations WHERE run = ? AND side = ? AND kind = ?', run, side, kind);
      }),

    observe: (side, kind, rows) =>
      db.transaction(() => {
        const run = runs.ensure(runKey);
        for (const row of rows)
          db.run(
            `INSERT OR REPLACE INTO observations (run, side, kind, ${OBSERVATION})
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
            run,
            side,
            kind,
            row.id,
            row.version,
            row.contentKey ?? null,
            row.className ?? null,
            row.name ?? null,
            Number(row.isLink ?? false),
            row.cloudId ?? null,
            row.sizeBytes ?? null,
            row.textHash ?? null,
            row.mtimeMs ?? null,
            row.inode ?? null,
            row.documentId ?? null,
            row.path ?? null,
          );
      }),

    observed: function* (side, kind) {
      const run = runs.find(runKey) ?? -1;
      yield* sliced<Observation>((last) =>
        db
          .all(
            `SELECT ${OBSERVATION} FROM observations WHERE run = ? AND side = ? AND kind = ? AND id > ?
             ORDER BY id LIMIT ${SLICE_ROWS}`,
            run,
            side,
            kind,
            last?.id ?? '',
          )
          .map(observationOf),
      );
    },

    observation: (side, kind, id) => {
      const row = db.get(
        `SELECT ${OBSERVATION} FROM observations WHERE run = ? AND side = ? AND kind = ? AND id = ?`,
        runs.find(runKey) ?? -1,
        side,
        kind,
        id,
      );
      return row && observationOf(row);
    },
  };
}

function decisions(
  db: Db,
  runs: Runs,
  runKey: string,
): Pick<
  SyncLedger,
  'forgetDecisions' | 'addDecisions' | 'decisions' | 'decision' | 'markDecisions' | 'releaseHeld' | 'counts'
> {
  return {
    forgetDecisions: () =>
      db.transaction(() => {
        db.run('DELETE FROM decisions WHERE run = ?', runs.ensure(runKey));
      }),

    addDecisions: (added) =>
      db.transaction(() => {
        const run = runs.ensure(runKey);
        for (const one of added)
          db.run(
            `INSERT OR REPLACE INTO decisions (run, ${DECISION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open')`,
            run,
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
          );
      }),

    decisions: function* ({ kind, actions, states, held }) {
      const run = runs.find(runKey) ?? -1;
      const ofStates = states === undefined ? '' : `AND state IN (${marks(states)})`;
      yield* sliced<KeptDecision>((last) =>
        db
          .all(
            `SELECT ${DECISION} FROM decisions WHERE run = ? AND kind = ? AND action IN (${marks(actions)}) AND id > ?
               ${ofStates} ${held ? '' : 'AND is_held = 0'} ORDER BY id LIMIT ${SLICE_ROWS}`,
            run,
            kind,
            ...actions,
            last?.id ?? '',
            ...(states ?? []),
          )
          .map(decisionOf),
      );
    },

    decision: (kind, id) => {
      const row = db.get(
        `SELECT ${DECISION} FROM decisions WHERE run = ? AND kind = ? AND id = ?`,
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
          db.run(
            'UPDATE decisions SET state = ? WHERE run = ? AND kind = ? AND id = ?',
            state,
            run,
            kind,
            id,
          );
      }),

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
  };
}

function bodies(db: Db, runs: Runs, runKey: string): Pick<SyncLedger, 'keepBodies' | 'body' | 'dropBodies'> {
  return {
    keepBodies: (kept) =>
      db.transaction(() => {
        const run = runs.ensure(runKey);
        for (const { id, version, text } of kept)
          db.run('INSERT OR REPLACE INTO bodies VALUES (?, ?, ?, ?)', run, id, version, pack(text));
      }),

    body: (id) => {
      const row = db.get(
        'SELECT id, version, body FROM bodies WHERE run = ? AND id = ?',
        runs.find(runKey) ?? -1,
        id,
      );
      return row && ({ id: row.id, version: row.version, text: unpack(row.body) } as KeptBody);
    },

    dropBodies: () =>
      db.transaction(() => {
        db.run('DELETE FROM bodies WHERE run = ?', runs.ensure(runKey));
      }),
  };
}

/** Every verb that writes goes through `guarded`. */
export const guardedSync = (sync: SyncLedger, guarded: <T>(write: () => T) => T): SyncLedger => ({
  ...sync,
  forgetObservations: (side, kind) => guarded(() => sync.forgetObservations(side, kind)),
  observe: (side, kind, rows) => guarded(() => sync.observe(side, kind, rows)),
  forgetDecisions: () => guarded(() => sync.forgetDecisions()),
  addDecisions: (added) => guarded(() => sync.addDecisions(added)),
  markDecisions: (kind, ids, state) => guarded(() => sync.markDecisions(kind, ids, state)),
  releaseHeld: () => guarded(() => sync.releaseHeld()),
  keepBodies: (kept) => guarded(() => sync.keepBodies(kept)),
  dropBodies: () => guarded(() => sync.dropBodies()),
});

export function openBaseBodies(db: Db): BaseBodyLedger {
  const totals = (): { count: number; bytes: number } => {
    const row = db.get('SELECT count(*) AS count, coalesce(sum(length(body)), 0) AS bytes FROM base_bodies');
    return { count: row?.count as number, bytes: row?.bytes as number };
  };
  const has: BaseBodyLedger['has'] = (id, version) =>
    db.get('SELECT 1 AS found FROM base_bodies WHERE id = ? AND version = ?', id, version) !== undefined;
  /** Counted once; then what is added is added. */
  let known: number | undefined;
  return {
    keep: (kept, maxBytes) =>
      db.transaction(() => {
        known ??= totals().bytes;
        for (const { id, version, text } of kept) {
          if (has(id, version)) continue;
          const body = pack(text);
          if (known + body.byteLength > maxBytes) continue;
          known += body.byteLength;
          db.run('INSERT OR REPLACE INTO base_bodies VALUES (?, ?, ?)', id, version, body);
        }
      }),

    text: (id, version) => {
      const row = db.get('SELECT body FROM base_bodies WHERE id = ? AND version = ?', id, version);
      return row && unpack(row.body);
    },

    has,

    remove: (ids) =>
      db.transaction(() => {
        for (const id of ids) db.run('DELETE FROM base_bodies WHERE id = ?', id);
        known = undefined;
      }),

    totals,
  };
}
