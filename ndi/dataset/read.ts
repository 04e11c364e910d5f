/**
 * Reads a dataset directory and never modifies it (`snapshot.ts` says how). One page of documents is in
 * memory at a time; between pages no lock is held, so a writer is never kept waiting by a long transfer.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { CourierError, isCourierError } from '../../errors/index.ts';
import { decodeText, mayHaveLostBytes } from '../document/text.ts';
import { resolveFiles, type UidsOf } from './files.ts';
import { BOOKKEEPING_CLASSES, type Bookkeeping, identityOf, readBookkeeping } from './identity.ts';
import { DATABASE_NAME, databasePath, ndiDir } from './layout.ts';
import { chooseBranch, hasTable, missingTables } from './schema.ts';
import { openSnapshot, type Snapshot, type SnapshotOptions } from './snapshot.ts';
import { withDatabaseErrors } from './sqlite.ts';
import type { DatasetIdentity, DatasetReader, StoredDocument } from './types.ts';

const PAGE_DOCUMENTS = 200;
const PAGE_IDS = 5_000;

export interface OpenOptions extends SnapshotOptions {
  /** Read a dataset whose own id the documents do not give; `identity.datasetId` is then empty. */
  readonly allowAmbiguousId?: boolean;
}

interface OpenDatabase extends Snapshot {
  readonly path: string;
  readonly branch: string;
  readonly documents: number;
}

/**
 * The dataset in `dir`, to read.
 * @throws NDI_E_NOT_A_DATASET, NDI_E_DATABASE_CORRUPT, NDI_E_DATABASE_BUSY, NDI_E_AMBIGUOUS_DATASET_ID
 */
export function openDataset(dir: string, options: OpenOptions = {}): DatasetReader {
  const opened = openBest(dir, options);
  const { database, path, branch } = opened;
  const guard = <T>(work: () => T): T => withDatabaseErrors(path, work);
  try {
    const bookkeeping = guard(() => bookkeepingOf(opened));
    const identity = identify(dir, bookkeeping, options.allowAmbiguousId === true);
    const one = database.prepare(
      `SELECT d.doc_id AS id, d.json_code AS text FROM docs d
       JOIN branch_docs b ON b.doc_idx = d.doc_idx AND b.branch_id = ? WHERE d.doc_id = ?`,
    );
    const present = database.prepare(
      `SELECT 1 FROM docs d JOIN branch_docs b ON b.doc_idx = d.doc_idx AND b.branch_id = ? WHERE d.doc_id = ?`,
    );
    const count = database.prepare('SELECT count(*) AS n FROM branch_docs WHERE branch_id = ?');
    const uidsOf = fileRows(database);
    return {
      dir,
      identity,
      readFromCopy: opened.isCopy,
      documentCount: () => guard(() => Number(count.get(branch)?.n ?? 0)),
      documents: () => storedDocuments(database, branch, path),
      document: (id) => guard(() => toStored(database, one.get(branch, id))),
      hasDocument: (id) => guard(() => present.get(branch, id) !== undefined),
      documentIds: () => storedIds(database, branch, path),
      files: (facts) => guard(() => resolveFiles(dir, facts, uidsOf)),
      close: () => opened.close(),
    };
  } catch (error) {
    opened.close();
    throw error;
  }
}

/**
 * A run opens its dataset for every unit, and finding the bookkeeping reads all text (0.3 s per 80,000
 * documents): what was found is kept for as long as the file does not change.
 */
const known = new Map<string, { readonly version: string; readonly bookkeeping: Bookkeeping }>();
const MAX_KNOWN = 16;

function bookkeepingOf({ database, branch, path, version }: OpenDatabase): Bookkeeping {
  const before = known.get(path);
  if (version !== undefined && before?.version === version) return before.bookkeeping;
  // The version was read before the documents: if a writer came in between, it will never be seen again.
  const bookkeeping = readBookkeeping(bookkeepingCandidates(database, branch));
  known.delete(path);
  if (version === undefined) return bookkeeping;
  if (known.size >= MAX_KNOWN) known.delete(known.keys().next().value ?? '');
  known.set(path, { version, bookkeeping });
  return bookkeeping;
}

function identify(dir: string, bookkeeping: Bookkeeping, allowAmbiguous: boolean): DatasetIdentity {
  try {
    return identityOf(dir, bookkeeping);
  } catch (error) {
    if (!allowAmbiguous || !isCourierError(error, 'NDI_E_AMBIGUOUS_DATASET_ID')) throw error;
    return { datasetId: '', reference: '', remotes: bookkeeping.remotes, sessions: [] };
  }
}

/**
 * The database with the documents: nearly always the one with the usual name. Another is looked at only when
 * that one is absent or empty (dataset format §1, last paragraph); a damaged one is never replaced by what
 * may be an old backup.
 */
function openBest(dir: string, options: OpenOptions): OpenDatabase {
  const [first, ...others] = databaseCandidates(dir);
  let best = openDatabase(first!, options);
  for (const path of best.documents > 0 ? [] : others) {
    let other: OpenDatabase;
    try {
      other = openDatabase(path, options);
    } catch {
      continue;
    }
    const [keep, drop] = other.documents > best.documents ? [other, best] : [best, other];
    drop.close();
    best = keep;
  }
  return best;
}

/** The path of the database that `openDataset` would read. @throws as `openDataset` */
export function locateDatabase(dir: string): string {
  const candidates = databaseCandidates(dir);
  if (candidates.length === 1) return candidates[0]!;
  const { path, close } = openBest(dir, {});
  close();
  return path;
}

function openDatabase(path: string, options: OpenOptions): OpenDatabase {
  const snapshot = openSnapshot(path, options);
  try {
    return withDatabaseErrors(path, () => {
      const missing = missingTables(snapshot.database);
      if (missing.length > 0) {
        throw new CourierError('NDI_E_DATABASE_CORRUPT', {
          detail: `${path} lacks the tables ${missing.join(', ')}.`,
        });
      }
      return { ...snapshot, path, ...chooseBranch(snapshot.database) };
    });
  } catch (error) {
    snapshot.close();
    throw error;
  }
}

/**
 * Paths of files that may be the document database, the usual name first.
 * @throws NDI_E_NOT_A_DATASET when there is no `.ndi` or nothing in it could be one.
 */
export function databaseCandidates(dir: string): string[] {
  const notADataset = (why: string): CourierError =>
    new CourierError('NDI_E_NOT_A_DATASET', { detail: `${dir}: ${why}.` });
  if (statSync(ndiDir(dir), { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw notADataset('there is no folder .ndi in it');
  }
  const others = readdirSync(ndiDir(dir))
    .filter((name) => /\.(?:sqlite3?|db)$/i.test(name) && name !== DATABASE_NAME)
    .sort()
    .map((name) => join(ndiDir(dir), name));
  const usual = databasePath(dir);
  const paths = statSync(usual, { throwIfNoEntry: false })?.isFile() === true ? [usual, ...others] : others;
  if (paths.length === 0) throw notADataset(`.ndi holds no ${DATABASE_NAME}`);
  return paths;
}

/**
 * Documents that hold the name of a bookkeeping class in quotes; a scan of text, far cheaper than parsing.
 */
export function* bookkeepingCandidates(database: DatabaseSync, branch: string): Generator<StoredDocument> {
  const holds = BOOKKEEPING_CLASSES.map((name) => `instr(d.json_code, '"${name}"') > 0`).join(' OR ');
  const rows = database
    .prepare(
      `SELECT d.doc_id AS id, d.json_code AS text FROM branch_docs b JOIN docs d ON d.doc_idx = b.doc_idx
       WHERE b.branch_id = ? AND (${holds}) ORDER BY b.doc_idx`,
    )
    .iterate(branch);
  for (const row of rows) {
    const stored = toStored(database, row);
    if (stored !== undefined) yield stored;
  }
}

function* storedDocuments(database: DatabaseSync, branch: string, path: string): Generator<StoredDocument> {
  const page = database.prepare(
    `SELECT b.doc_idx AS position, d.doc_id AS id, d.json_code AS text
     FROM branch_docs b JOIN docs d ON d.doc_idx = b.doc_idx
     WHERE b.branch_id = ? AND b.doc_idx > ? ORDER BY b.doc_idx LIMIT ${PAGE_DOCUMENTS}`,
  );
  for (let position = -1; ; ) {
    const rows = withDatabaseErrors(path, () => page.all(branch, position));
    if (rows.length === 0) return;
    position = Number(rows.at(-1)?.position);
    for (const row of rows) {
      const stored = toStored(database, row);
      if (stored !== undefined) yield stored;
    }
  }
}

function* storedIds(database: DatabaseSync, branch: string, path: string): Generator<string> {
  const page = database.prepare(
    `SELECT b.doc_idx AS position, d.doc_id AS id FROM branch_docs b JOIN docs d ON d.doc_idx = b.doc_idx
     WHERE b.branch_id = ? AND b.doc_idx > ? ORDER BY b.doc_idx LIMIT ${PAGE_IDS}`,
  );
  for (let position = -1; ; ) {
    const rows = withDatabaseErrors(path, () => page.all(branch, position));
    if (rows.length === 0) return;
    position = Number(rows.at(-1)?.position);
    for (const row of rows) yield String(row.id);
  }
}

/**
 * Text may be stored as a BLOB; a document without text is yielded as empty text, for the caller to report.
 * SQLite hands out text that is no UTF-8 with U+FFFD in it: that text is read once more as bytes.
 */
export function toStored(
  database: DatabaseSync,
  row: Record<string, unknown> | undefined,
): StoredDocument | undefined {
  if (row === undefined) return undefined;
  const id = String(row.id);
  if (row.text instanceof Uint8Array) return { id, text: decodeText(row.text) };
  const text = String(row.text ?? '');
  return { id, text: mayHaveLostBytes(text) ? textOfBytes(database, id, text) : text };
}

function textOfBytes(database: DatabaseSync, id: string, text: string): string {
  // In UTF-16 nothing can be lost on the way to UTF-8.
  if (database.prepare('PRAGMA encoding').get()?.encoding !== 'UTF-8') return text;
  const row = database.prepare('SELECT CAST(json_code AS BLOB) AS bytes FROM docs WHERE doc_id = ?').get(id);
  return row?.bytes instanceof Uint8Array ? decodeText(row.bytes) : text;
}

function fileRows(database: DatabaseSync): UidsOf {
  if (!hasTable(database, 'files')) return () => [];
  const select = database.prepare(
    `SELECT f.uid AS uid FROM files f JOIN docs d ON d.doc_idx = f.doc_idx
     WHERE d.doc_id = ? AND f.filename = ? ORDER BY f.rowid`,
  );
  return (documentId, name) => select.all(documentId, name).map((row) => String(row.uid));
}
