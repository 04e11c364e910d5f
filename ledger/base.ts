/**
 * The base: per item, what was seen of each side, when and how. It outlives the runs that made it.
 *
 * The local side is that of the last agreement: it advances only with items that a run found equal or made
 * equal. The cloud's side is what was last seen. So a local item that differs from `local` was changed here,
 * and a cloud item that differs from `local` was changed there. Content is proven only where `local.how` is
 * `read` and `cloud.how` is `read-back`; every other row proves presence and nothing else.
 */
import { SLICE_ROWS, sliced } from '../sqlite/sliced.ts';
import type { Db, Row } from '../sqlite/types.ts';
import type { AgreedVersion } from './dataset-ledger.ts';
import type { Runs } from './runs.ts';
import type { BaseItem, Tombstone } from './types.ts';
import type { LedgerVerbs } from './verbs.ts';

const COLUMNS = `kind, id, cloud_id, document_id, name, local_hash, local_md5_hex, local_size_bytes, local_text_hash,
  local_mtime_ms, local_inode, local_how, local_seen_at, cloud_hash, cloud_md5_hex, cloud_size_bytes, cloud_how, cloud_seen_at,
  agreed_version`;

const baseOf = (row: Row): BaseItem =>
  ({
    kind: row.kind,
    id: row.id,
    cloudId: row.cloud_id,
    documentId: row.document_id,
    name: row.name,
    agreedVersion: row.agreed_version,
    local: {
      hash: row.local_hash,
      md5Hex: row.local_md5_hex,
      sizeBytes: row.local_size_bytes,
      textHash: row.local_text_hash,
      mtimeMs: row.local_mtime_ms,
      inode: row.local_inode,
      how: row.local_how,
      seenAt: row.local_seen_at,
    },
    cloud: {
      hash: row.cloud_hash,
      md5Hex: row.cloud_md5_hex,
      sizeBytes: row.cloud_size_bytes,
      how: row.cloud_how,
      seenAt: row.cloud_seen_at,
    },
  }) as BaseItem;

/** A lost base never deletes anything; a base of another cloud dataset would. */
function ofCloudDataset(db: Db, run: number): void {
  const plan = db.get('SELECT cloud_dataset_id AS id FROM runs WHERE run = ?', run);
  const known = db.get(`SELECT value AS id FROM dataset_facts WHERE key = 'base of'`);
  if (known?.id === plan?.id) return;
  db.run('DELETE FROM base');
  db.run(`INSERT OR REPLACE INTO dataset_facts (key, value) VALUES ('base of', ?)`, plan?.id ?? '');
}

/**
 * The content on which both sides agree, as version 5 of the schema says. Null when the cloud gave a document
 * back as another one than was sent.
 */
const AGREED = `iif(kind = 'document',
  iif(cloud_how = 'read-back' AND cloud_hash IS NOT sha256_hex, NULL, sha256_hex),
  coalesce('md5:' || md5_hex, 'size:' || size_bytes))`;

/**
 * A fact that this run did not learn (the hash of a file that was there already) stays as an earlier run
 * learnt it, while the local side is still the one that it was learnt of.
 */
const ADVANCE = `
  INSERT INTO base (${COLUMNS})
  SELECT kind, id, cloud_id, document_id, name, sha256_hex, md5_hex, size_bytes, text_hash, mtime_ms, inode,
    iif(coalesce(sha256_hex, md5_hex) IS NULL, 'listed', 'read'), ?1,
    cloud_hash, cloud_md5_hex, size_bytes, coalesce(cloud_how, 'listed'), ?1, ${AGREED}
  FROM items WHERE run = ?2 AND state IN ('done', 'skipped') AND (?3 IS NULL OR (kind = ?3 AND id = ?4))
  ORDER BY kind, id
  ON CONFLICT DO UPDATE SET
    agreed_version = iif(kind = 'file' AND excluded.local_md5_hex IS NULL AND agreed_version IS NOT NULL
      AND local_size_bytes = excluded.local_size_bytes, agreed_version, coalesce(excluded.agreed_version, agreed_version)),
    cloud_id = coalesce(excluded.cloud_id, cloud_id),
    document_id = coalesce(excluded.document_id, document_id), name = coalesce(excluded.name, name),
    local_hash = coalesce(excluded.local_hash, local_hash),
    local_md5_hex = coalesce(excluded.local_md5_hex, local_md5_hex),
    local_size_bytes = excluded.local_size_bytes,
    local_text_hash = coalesce(excluded.local_text_hash, local_text_hash),
    local_mtime_ms = coalesce(excluded.local_mtime_ms, local_mtime_ms),
    local_inode = coalesce(excluded.local_inode, local_inode),
    local_how = iif(excluded.local_how = 'listed' AND local_how = 'read', local_how, excluded.local_how),
    local_seen_at = excluded.local_seen_at,
    cloud_hash = coalesce(excluded.cloud_hash, cloud_hash),
    cloud_md5_hex = coalesce(excluded.cloud_md5_hex, cloud_md5_hex),
    cloud_size_bytes = excluded.cloud_size_bytes,
    cloud_how = iif(excluded.cloud_how = 'listed' AND cloud_how = 'read-back'
      AND coalesce(excluded.local_hash, local_hash, '') = coalesce(local_hash, '')
      AND coalesce(excluded.local_md5_hex, local_md5_hex, '') = coalesce(local_md5_hex, ''), cloud_how, excluded.cloud_how),
    cloud_seen_at = excluded.cloud_seen_at`;

/** An item of the base, or the tombstone of one that the base has no more. */
const VERSIONS = `
  SELECT id, agreed_version AS agreed, NULL AS buried FROM base
  WHERE kind = ?1 AND id > ?2 AND agreed_version IS NOT NULL
  UNION ALL
  SELECT id, NULL, max(last_hash) FROM tombstones
  WHERE kind = ?1 AND id > ?2 AND last_hash IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM base WHERE base.kind = ?1 AND base.id = tombstones.id AND agreed_version IS NOT NULL)
  GROUP BY id
  ORDER BY id`;

const NOTE = `
  INSERT INTO base (kind, id, cloud_id, cloud_hash, cloud_md5_hex, cloud_size_bytes, cloud_how, cloud_seen_at)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'read-back', ?7)
  ON CONFLICT DO UPDATE SET cloud_id = excluded.cloud_id, cloud_hash = excluded.cloud_hash,
    cloud_md5_hex = excluded.cloud_md5_hex, cloud_size_bytes = coalesce(excluded.cloud_size_bytes, cloud_size_bytes),
    cloud_how = 'read-back', cloud_seen_at = excluded.cloud_seen_at`;

type BaseVerbs = Pick<
  LedgerVerbs,
  | 'advanceBase'
  | 'advanceBaseOf'
  | 'baseVersions'
  | 'forgetBase'
  | 'forgetWholeBase'
  | 'base'
  | 'baseItems'
  | 'baseCount'
  | 'noteCloud'
  | 'bury'
  | 'tombstones'
  | 'unbury'
>;

export function openBase(db: Db, runs: Runs): BaseVerbs {
  return {
    advanceBase: (runKey) =>
      db.transaction(() => {
        const run = runs.planned(runKey);
        ofCloudDataset(db, run);
        return db.run(ADVANCE, new Date().toISOString(), run, null, null);
      }),

    advanceBaseOf: (runKey, kind, ids) =>
      db.transaction(() => {
        const run = runs.planned(runKey);
        ofCloudDataset(db, run);
        const now = new Date().toISOString();
        for (const id of ids) db.run(ADVANCE, now, run, kind, id);
      }),

    noteCloud: (runKey, kind, seen) =>
      db.transaction(() => {
        ofCloudDataset(db, runs.planned(runKey));
        const now = new Date().toISOString();
        for (const { id, cloudId, hash, md5Hex, sizeBytes } of seen)
          db.run(NOTE, kind, id, cloudId, hash ?? null, md5Hex ?? null, sizeBytes ?? null, now);
      }),

    base: (kind, id) => {
      const row = db.get(`SELECT ${COLUMNS} FROM base WHERE kind = ? AND id = ?`, kind, id);
      return row && baseOf(row);
    },

    baseItems: function* (kind) {
      yield* sliced<BaseItem>((last) =>
        db
          .all(
            `SELECT ${COLUMNS} FROM base WHERE kind = ? AND id > ? ORDER BY id LIMIT ${SLICE_ROWS}`,
            kind,
            last?.id ?? '',
          )
          .map(baseOf),
      );
    },

    baseCount: (kind) => db.get('SELECT count(*) AS count FROM base WHERE kind = ?', kind)?.count as number,

    baseVersions: function* (kind) {
      const rows = sliced<Row>((last) => {
        const after = (last?.id as string | undefined) ?? '';
        return db.all(`${VERSIONS} LIMIT ${SLICE_ROWS}`, kind, after);
      });
      for (const { id, agreed, buried } of rows)
        yield { id, agreed, ...(buried === null ? {} : { buried }) } as AgreedVersion;
    },

    forgetBase: (kind, ids) =>
      db.transaction(() => {
        for (const id of ids) db.run('DELETE FROM base WHERE kind = ? AND id = ?', kind, id);
      }),

    forgetWholeBase: () =>
      db.transaction(() => {
        for (const table of ['base', 'tombstones', 'base_bodies']) db.run(`DELETE FROM ${table}`);
      }),

    bury: (tombstones) =>
      db.transaction(() => {
        for (const { kind, id, side, lastHash, at, runKey } of tombstones) {
          db.run(
            'INSERT OR REPLACE INTO tombstones (kind, id, side, last_hash, at, run_key) VALUES (?, ?, ?, ?, ?, ?)',
            kind,
            id,
            side,
            lastHash,
            at,
            runKey,
          );
        }
      }),

    tombstones: function* (kind) {
      const rows = sliced<Row>((last) =>
        db.all(
          `SELECT * FROM tombstones WHERE kind = ? AND (id, side) > (?, ?) ORDER BY id, side LIMIT ${SLICE_ROWS}`,
          kind,
          (last?.id as string | undefined) ?? '',
          (last?.side as string | undefined) ?? '',
        ),
      );
      for (const { id, side, last_hash: lastHash, at, run_key: runKey } of rows)
        yield { kind, id, side, lastHash, at, runKey } as Tombstone;
    },

    unbury: (kind, ids) =>
      db.transaction(() => {
        for (const id of ids) db.run('DELETE FROM tombstones WHERE kind = ? AND id = ?', kind, id);
      }),
  };
}
