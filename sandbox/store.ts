/**
 * The sandbox's one store: SQLite for everything that has a shape, in `<stateDir>/cloud.sqlite`. Each
 * resource file owns its SQL; this file owns the tables, the ids and the settings. Object bytes are files
 * beside it.
 *
 * Deletion is a pair of times on the row: hidden since `deleted_ms`, gone from `purge_ms` on. A row past
 * `purge_ms` is as good as absent for every question but those of a lagging replica, and is swept away later.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { SQLInputValue } from 'node:sqlite';
import { type DbOptions, openDb } from '../sqlite/db.ts';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS users (
  id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE COLLATE NOCASE, name TEXT NOT NULL, password TEXT NOT NULL,
  is_admin INTEGER NOT NULL DEFAULT 0, is_validated INTEGER NOT NULL DEFAULT 1, code TEXT, license TEXT,
  created_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS organizations (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, can_upload INTEGER NOT NULL DEFAULT 0, created_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS memberships (
  user_id TEXT NOT NULL, organization_id TEXT NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY (user_id, organization_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bookmarks (
  user_id TEXT NOT NULL, dataset_id TEXT NOT NULL, PRIMARY KEY (user_id, dataset_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS datasets (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, organization_id TEXT NOT NULL, branch_of TEXT,
  metadata TEXT NOT NULL, is_submitted INTEGER NOT NULL DEFAULT 0, is_published INTEGER NOT NULL DEFAULT 0,
  is_publishing INTEGER NOT NULL DEFAULT 0, is_unpublishing INTEGER NOT NULL DEFAULT 0,
  publish_total INTEGER NOT NULL DEFAULT 0, unpublish_total INTEGER NOT NULL DEFAULT 0,
  document_count INTEGER NOT NULL DEFAULT 0, total_size INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, uploaded_ms INTEGER, deleted_ms INTEGER, purge_ms INTEGER);
CREATE INDEX IF NOT EXISTS datasets_by_organization ON datasets (organization_id, seq);
CREATE TABLE IF NOT EXISTS documents (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, dataset_id TEXT NOT NULL, ndi_id TEXT NOT NULL,
  name TEXT NOT NULL, class_name TEXT NOT NULL, lineage TEXT NOT NULL, has_locations INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, deleted_ms INTEGER, purge_ms INTEGER);
CREATE INDEX IF NOT EXISTS documents_by_dataset ON documents (dataset_id, seq, created_ms, deleted_ms);
CREATE INDEX IF NOT EXISTS documents_by_ndi_id ON documents (ndi_id);
CREATE INDEX IF NOT EXISTS documents_purged ON documents (purge_ms) WHERE purge_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS bodies (seq INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, dataset_id TEXT NOT NULL, uid TEXT NOT NULL, source_dataset_id TEXT NOT NULL,
  size INTEGER, uploaded_ms INTEGER, created_ms INTEGER NOT NULL, UNIQUE (dataset_id, uid));
CREATE INDEX IF NOT EXISTS files_in_order ON files (dataset_id, seq);
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, dataset_id TEXT NOT NULL, state TEXT NOT NULL, created_ms INTEGER NOT NULL, started_ms INTEGER,
  completed_ms INTEGER, total_files INTEGER, files_extracted INTEGER NOT NULL DEFAULT 0, error TEXT);
CREATE INDEX IF NOT EXISTS jobs_by_dataset ON jobs (dataset_id, created_ms);
CREATE TABLE IF NOT EXISTS objects (
  key TEXT PRIMARY KEY, blob TEXT NOT NULL, size INTEGER NOT NULL, md5 TEXT NOT NULL, content_type TEXT NOT NULL,
  modified_ms INTEGER NOT NULL, readable_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS write_locks (
  dataset_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, reason TEXT NOT NULL, acquired_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS compute_sessions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL, pipeline_id TEXT NOT NULL,
  input TEXT NOT NULL, status TEXT NOT NULL, stage INTEGER NOT NULL DEFAULT 0, error TEXT,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS url_jobs (
  id TEXT PRIMARY KEY, dataset_id TEXT NOT NULL, document_id TEXT NOT NULL, series TEXT, state TEXT NOT NULL,
  signed_count INTEGER NOT NULL DEFAULT 0, total_count INTEGER, result_bytes INTEGER, error TEXT,
  heartbeat_ms INTEGER NOT NULL, files_expire_ms INTEGER);
CREATE TABLE IF NOT EXISTS tier_jobs (
  id TEXT PRIMARY KEY, dataset_id TEXT NOT NULL, tier TEXT NOT NULL, state TEXT NOT NULL, keys TEXT NOT NULL,
  files_done INTEGER NOT NULL DEFAULT 0, errors TEXT NOT NULL DEFAULT '[]', created_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS object_tiers (
  key TEXT PRIMARY KEY, tier TEXT NOT NULL, updated_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tasks (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, due_ms INTEGER NOT NULL, payload TEXT NOT NULL,
  progress INTEGER NOT NULL DEFAULT 0);
`;

export type Row = Record<string, string | number | null>;

export interface Store {
  readonly stateDir: string;
  get<T>(sql: string, ...values: SQLInputValue[]): T | undefined;
  all<T>(sql: string, ...values: SQLInputValue[]): T[];
  /** Answers how many rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  /** All or nothing. `work` must not wait for anything: the connection is shared by all requests. */
  transaction<T>(work: () => T): T;
  setting(key: string): string | undefined;
  setSetting(key: string, value: string): void;
  close(): void;
}

/**
 * A power cut may cost a sandbox its state; the death of its process, which is what tests do to it, may not.
 */
export const SANDBOX_DB = {
  codes: {
    busy: 'NDI_E_SANDBOX',
    corrupt: 'NDI_E_SANDBOX',
    cannotOpen: 'NDI_E_SANDBOX',
    newer: 'NDI_E_SANDBOX',
  },
  durability: 'process-death',
  migrations: [SCHEMA],
  cacheKiB: 65_536,
} as const satisfies DbOptions;

/**
 * Opens (or makes) the store of a state folder.
 * @throws NDI_E_SANDBOX when the folder holds something else, or belongs to a later program, and what else
 * `openDb` says
 */
export function openStore(stateDir: string): Store {
  const db = openDb(join(stateDir, 'cloud.sqlite'), SANDBOX_DB);
  const store: Store = {
    stateDir,
    get: <T>(sql: string, ...values: SQLInputValue[]) => db.get(sql, ...values) as T | undefined,
    all: <T>(sql: string, ...values: SQLInputValue[]) => db.all(sql, ...values) as T[],
    run: db.run,
    transaction: db.transaction,
    setting: (key) => store.get<{ value: string }>('SELECT value FROM settings WHERE key=?', key)?.value,
    setSetting: (key, value) => {
      store.run(
        'INSERT INTO settings VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value=excluded.value',
        key,
        value,
      );
    },
    close: db.close,
  };
  return store;
}

const processPart = randomBytes(5).toString('hex');
let idCounter = randomBytes(3).readUIntBE(0, 3);

/**
 * A new cloud id: 24 hex digits like a MongoDB ObjectId (seconds, process, counter), so ids grow with time.
 */
export function newCloudId(nowMs: number): string {
  idCounter = (idCounter + 1) & 0xffffff;
  const seconds = Math.floor(nowMs / 1000)
    .toString(16)
    .padStart(8, '0');
  return seconds + processPart + idCounter.toString(16).padStart(6, '0');
}

export const isCloudId = (text: string): boolean => /^[0-9a-f]{24}$/i.test(text);

/** A secret of this state folder, made once, so that tokens and URLs outlive a restart. */
export function stateSecret(store: Store, name: string): Buffer {
  const known = store.setting(name);
  if (known !== undefined) return Buffer.from(known, 'hex');
  const secret = randomBytes(32);
  store.setSetting(name, secret.toString('hex'));
  return secret;
}
