/**
 * The tables of the document database (dataset format §2), with MATLAB's types and MATLAB's indices.
 * There is no version mark in these files: a database is ours when the tables are there.
 */
import type { DatabaseSync } from 'node:sqlite';
import { BRANCH } from './layout.ts';

/** What MATLAB checks on open; `files` is missing in no known directory, but MATLAB does not ask for it. */
const REQUIRED_TABLES = ['branches', 'docs', 'branch_docs', 'fields', 'doc_data'] as const;

export const DDL = `
CREATE TABLE branches (
  branch_id TEXT NOT NULL UNIQUE, parent_id TEXT, timestamp NUMERIC,
  FOREIGN KEY(parent_id) REFERENCES branches(branch_id), PRIMARY KEY(branch_id));
CREATE TABLE docs (
  doc_id TEXT NOT NULL UNIQUE, doc_idx INTEGER NOT NULL UNIQUE, json_code TEXT, timestamp NUMERIC,
  PRIMARY KEY(doc_idx AUTOINCREMENT));
CREATE TABLE branch_docs (
  branch_id TEXT NOT NULL, doc_idx INTEGER NOT NULL, timestamp NUMERIC,
  FOREIGN KEY(branch_id) REFERENCES branches(branch_id), FOREIGN KEY(doc_idx) REFERENCES docs(doc_idx),
  PRIMARY KEY(branch_id, doc_idx));
CREATE TABLE fields (
  class TEXT NOT NULL, field_name TEXT NOT NULL UNIQUE, json_name TEXT NOT NULL,
  field_idx INTEGER NOT NULL UNIQUE DEFAULT 1, PRIMARY KEY(field_idx AUTOINCREMENT));
CREATE TABLE doc_data (
  doc_idx INTEGER NOT NULL, field_idx INTEGER NOT NULL, value,
  FOREIGN KEY(doc_idx) REFERENCES docs(doc_idx), FOREIGN KEY(field_idx) REFERENCES fields(field_idx));
CREATE TABLE files (
  doc_idx INTEGER NOT NULL, filename TEXT NOT NULL, uid TEXT NOT NULL UNIQUE, orig_location TEXT NOT NULL,
  cached_location TEXT, type TEXT NOT NULL, parameters TEXT,
  FOREIGN KEY(doc_idx) REFERENCES docs(doc_idx), PRIMARY KEY(doc_idx, filename, uid));
CREATE INDEX docs_doc_id ON docs(doc_id);
CREATE INDEX fields_field_name ON fields(field_name);
`;

/**
 * The costly one, made when a directory is finished: sorted once instead of 16 random inserts per document.
 */
export const VALUE_INDEX = 'CREATE INDEX IF NOT EXISTS doc_data_value ON doc_data(value)';

export type DatabaseLayout = 'matlab' | 'python';

/** Who made the tables: Python declares its times REAL, MATLAB NUMERIC. They count in different units. */
export function layoutOf(database: DatabaseSync): DatabaseLayout {
  const column = database
    .prepare(`SELECT type FROM pragma_table_info('docs') WHERE name = 'timestamp'`)
    .get();
  return String(column?.type).toUpperCase() === 'REAL' ? 'python' : 'matlab';
}

/** The required tables that are not there; empty for a valid database. */
export function missingTables(database: DatabaseSync): string[] {
  const found = new Set(
    database
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
      .all()
      .map((row) => String(row.name)),
  );
  return REQUIRED_TABLES.filter((table) => !found.has(table));
}

export const hasTable = (database: DatabaseSync, name: string): boolean =>
  database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(name) !== undefined;

/**
 * Branch `a`, unless it is empty and another has documents: one writer calls it `main` (dataset format §1).
 */
export function chooseBranch(database: DatabaseSync): {
  readonly branch: string;
  readonly documents: number;
} {
  const rows = database
    .prepare(
      'SELECT branch_id, count(*) AS documents FROM branch_docs GROUP BY branch_id ORDER BY documents DESC, branch_id',
    )
    .all()
    .map((row) => ({ branch: String(row.branch_id), documents: Number(row.documents) }));
  return rows.find((row) => row.branch === BRANCH) ?? rows[0] ?? { branch: BRANCH, documents: 0 };
}
