/**
 * Changing a dataset that people use: documents come, change and go in the database that is there, one
 * transaction a batch. Each change says what it expects to find; what has moved meanwhile stays as it is, and
 * the others of its batch are made (compare-and-swap).
 *
 * The rows are those that MATLAB and Python write (`write.ts`, `remove.ts`). The journal mode, the folder and
 * everything else stay as they are. Nothing is created: a folder that is gone is an error.
 */
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CourierError, isCourierError } from '../../errors/index.ts';
import { canonicalHash } from '../document/canonical.ts';
import { parseDocument, stringifyDocument } from '../document/codec.ts';
import { describeDocument } from '../document/describe.ts';
import type { NdiDocument, NdiId } from '../document/types.ts';
import { isSafeName } from '../ids.ts';
import { filesDir } from './layout.ts';
import { toStored } from './read.ts';
import { dropDocuments, usersOf } from './remove.ts';
import { type DatabaseLayout, layoutOf } from './schema.ts';
import { withDatabaseErrors } from './sqlite.ts';
import { openWriteSession, type WriteOptions, type WriteSession } from './write.ts';

/** `expected` is the canonical hash that the document must have now; null: it must not be there. */
export type LiveChange =
  | { readonly kind: 'put'; readonly document: NdiDocument; readonly expected: string | null }
  | { readonly kind: 'remove'; readonly ndiId: NdiId; readonly expected: string };

export interface LiveResult {
  readonly ndiId: NdiId;
  /**
   * `done`: changed now. `already`: it was as the change would have made it. `moved`: it is something else
   * than expected, and was left.
   */
  readonly outcome: 'done' | 'already' | 'moved';
  /** Canonical hash before; null when it was not there, `unreadable` when it could not be read. */
  readonly found: string | null;
}

/** A document that a change is about to overwrite or remove. */
export interface Leaving {
  readonly ndiId: NdiId;
  readonly text: string;
  readonly hash: string;
}

export interface LiveOptions extends Pick<WriteOptions, 'busyTimeoutMs'> {
  /**
   * Called inside the transaction, before anything is written, with the documents that will be overwritten or
   * removed. What it throws undoes the batch.
   */
  readonly onLeaving?: (leaving: readonly Leaving[]) => void;
}

export interface LiveDataset {
  /** Who made the database. The rows are such as both read; times are written in its own unit. */
  readonly layout: DatabaseLayout;
  /**
   * One transaction, on disk when it returns. Results in the order of the changes; a second change of one
   * document sees the first.
   * @throws NDI_E_DATABASE_BUSY after the waiting time, with who holds the lock; NDI_E_DATABASE_REPLACED;
   * NDI_E_DATABASE_CORRUPT; NDI_E_READ_ONLY; NDI_E_DISK_FULL. Then nothing of the batch is there.
   */
  apply(changes: readonly LiveChange[]): LiveResult[];
  /** Names in `.ndi/files` that no document uses since documents were removed. The caller removes them. */
  readonly unusedFiles: ReadonlySet<string>;
  /**
   * Removes those of `names` from `.ndi/files` that no document uses, and returns them. No document can
   * come in between that uses one. Names are uids, or `<docId>_<name>`.
   */
  discardFiles(names: Iterable<string>): string[];
  close(): void;
}

/** How long MATLAB or Python may hold the database before a person must know. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * The database of the dataset in `dir`, to change.
 * @throws NDI_E_NOT_A_DATASET where there is none, NDI_E_DATABASE_CORRUPT, NDI_E_DATABASE_BUSY,
 * NDI_E_READ_ONLY, NDI_E_DISK_FULL
 */
export function openLiveDataset(dir: string, options: LiveOptions = {}): LiveDataset {
  const busyTimeoutMs = options.busyTimeoutMs ?? BUSY_TIMEOUT_MS;
  const session = openWriteSession(dir, { busyTimeoutMs, survivesPowerLoss: true });
  const { database, path } = session;
  const ensureSame = sameFileCheck(path);
  const unusedFiles = new Set<string>();
  const current = contentReader(session);
  const transaction = <T>(work: () => T): T =>
    withDatabaseErrors(path, () =>
      session.transaction(() => {
        ensureSame();
        return work();
      }),
    );
  return {
    layout: layoutOf(database),
    unusedFiles,
    apply: (changes) => {
      const prepared = changes.map(prepare);
      return transaction(() => {
        const { results, effects } = judgeAll(prepared, current);
        const leaving = effects.flatMap(({ found, ndiId }) => leavingOf(ndiId, found) ?? []);
        if (leaving.length > 0) options.onLeaving?.(leaving);
        for (const name of carryOut(session, effects)) unusedFiles.add(name);
        return results;
      });
    },
    discardFiles: (names) => transaction(() => discard(dir, session, names)),
    close: () => withDatabaseErrors(path, () => database.close()),
  };
}

/** SQLite goes on writing to a file that has lost its name to another one: nobody would see it again. */
export function sameFileCheck(path: string): () => void {
  const identity = (): string | undefined => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
  };
  const opened = identity();
  return () => {
    if (identity() !== opened) throw new CourierError('NDI_E_DATABASE_REPLACED', { detail: `${path}.` });
  };
}

function contentReader({ database, branch }: WriteSession): (ndiId: NdiId) => Found {
  const find = database.prepare(
    `SELECT d.doc_id AS id, d.json_code AS text FROM docs d
     JOIN branch_docs b ON b.doc_idx = d.doc_idx AND b.branch_id = ? WHERE d.doc_id = ?`,
  );
  return (ndiId) => {
    const stored = toStored(database, find.get(branch, ndiId));
    return stored === undefined ? ABSENT : foundOf(stored.text);
  };
}

interface Found {
  readonly text: string | undefined;
  readonly hash: string | null;
}

const ABSENT: Found = { text: undefined, hash: null };
const UNREADABLE = 'unreadable';

const foundOf = (text: string): Found => ({ text, hash: versionOf(text) });

/** The canonical hash of a stored text; `unreadable` for one that is no document. */
export function versionOf(text: string): string {
  try {
    return canonicalHash(parseDocument(text));
  } catch (error) {
    if (!isCourierError(error)) throw error;
    return UNREADABLE;
  }
}

interface Prepared {
  readonly ndiId: NdiId;
  readonly expected: string | null;
  /** Absent for a removal. */
  readonly document?: NdiDocument;
  /** Canonical hash afterwards; null for a removal. */
  readonly wanted: string | null;
}

/** Before the transaction: a bad id must not leave half a batch behind. @throws NDI_E_BAD_ID */
function prepare(change: LiveChange): Prepared {
  if (change.kind === 'remove') return { ndiId: change.ndiId, expected: change.expected, wanted: null };
  const { document, expected } = change;
  return { ndiId: describeDocument(document).id, expected, document, wanted: canonicalHash(document) };
}

/** The net change of one document by a batch. */
interface Effect {
  readonly ndiId: NdiId;
  readonly found: Found;
  /** Undefined: it goes. */
  readonly document: NdiDocument | undefined;
}

/** Each change is judged by what the ones before it leave behind. */
function judgeAll(
  changes: readonly Prepared[],
  current: (ndiId: NdiId) => Found,
): { readonly results: LiveResult[]; readonly effects: Effect[] } {
  const hashes = new Map<NdiId, string | null>();
  const effects = new Map<NdiId, Effect>();
  const results = changes.map(({ ndiId, expected, wanted, document }): LiveResult => {
    const found = effects.get(ndiId)?.found ?? current(ndiId);
    const now = hashes.has(ndiId) ? (hashes.get(ndiId) ?? null) : found.hash;
    // The wanted content is there already: an earlier attempt made it.
    if (now === wanted && now !== expected) return { ndiId, outcome: 'already', found: now };
    if (now !== expected) return { ndiId, outcome: 'moved', found: now };
    if (document !== undefined && !effects.has(ndiId) && isSame(found, document))
      return { ndiId, outcome: 'already', found: now };
    hashes.set(ndiId, wanted);
    effects.set(ndiId, { ndiId, found, document });
    return { ndiId, outcome: 'done', found: now };
  });
  return { results, effects: [...effects.values()] };
}

/** To the last member, also those that do not count: a rewrite would only take away its maker's own rows. */
const isSame = ({ text, hash }: Found, document: NdiDocument): boolean =>
  text !== undefined &&
  hash !== UNREADABLE &&
  stringifyDocument(parseDocument(text)) === stringifyDocument(document);

const leavingOf = (ndiId: NdiId, { text, hash }: Found): Leaving | undefined =>
  text === undefined || hash === null ? undefined : { ndiId, text, hash };

/**
 * Rows that go, go first: a binary may pass from one document to another within a batch, and the table
 * allows its uid once. Returns names of binaries that nobody uses any more.
 */
function carryOut(session: WriteSession, effects: readonly Effect[]): string[] {
  const described = (effect: Effect) =>
    effect.document === undefined
      ? []
      : [{ document: effect.document, facts: describeDocument(effect.document) }];
  const isThere = ({ found }: Effect): boolean => found.text !== undefined;
  const removed = effects.filter((effect) => effect.document === undefined && isThere(effect));
  const { names, uids } = dropDocuments(
    session.database,
    session.branch,
    removed.map(({ ndiId }) => ndiId),
  );
  const replaced = effects.filter(isThere);
  const freed = new Set([...uids, ...replaced.flatMap(({ found }) => uidsIn(found.text ?? ''))]);
  session.replace(replaced.flatMap(described));
  for (const item of effects.filter((effect) => !isThere(effect)).flatMap(described)) session.insert(item);
  const users = usersOf(session.database, withoutRow(session, freed));
  for (const { ndiId } of users) completeRows(session, ndiId);
  const used = new Set(users.map(({ uid }) => uid));
  const withRow = session.database.prepare('SELECT 1 FROM files WHERE uid = ?');
  const isUsed = (uid: string): boolean => used.has(uid) || withRow.get(uid) !== undefined;
  return [...names, ...[...uids].filter((uid) => !isUsed(uid))].filter(isSafeName);
}

const uidsIn = (text: string): string[] =>
  text.includes('"file_info"')
    ? [...text.matchAll(/"uid"\s*:\s*"([^"\\]+)"/g)].map(([, uid]) => uid ?? '')
    : [];

function withoutRow({ database }: WriteSession, uids: ReadonlySet<string>): Set<string> {
  const find = database.prepare('SELECT 1 FROM files WHERE uid = ?');
  return new Set([...uids].filter((uid) => find.get(uid) === undefined));
}

/** Another document had the row of a binary that both use: now this one gets it. */
function completeRows(session: WriteSession, ndiId: NdiId): void {
  const { text } = contentReader(session)(ndiId);
  if (text === undefined) return;
  try {
    session.completeFileRows(parseDocument(text));
  } catch (error) {
    if (!isCourierError(error)) throw error;
  }
}

function discard(dir: string, { database }: WriteSession, names: Iterable<string>): string[] {
  const safe = new Set([...names].filter(isSafeName));
  const used = new Set(usersOf(database, safe).map(({ uid }) => uid));
  const hasRow = database.prepare('SELECT 1 FROM files WHERE uid = ?');
  const hasDocument = database.prepare(
    'SELECT 1 FROM docs d JOIN branch_docs b ON b.doc_idx = d.doc_idx WHERE d.doc_id = ?',
  );
  const ownerOf = (name: string): string => name.slice(0, ID_LENGTH);
  return [...safe].filter((name) => {
    const isSecondName = name[ID_LENGTH] === '_';
    if (isSecondName ? hasDocument.get(ownerOf(name)) !== undefined : used.has(name) || hasRow.get(name))
      return false;
    rmSync(join(filesDir(dir), name), { force: true });
    return true;
  });
}

/** Of an NDI id: in a second name, `<docId>_<name>`, an underscore follows. */
const ID_LENGTH = 33;
