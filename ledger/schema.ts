/**
 * The tables of a ledger, and how an older file becomes a newer one.
 *
 * `user_version` of the file is the number of migrations it has seen. A migration, once released, never changes: what is
 * wrong with it is put right by the next one. All that are missing run in one transaction, so a file is always of one version.
 *
 *   runs           one row per run: its plan's state and who builds it
 *   items, units   the plan: what moves, and together with what
 *   problems       what is wrong with no item, or with more than its state says
 *   facts          small things that must be on disk before the world is touched
 *   dataset_facts  the same of the dataset itself: they outlive runs
 *   listings, listing_rows   what the other side lists
 *   parts, parts_done        what a ranged download has on disk
 *   base           the last state both sides agreed on; outlives runs
 *   audit          what was done when; outlives runs
 *   lease          at most one row: the run that may write this dataset
 */
import { CourierError } from '../errors/index.ts';
import type { Db } from './db.ts';

const V1 = `
CREATE TABLE runs (
  run INTEGER PRIMARY KEY AUTOINCREMENT,
  run_key TEXT NOT NULL UNIQUE,
  plan_state TEXT NOT NULL DEFAULT 'absent' CHECK (plan_state IN ('absent', 'building', 'sealed')),
  -- Drawn anew by each try that builds the plan, so that a try that was given up cannot add to its successor's plan.
  builder TEXT,
  operation TEXT,
  cloud_dataset_id TEXT,
  begun_at TEXT NOT NULL
) STRICT;

CREATE TABLE items (
  -- Order of adding, which for documents is dependency order.
  seq INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('document', 'file')),
  id TEXT NOT NULL,
  unit INTEGER,
  state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'done', 'skipped', 'failed')),
  size_bytes INTEGER NOT NULL,
  sha256_hex TEXT, md5_hex TEXT, cloud_id TEXT,
  document_id TEXT, name TEXT, path TEXT,
  error_code TEXT, error_detail TEXT
) STRICT;
CREATE UNIQUE INDEX items_by_id ON items (run, kind, id);
CREATE INDEX items_by_unit ON items (run, unit);

CREATE TABLE units (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  unit INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('documents', 'file-zip', 'file', 'files')),
  wave INTEGER NOT NULL,
  item_count INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'sent', 'done')),
  job_id TEXT,
  PRIMARY KEY (run, unit)
) STRICT, WITHOUT ROWID;

CREATE TABLE problems (
  seq INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  kind TEXT NOT NULL, id TEXT NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL,
  UNIQUE (run, kind, id, code)
) STRICT;

CREATE TABLE facts (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE listings (
  listing INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  kind TEXT NOT NULL, name TEXT NOT NULL,
  -- Only a finished listing is read: half a listing would make the rest look absent.
  finished INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX listings_by_name ON listings (run, kind, name);
CREATE TABLE listing_rows (
  listing INTEGER NOT NULL REFERENCES listings ON DELETE CASCADE,
  id TEXT NOT NULL,
  -- Empty for none. A row seen twice, because pages moved while they were read, is one row.
  cloud_id TEXT NOT NULL,
  size_bytes INTEGER, uploaded INTEGER,
  PRIMARY KEY (listing, id, cloud_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE parts (
  file_uid TEXT PRIMARY KEY,
  size_bytes INTEGER NOT NULL, etag TEXT, part_size_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE parts_done (
  file_uid TEXT NOT NULL REFERENCES parts ON DELETE CASCADE,
  part INTEGER NOT NULL,
  PRIMARY KEY (file_uid, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE base (
  kind TEXT NOT NULL, id TEXT NOT NULL,
  sha256_hex TEXT, cloud_id TEXT, size_bytes INTEGER NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL, run_key TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;

CREATE TABLE lease (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  workflow_id TEXT NOT NULL, since TEXT NOT NULL
) STRICT;
`;

/** Totals are asked for with every progress report: counted from this index alone, they need no look at the items. */
const V2 = `
CREATE INDEX items_by_state ON items (run, kind, state, size_bytes);
`;

/** A cloud dataset is created once by whichever run gets there, and the base is of one cloud dataset. */
const V3 = `
CREATE TABLE dataset_facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

export const MIGRATIONS: readonly string[] = [V1, V2, V3];

/** The version this program writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings a file to this program's version, in one transaction; does nothing to one that is there already.
 * Raises NDI_E_LEDGER_NEWER for a file of a later program, which it leaves as it is.
 */
export function migrate(db: Db, migrations: readonly string[] = MIGRATIONS): void {
  if (versionOf(db) === migrations.length) return;
  db.transaction(() => {
    // Read again under the write lock: another process may just have done it.
    const from = versionOf(db);
    if (from > migrations.length) {
      throw new CourierError('NDI_E_LEDGER_NEWER', {
        detail: `The file is of version ${from}, this program knows ${migrations.length}.`,
      });
    }
    for (const statements of migrations.slice(from)) db.exec(statements);
    db.exec(`PRAGMA user_version = ${migrations.length}`);
  });
}

const versionOf = (db: Db): number => Number(db.get('PRAGMA user_version')?.user_version ?? 0);
