/**
 * The tables of a ledger, and how an older file becomes a newer one.
 *
 * A migration, once released, never changes (see sqlite/migrate.ts).
 *
 *   runs           one row per run: its plan's state and who builds it
 *   items, units   the plan: what moves, and together with what
 *   problems       what is wrong with no item, or with more than its state says
 *   facts          small things that must be on disk before the world is touched
 *   dataset_facts  the same of the dataset itself: they outlive runs
 *   listings, listing_rows   what the other side lists
 *   parts, parts_done        what a ranged download has on disk
 *   base           per item, what was seen of each side, when and how; outlives runs
 *   differences    items that differ between both sides, as a run found them
 *   tombstones     items that one side has deleted; outlive runs
 *   observations   what a sync saw of each side
 *   decisions      the plan of a sync, per item
 *   bodies, base_bodies   texts of documents: about to be written; as both sides agreed on them
 *   conflicts      items that both sides changed, and what a person decided of them; outlive runs
 *   audit          what was done when; outlives runs
 *   lease          at most one row: the run that may write this dataset, until when, and its fence
 */
import type { DbOptions } from '../sqlite/db.ts';

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

/**
 * Totals are asked for with every progress report: counted from this index alone, they need no look at the
 * items.
 */
const V2 = `
CREATE INDEX items_by_state ON items (run, kind, state, size_bytes);
`;

/** A cloud dataset is created once by whichever run gets there, and the base is of one cloud dataset. */
const V3 = `
CREATE TABLE dataset_facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

/**
 * The base says of each side what was seen, when and how. Rows written before this version only prove that
 * both sides had the item. Kinds and states are no longer checked by the database, which cannot alter a
 * check; the types of this room hold them.
 */
const V4 = `
CREATE TABLE items_v4 (
  seq INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  kind TEXT NOT NULL, id TEXT NOT NULL, unit INTEGER,
  -- 'add', 'replace', 'remove' or 'none': what the run does to the other side.
  action TEXT NOT NULL DEFAULT 'add',
  state TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  -- Of the local side: canonical hash of a document; of a file when known.
  sha256_hex TEXT, md5_hex TEXT,
  -- SHA-256 of a document's stored text; of a file its modification time and inode. Equal: nothing changed since.
  text_hash TEXT, mtime_ms REAL, inode TEXT,
  cloud_id TEXT,
  -- Of the cloud's side, and how it was seen.
  cloud_hash TEXT, cloud_md5_hex TEXT, cloud_how TEXT,
  -- Hash that the cloud's item must still have when it is replaced or removed.
  expected_hash TEXT,
  document_id TEXT, name TEXT, path TEXT,
  error_code TEXT, error_detail TEXT
) STRICT;
INSERT INTO items_v4 (seq, run, kind, id, unit, action, state, size_bytes, sha256_hex, md5_hex, cloud_id, document_id, name,
  path, error_code, error_detail)
SELECT seq, run, kind, id, unit, iif(state = 'skipped', 'none', 'add'), state, size_bytes, sha256_hex, md5_hex, cloud_id,
  document_id, name, path, error_code, error_detail FROM items;
DROP TABLE items;
ALTER TABLE items_v4 RENAME TO items;
CREATE UNIQUE INDEX items_by_id ON items (run, kind, id);
CREATE INDEX items_by_unit ON items (run, unit);
CREATE INDEX items_by_state ON items (run, kind, state, size_bytes);

CREATE TABLE units_v4 (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  unit INTEGER NOT NULL,
  kind TEXT NOT NULL, wave INTEGER NOT NULL, item_count INTEGER NOT NULL, size_bytes INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending',
  job_id TEXT,
  PRIMARY KEY (run, unit)
) STRICT, WITHOUT ROWID;
INSERT INTO units_v4 SELECT run, unit, kind, wave, item_count, size_bytes, state, job_id FROM units;
DROP TABLE units;
ALTER TABLE units_v4 RENAME TO units;

CREATE TABLE base_v4 (
  kind TEXT NOT NULL, id TEXT NOT NULL, cloud_id TEXT,
  document_id TEXT, name TEXT,
  local_hash TEXT, local_md5_hex TEXT, local_size_bytes INTEGER, local_text_hash TEXT, local_mtime_ms REAL, local_inode TEXT,
  local_how TEXT, local_seen_at TEXT,
  cloud_hash TEXT, cloud_md5_hex TEXT, cloud_size_bytes INTEGER, cloud_how TEXT, cloud_seen_at TEXT,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
INSERT INTO base_v4 (kind, id, cloud_id, local_hash, local_size_bytes, local_how, cloud_size_bytes, cloud_how)
SELECT kind, id, cloud_id, sha256_hex, size_bytes, 'assumed', size_bytes, 'assumed' FROM base;
DROP TABLE base;
ALTER TABLE base_v4 RENAME TO base;

-- Items that differ between both sides and that a run found; new and equal ones are in its items.
CREATE TABLE differences (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  kind TEXT NOT NULL, what TEXT NOT NULL, id TEXT NOT NULL, name TEXT,
  PRIMARY KEY (run, kind, what, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tombstones (
  kind TEXT NOT NULL, id TEXT NOT NULL,
  -- The side that deleted it, 'local' or 'cloud', and the hash that it had there.
  side TEXT NOT NULL, last_hash TEXT,
  at TEXT NOT NULL, run_key TEXT NOT NULL,
  PRIMARY KEY (kind, id, side)
) STRICT, WITHOUT ROWID;

CREATE TABLE conflicts (
  conflict TEXT PRIMARY KEY,
  kind TEXT NOT NULL, id TEXT NOT NULL,
  base_hash TEXT, local_hash TEXT, cloud_hash TEXT, cloud_id TEXT,
  found_at TEXT NOT NULL, run_key TEXT NOT NULL,
  decision TEXT, decided_at TEXT, decided_by TEXT
) STRICT, WITHOUT ROWID;

ALTER TABLE runs ADD COLUMN direction TEXT;
ALTER TABLE runs ADD COLUMN keep TEXT;
UPDATE runs SET direction = CASE operation WHEN 'upload' THEN 'up' WHEN 'download' THEN 'down' END;
UPDATE runs SET keep = 'made the folder' WHERE run_key IN (SELECT value FROM dataset_facts WHERE key = 'built by');

CREATE TABLE lease_v4 (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  workflow_id TEXT NOT NULL,
  -- Run key of the holder: the same across retries and continue-as-new, another one for another run of the same id.
  run_key TEXT NOT NULL,
  -- Which service holds it, for people.
  holder TEXT NOT NULL,
  since TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  -- Grows with every new holder.
  fence INTEGER NOT NULL
) STRICT;
INSERT INTO lease_v4 SELECT one, workflow_id, '', '', since, 0, 1 FROM lease;
DROP TABLE lease;
ALTER TABLE lease_v4 RENAME TO lease;
`;

/**
 * What a sync needs. `agreed_version` is the content on which both sides agreed: the canonical hash of a
 * document, `md5:…` or `size:…` of a file. Rows of version 4 prove it where the local side was read.
 * The table of conflicts had no rows before.
 */
const V5 = `
ALTER TABLE base ADD COLUMN agreed_version TEXT;
UPDATE base SET agreed_version = iif(kind = 'document', iif(local_how = 'read', local_hash, NULL),
  coalesce('md5:' || local_md5_hex, 'size:' || local_size_bytes));

CREATE TABLE observations (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  side TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
  -- Null: under the cloud id of the base, and not read.
  version TEXT,
  content_key TEXT, class_name TEXT, name TEXT,
  -- 'link' or 'unreadable': no sync moves it.
  aside TEXT,
  cloud_id TEXT, size_bytes INTEGER, text_hash TEXT, mtime_ms REAL, inode TEXT, document_id TEXT, path TEXT,
  PRIMARY KEY (run, side, kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE decisions (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  kind TEXT NOT NULL, id TEXT NOT NULL,
  action TEXT NOT NULL, reason TEXT NOT NULL,
  local_version TEXT, cloud_version TEXT, base_version TEXT, content_key TEXT, cloud_id TEXT, name TEXT,
  -- Waits for an approval.
  is_held INTEGER NOT NULL,
  -- 'open', 'done', 'moved' or 'failed'.
  state TEXT NOT NULL,
  PRIMARY KEY (run, kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX decisions_by_action ON decisions (run, kind, action, id);

-- Texts of documents that a run is about to write, compressed.
CREATE TABLE bodies (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  id TEXT NOT NULL, version TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;

-- Texts of documents as both sides agreed on them, compressed: what a merge by field starts from.
CREATE TABLE base_bodies (
  id TEXT PRIMARY KEY, version TEXT NOT NULL, body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

DROP TABLE conflicts;
CREATE TABLE conflicts (
  conflict TEXT PRIMARY KEY,
  kind TEXT NOT NULL, id TEXT NOT NULL,
  -- 'edit-edit', 'edit-delete', 'delete-edit' or 'two-places'.
  what TEXT NOT NULL,
  class_name TEXT, name TEXT,
  base_version TEXT, local_version TEXT, cloud_version TEXT, cloud_id TEXT,
  found_at TEXT NOT NULL, run_key TEXT NOT NULL,
  -- 'local', 'cloud', 'both' or 'merged'; it holds for the versions of this row only.
  decision TEXT, decided_at TEXT, decided_by TEXT,
  settled_at TEXT, settled_run TEXT
) STRICT, WITHOUT ROWID;
`;

export const MIGRATIONS: readonly string[] = [V1, V2, V3, V4, V5];

/** The version this program writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * How a ledger is opened: an intent must be on disk before the world is touched, and a power cut is no
 * excuse.
 */
export const LEDGER_DB = {
  codes: {
    busy: 'NDI_E_LEDGER_BUSY',
    corrupt: 'NDI_E_LEDGER',
    cannotOpen: 'NDI_E_LEDGER',
    newer: 'NDI_E_LEDGER_NEWER',
  },
  durability: 'power-loss',
} as const satisfies DbOptions;
