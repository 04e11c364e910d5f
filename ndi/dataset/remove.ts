/**
 * Removal of documents in the order of dataset format §2: branch, files, values, documents; binaries by the
 * caller, last.
 */
import type { DatabaseSync } from 'node:sqlite';
import { parseDocument } from '../document/codec.ts';
import { describeDocument } from '../document/describe.ts';
import type { NdiId } from '../document/types.ts';
import { isSafeName } from '../ids.ts';

/**
 * Inside a transaction: removes the values and file rows of documents, by position. One pass for the whole
 * batch.
 */
export function dropRowsOf(database: DatabaseSync, positions: readonly number[]): void {
  if (positions.length === 0) return;
  database.exec('CREATE TEMP TABLE IF NOT EXISTS doomed (doc_idx INTEGER PRIMARY KEY)');
  database.exec('DELETE FROM temp.doomed');
  const doom = database.prepare('INSERT OR IGNORE INTO temp.doomed VALUES (?)');
  for (const position of positions) doom.run(position);
  for (const table of ['files', 'doc_data'])
    database.exec(`DELETE FROM ${table} WHERE doc_idx IN (SELECT doc_idx FROM temp.doomed)`);
}

/** Names that the binaries of removed documents may have in `.ndi/files`. */
export interface BinaryNames {
  /** `<docId>_<name>`: of one document alone. */
  readonly names: Set<string>;
  /** A uid may be that of other documents as well. */
  readonly uids: Set<string>;
}

/**
 * Inside a transaction: removes the documents from `branch`, and all of their rows unless another branch has
 * them. Returns the names in `.ndi/files` that no remaining document uses.
 */
export function deleteDocuments(database: DatabaseSync, branch: string, ids: readonly NdiId[]): string[] {
  const { names, uids } = dropDocuments(database, branch, ids);
  for (const { uid } of usersOf(database, uids)) uids.delete(uid);
  return [...names, ...uids].filter(isSafeName);
}

/** As `deleteDocuments`; whether others use the binaries is the caller's question (`usersOf`). */
export function dropDocuments(database: DatabaseSync, branch: string, ids: readonly NdiId[]): BinaryNames {
  const names = new Set<string>();
  const uids = new Set<string>();
  if (ids.length === 0) return { names, uids };
  database.exec('CREATE TEMP TABLE IF NOT EXISTS doomed (doc_idx INTEGER PRIMARY KEY)');
  database.exec('DELETE FROM temp.doomed');
  const find = database.prepare(
    'SELECT doc_idx AS position, CAST(json_code AS TEXT) AS text FROM docs WHERE doc_id = ?',
  );
  const leave = database.prepare('DELETE FROM branch_docs WHERE branch_id = ? AND doc_idx = ?');
  const used = database.prepare('SELECT 1 FROM branch_docs WHERE doc_idx = ?');
  const doom = database.prepare('INSERT OR IGNORE INTO temp.doomed VALUES (?)');
  for (const id of ids) {
    const row = find.get(id);
    if (row === undefined) continue;
    const position = Number(row.position);
    leave.run(branch, position);
    if (used.get(position) !== undefined) continue;
    doom.run(position);
    collectNames(id, String(row.text ?? ''), names, uids);
  }
  const rows = database.prepare(
    'SELECT f.uid AS uid FROM files f JOIN temp.doomed ON temp.doomed.doc_idx = f.doc_idx',
  );
  for (const { uid } of rows.all()) uids.add(String(uid));
  // No index leads from a document to its values: one pass for the whole batch.
  for (const table of ['files', 'doc_data', 'docs']) {
    database.exec(`DELETE FROM ${table} WHERE doc_idx IN (SELECT doc_idx FROM temp.doomed)`);
  }
  return { names, uids };
}

function collectNames(id: NdiId, text: string, names: Set<string>, uids: Set<string>): void {
  try {
    for (const file of describeDocument(parseDocument(text)).files) {
      names.add(`${id}_${file.name}`);
      for (const { uid } of file.locations) if (uid !== '') uids.add(uid);
    }
  } catch {
    // A document that cannot be read names no binaries; its rows still can.
  }
}

export interface UidUser {
  readonly uid: string;
  readonly ndiId: NdiId;
}

/**
 * Documents, of any branch, that name one of `uids`. Two may share one though the `files` table allows it
 * once, so their text decides. Reads the text of all documents that have files.
 */
export function usersOf(database: DatabaseSync, uids: ReadonlySet<string>): UidUser[] {
  if (uids.size === 0) return [];
  const rows = database
    .prepare(`SELECT doc_id AS id, CAST(json_code AS TEXT) AS text FROM docs
       WHERE instr(CAST(json_code AS TEXT), '"file_info"') > 0`)
    .iterate();
  const users: UidUser[] = [];
  for (const row of rows) {
    for (const [, uid] of String(row.text).matchAll(/"uid"\s*:\s*"([^"\\]+)"/g)) {
      if (uid !== undefined && uids.has(uid)) users.push({ uid, ndiId: String(row.id) });
    }
  }
  return users;
}
