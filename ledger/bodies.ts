/** Texts of documents: those that a run is about to write, and those on which both sides agreed. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Db } from '../sqlite/types.ts';
import type { Runs } from './runs.ts';
import type { BaseBodyLedger, KeptBody, SyncLedger } from './sync-ledger.ts';

/** Documents are a few KiB of JSON: level 1 takes half the time of level 6, and 10 % more space. */
const pack = (text: string): Buffer => deflateRawSync(text, { level: 1 });
const unpack = (body: unknown): string => inflateRawSync(body as Uint8Array).toString('utf8');

type BodyVerbs = Pick<SyncLedger, 'keepBodies' | 'body' | 'bodyVersion' | 'dropBodies'>;

export function openBodies(db: Db, runs: Runs, runKey: string): BodyVerbs {
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

    bodyVersion: (id) =>
      db.get('SELECT version FROM bodies WHERE run = ? AND id = ?', runs.find(runKey) ?? -1, id)?.version as
        | string
        | undefined,

    dropBodies: () =>
      db.transaction(() => {
        db.run('DELETE FROM bodies WHERE run = ?', runs.ensure(runKey));
      }),
  };
}

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
