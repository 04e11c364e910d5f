/**
 * Writes a dataset directory that MATLAB and Python open (dataset format §2–§6).
 *
 *   createDataset   an empty directory, its database in WAL mode so that two processes may build it
 *   openForWriting  documents in and out, one transaction per call
 *   linkFileNames   the second name of a binary
 *   finishDataset   (finish.ts) turns a built directory into the single quiet file that NDI expects
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { linkOrCopy, placeIfAbsent } from '../../disk/link.ts';
import { CourierError } from '../../errors/index.ts';
import { inTransaction } from '../../sqlite/transaction.ts';
import { stringifyDocument } from '../document/codec.ts';
import { asArray, asObject, asText, describeDocument } from '../document/describe.ts';
import type { DocumentFacts, NdiDocument, NdiId } from '../document/types.ts';
import { datenum, isSafeName } from '../ids.ts';
import { flattenDocument, jsonName } from './flatten.ts';
import {
  BRANCH,
  databasePath,
  documentFilePath,
  filesDir,
  objectTypePath,
  referencePath,
  uidPath,
  uniqueReferencePath,
} from './layout.ts';
import { locateDatabase } from './read.ts';
import { deleteDocuments, dropRowsOf } from './remove.ts';
import { chooseBranch, DDL, layoutOf, missingTables } from './schema.ts';
import { databaseError, withDatabaseErrors } from './sqlite.ts';
import type { DatasetWriter, WriterProblem } from './types.ts';

export interface CreateOptions {
  /** Written to the text files when known; the documents decide in the end. */
  readonly datasetId?: NdiId;
  readonly reference?: string;
  readonly objectType?: 'dataset' | 'session';
}

/**
 * Makes an empty dataset in `dir`. Does nothing to a directory that has a valid database already.
 * @throws NDI_E_DATABASE_CORRUPT, NDI_E_READ_ONLY, NDI_E_DISK_FULL
 */
export function createDataset(dir: string, options: CreateOptions = {}): void {
  withDatabaseErrors(dir, () => {
    mkdirSync(filesDir(dir), { recursive: true });
    if (!existsSync(databasePath(dir))) createDatabase(databasePath(dir));
    else openForWriting(dir).close();
    writeFileSync(objectTypePath(dir), options.objectType ?? 'dataset');
    if (options.datasetId !== undefined) writeFileSync(uniqueReferencePath(dir), options.datasetId);
    if (options.reference !== undefined) writeFileSync(referencePath(dir), options.reference);
  });
}

/** Under another name first: both NDI languages take a file without tables for a broken database. */
function createDatabase(path: string): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const database = new DatabaseSync(temporary);
    try {
      database.exec(DDL);
      database.prepare('INSERT INTO branches VALUES (?, NULL, ?)').run(BRANCH, localDatenum());
      database.exec('PRAGMA journal_mode = WAL');
    } finally {
      database.close();
    }
    placeIfAbsent(temporary, path);
  } finally {
    for (const suffix of ['', '-wal', '-shm']) rmSync(temporary + suffix, { force: true });
  }
}

/** MATLAB's `now`: days of local clock time. */
export const localDatenum = (ms: number = Date.now()): number =>
  datenum(ms - new Date(ms).getTimezoneOffset() * 60_000);

/** Among our own writers, who are quick; waiting blocks the thread, but failing would park the run. */
const BUILD_BUSY_TIMEOUT_MS = 30_000;
/** For a dataset that MATLAB or Python may hold for long: then a person must know. */
const SHARED_BUSY_TIMEOUT_MS = 5_000;

export interface WriteOptions {
  /**
   * Where the directory will lie in the end, when it is built elsewhere: goes into `files.cached_location`.
   */
  readonly finalDir?: string;
  /** How long to wait for another writer. */
  readonly busyTimeoutMs?: number;
  /** Every commit survives a power cut, also where the database has a write-ahead log. Default: no. */
  readonly survivesPowerLoss?: boolean;
}

/**
 * A writer on an existing dataset directory. Its journal mode stays as it is. @throws as `openDataset`,
 * NDI_E_READ_ONLY
 */
export function openForWriting(dir: string, options: WriteOptions = {}): DatasetWriter {
  const session = openWriteSession(dir, options);
  const { database, path, branch } = session;
  const guard = <T>(work: () => T): T => withDatabaseErrors(path, work);
  const present = database.prepare(
    `SELECT 1 FROM docs d JOIN branch_docs b ON b.doc_idx = d.doc_idx AND b.branch_id = ? WHERE d.doc_id = ?`,
  );
  const count = database.prepare('SELECT count(*) AS n FROM branch_docs WHERE branch_id = ?');
  return {
    dir,
    problems: session.problems,
    addDocuments: (documents) => {
      // DescribedDocument before the transaction: a bad id must not leave half a batch behind.
      const described = documents.map((document) => ({ document, facts: describeDocument(document) }));
      return guard(() => session.transaction(() => described.filter(session.insert).length));
    },
    replaceDocuments: (documents) => {
      const described = documents.map((document) => ({ document, facts: describeDocument(document) }));
      return guard(() => session.transaction(() => session.replace(described)));
    },
    hasDocument: (id) => guard(() => present.get(branch, id) !== undefined),
    documentCount: () => guard(() => Number(count.get(branch)?.n ?? 0)),
    removeDocuments: (ids) =>
      guard(() => {
        const orphans = session.transaction(() => deleteDocuments(database, branch, ids));
        for (const name of orphans) rmSync(`${filesDir(dir)}/${name}`, { force: true });
      }),
    close: () => guard(() => database.close()),
  };
}

/** A document with its facts: both are needed, and describing costs as much as writing. */
export interface DescribedDocument {
  readonly document: NdiDocument;
  readonly facts: DocumentFacts;
  /** Stored instead of our own text. */
  readonly text?: string;
}

/**
 * An open database that the functions of this folder write to. Not for other rooms: it shows the database.
 */
export interface WriteSession {
  readonly database: DatabaseSync;
  readonly path: string;
  readonly branch: string;
  readonly problems: WriterProblem[];
  /** One transaction that no other writer can come between; undone when `work` throws. */
  transaction<T>(work: () => T): T;
  /** Inside a transaction. False when the document is present already. */
  insert(item: DescribedDocument): boolean;
  /** Inside a transaction. Returns how many were present, and are replaced. */
  replace(items: readonly DescribedDocument[]): number;
  /** Inside a transaction. Adds the rows of `files` that a present document lacks. */
  completeFileRows(document: NdiDocument): void;
}

export function openWriteSession(dir: string, options: WriteOptions = {}): WriteSession {
  const path = locateDatabase(dir);
  let database: DatabaseSync;
  try {
    if (statSync(path).size === 0) {
      throw new CourierError('NDI_E_DATABASE_CORRUPT', { detail: `${path} is empty.` });
    }
    // Foreign keys are checked by nobody when MATLAB writes; our order of statements keeps them.
    database = new DatabaseSync(path, {
      timeout: options.busyTimeoutMs ?? BUILD_BUSY_TIMEOUT_MS,
      enableForeignKeyConstraints: false,
    });
  } catch (error) {
    throw databaseError(error, path);
  }
  try {
    return withDatabaseErrors(path, () => {
      // 16 MiB: four units write at once, each through a connection of its own.
      database.exec('PRAGMA cache_size = -16384');
      const missing = missingTables(database);
      if (missing.length > 0) {
        throw new CourierError('NDI_E_DATABASE_CORRUPT', { detail: `${path} lacks ${missing.join(', ')}.` });
      }
      // A lost last transaction is written again by whoever builds; WAL keeps the file whole either way.
      if (database.prepare('PRAGMA journal_mode').get()?.journal_mode === 'wal') {
        if (options.survivesPowerLoss !== true) database.exec('PRAGMA synchronous = NORMAL');
      } else if (options.busyTimeoutMs === undefined) {
        database.exec(`PRAGMA busy_timeout = ${SHARED_BUSY_TIMEOUT_MS}`);
      }
      const { branch } = chooseBranch(database);
      return writeSession(database, path, branch, resolve(options.finalDir ?? dir));
    });
  } catch (error) {
    database.close();
    throw error;
  }
}

function writeSession(database: DatabaseSync, path: string, branch: string, finalDir: string): WriteSession {
  const problems: WriterProblem[] = [];
  const statements = prepareStatements(database);
  const timestamp = layoutOf(database) === 'python' ? () => Date.now() / 1000 : localDatenum;
  const fields = fieldTable(statements);
  const fieldId = fields.idOf;
  const transaction = <T>(work: () => T): T => {
    try {
      return inTransaction(database, work);
    } catch (error) {
      fields.forget();
      throw error;
    }
  };
  const insert = ({ document, facts, text }: DescribedDocument): boolean => {
    const now = timestamp();
    const place = placeDocument(statements, branch, facts.id, text ?? stringifyDocument(document), now);
    if (place === undefined) return false;
    if (place.revived) problems.push({ kind: 'revived', documentId: facts.id });
    for (const row of flattenDocument(document, facts)) {
      statements.addValue.run(place.index, fieldId(row.group, row.field), row.value);
    }
    statements.addToBranch.run(branch, place.index, now);
    for (const repeated of addFileRows(statements, place.index, document, finalDir)) {
      problems.push({ kind: 'repeated-uid', documentId: facts.id, ...repeated });
    }
    return true;
  };
  const replace = (items: readonly DescribedDocument[]): number => {
    const now = timestamp();
    const present = items.flatMap((item) => {
      const row = statements.find.get(branch, item.facts.id);
      return row === undefined || Number(row.present) !== 1 ? [] : [{ ...item, index: Number(row.position) }];
    });
    dropRowsOf(
      database,
      present.map(({ index }) => index),
    );
    for (const { document, facts, text, index } of present) {
      statements.replaceText.run(text ?? stringifyDocument(document), now, index);
      for (const row of flattenDocument(document, facts))
        statements.addValue.run(index, fieldId(row.group, row.field), row.value);
      for (const repeated of addFileRows(statements, index, document, finalDir))
        problems.push({ kind: 'repeated-uid', documentId: facts.id, ...repeated });
    }
    return present.length;
  };
  const completeFileRows = (document: NdiDocument): void => {
    const row = statements.find.get(branch, describeDocument(document).id);
    if (row !== undefined) addFileRows(statements, Number(row.position), document, finalDir);
  };
  return { database, path, branch, problems, transaction, insert, replace, completeFileRows };
}

/** Ids of fields, made when they are first needed. `forget`: those made in a transaction are gone with it. */
function fieldTable(statements: Statements) {
  const known = new Map<string, number>();
  const idOf = (group: string, field: string): number => {
    const before = known.get(field);
    if (before !== undefined) return before;
    statements.addField.run(group, field, jsonName(field));
    const id = Number(statements.fieldId.get(field)?.id);
    known.set(field, id);
    return id;
  };
  return { idOf, forget: () => known.clear() };
}

type Statements = ReturnType<typeof prepareStatements>;

function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql);
  return {
    addBranch: prepare('INSERT OR IGNORE INTO branches VALUES (?, NULL, ?)'),
    find: prepare(
      `SELECT d.doc_idx AS position, (SELECT count(*) FROM branch_docs b WHERE b.doc_idx = d.doc_idx) AS branches,
         EXISTS (SELECT 1 FROM branch_docs b WHERE b.doc_idx = d.doc_idx AND b.branch_id = ?) AS present
       FROM docs d WHERE d.doc_id = ?`,
    ),
    addDocument: prepare('INSERT INTO docs (doc_id, json_code, timestamp) VALUES (?, ?, ?)'),
    replaceText: prepare('UPDATE docs SET json_code = ?, timestamp = ? WHERE doc_idx = ?'),
    dropValues: prepare('DELETE FROM doc_data WHERE doc_idx = ?'),
    dropFiles: prepare('DELETE FROM files WHERE doc_idx = ?'),
    addToBranch: prepare('INSERT INTO branch_docs (branch_id, doc_idx, timestamp) VALUES (?, ?, ?)'),
    addField: prepare('INSERT OR IGNORE INTO fields (class, field_name, json_name) VALUES (?, ?, ?)'),
    fieldId: prepare('SELECT field_idx AS id FROM fields WHERE field_name = ?'),
    addValue: prepare('INSERT INTO doc_data (doc_idx, field_idx, value) VALUES (?, ?, ?)'),
    addFile: prepare(
      `INSERT OR IGNORE INTO files (doc_idx, filename, uid, orig_location, cached_location, type, parameters)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
  };
}

/**
 * The row of a new document. A document whose row survived MATLAB's delete gets the new text: both NDI
 * languages would bring back the old one (dataset format §2 "Delete").
 */
function placeDocument(
  statements: Statements,
  branch: string,
  id: NdiId,
  text: string,
  now: number,
): { readonly index: number; readonly revived: boolean } | undefined {
  const row = statements.find.get(branch, id);
  if (row === undefined) {
    statements.addBranch.run(branch, now);
    return { index: Number(statements.addDocument.run(id, text, now).lastInsertRowid), revived: false };
  }
  if (Number(row.present) === 1) return undefined;
  const index = Number(row.position);
  statements.replaceText.run(text, now, index);
  statements.dropValues.run(index);
  statements.dropFiles.run(index);
  return { index, revived: true };
}

/** One row per location. Returns the uids that another row has already. */
function addFileRows(
  statements: Statements,
  index: number,
  document: NdiDocument,
  finalDir: string,
): { readonly name: string; readonly uid: string }[] {
  const repeated: { name: string; uid: string }[] = [];
  for (const entry of asArray(asObject(document.files).file_info)) {
    const name = asText(asObject(entry).name);
    for (const value of asArray(asObject(entry).locations)) {
      const location = asObject(value);
      const uid = asText(location.uid);
      if (uid === '') continue;
      const type = asText(location.location_type) || 'file';
      const cached = type === 'file' ? uidPath(finalDir, uid) : '';
      const parameters = asText(location.parameters) || null;
      const added = statements.addFile.run(
        index,
        name,
        uid,
        asText(location.location),
        cached,
        type,
        parameters,
      );
      if (Number(added.changes) === 0) repeated.push({ name, uid });
    }
  }
  return repeated;
}

/**
 * Gives the binary `files/<uid>` its second name `files/<docId>_<name>`, for older Python: a hard link, or a
 * copy where the file system has none. Idempotent; replaces a second name that leads elsewhere. A name that
 * cannot be a file name here is left out: every reader finds the binary by its uid.
 * @throws NDI_E_FILE_MISSING, NDI_E_BAD_ID for the uid, NDI_E_DISK_FULL
 */
export function linkFileNames(dir: string, documentId: NdiId, name: string, uid: string): void {
  const source = uidPath(dir, uid);
  if (!isSafeName(`${documentId}_${name}`)) return;
  const target = documentFilePath(dir, documentId, name);
  withDatabaseErrors(target, () => {
    const from = statSync(source, { throwIfNoEntry: false });
    if (from === undefined) throw new CourierError('NDI_E_FILE_MISSING', { detail: source });
    const to = ifNamed(target);
    if (to !== undefined && to.ino === from.ino && to.dev === from.dev) return;
    const temporary = `${filesDir(dir)}/.${randomBytes(8).toString('hex')}.partial`;
    try {
      linkOrCopy(source, temporary);
      renameSync(temporary, target);
    } catch (error) {
      if (!isRefusedName(error)) throw error;
    } finally {
      rmSync(temporary, { force: true });
    }
  });
}

function ifNamed(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (isRefusedName(error)) return undefined;
    throw error;
  }
}

/** Encrypted folders take 143 bytes, Windows no colon. The temporary name beside it was taken. */
const isRefusedName = (error: unknown): boolean =>
  ['ENAMETOOLONG', 'EINVAL', 'EILSEQ'].includes((error as NodeJS.ErrnoException).code ?? '');
