/**
 * Changing a dataset that people use: documents come, change and go in the database that is there, one
 * transaction a batch. Each change says what it expects to find; what has moved meanwhile stays as it is, and
 * the others of its batch are made (compare-and-swap).
 *
 * The rows are those that MATLAB and Python write (`write.ts`, `remove.ts`). The journal mode, the folder and
 * everything else stay as they are. Nothing is created: a folder that is gone is an error.
 */
import { isCourierError } from '../../errors/index.ts';
import { canonicalHash } from '../document/canonical.ts';
import { parseDocument } from '../document/codec.ts';
import { describeDocument } from '../document/describe.ts';
import type { NdiDocument, NdiId } from '../document/types.ts';
import { deleteDocuments } from './remove.ts';
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
  /** One transaction. Results in the order of the changes. */
  apply(changes: readonly LiveChange[]): LiveResult[];
  /** Names in `.ndi/files` that no document uses since documents were removed. The caller removes them. */
  readonly unusedFiles: ReadonlySet<string>;
  close(): void;
}

/** How long MATLAB or Python may hold the database before a person must know. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * @throws NDI_E_NOT_A_DATASET, NDI_E_DATABASE_CORRUPT, NDI_E_DATABASE_BUSY, NDI_E_READ_ONLY,
 * NDI_E_DISK_FULL
 */
export function openLiveDataset(dir: string, options: LiveOptions = {}): LiveDataset {
  const session = openWriteSession(dir, { busyTimeoutMs: options.busyTimeoutMs ?? BUSY_TIMEOUT_MS });
  const { database, path, branch } = session;
  const unusedFiles = new Set<string>();
  const find = database.prepare(
    `SELECT d.json_code AS text FROM docs d JOIN branch_docs b ON b.doc_idx = d.doc_idx AND b.branch_id = ?
     WHERE d.doc_id = ?`,
  );
  const current = (ndiId: NdiId): Found => {
    const row = find.get(branch, ndiId);
    return row === undefined ? ABSENT : foundOf(String(row.text ?? ''));
  };
  return {
    unusedFiles,
    apply: (changes) => {
      const prepared = changes.map(prepare);
      return withDatabaseErrors(path, () =>
        session.transaction(() => {
          const steps = prepared.map((change) => judge(change, current(change.ndiId)));
          options.onLeaving?.(steps.flatMap(({ leaving }) => leaving ?? []));
          carryOut(session, steps, unusedFiles);
          return steps.map(({ result }) => result);
        }),
      );
    },
    close: () => withDatabaseErrors(path, () => database.close()),
  };
}

interface Found {
  readonly text: string | undefined;
  readonly hash: string | null;
}

const ABSENT: Found = { text: undefined, hash: null };
const UNREADABLE = 'unreadable';

function foundOf(text: string): Found {
  try {
    return { text, hash: canonicalHash(parseDocument(text)) };
  } catch (error) {
    if (!isCourierError(error)) throw error;
    return { text, hash: UNREADABLE };
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

interface Step {
  readonly change: Prepared;
  readonly result: LiveResult;
  readonly leaving?: Leaving;
}

/** What is there has the wanted content already (an earlier attempt made it), or the expected one, or moved. */
function judge(change: Prepared, { text, hash }: Found): Step {
  const { ndiId, expected, wanted } = change;
  const result = (outcome: LiveResult['outcome']): LiveResult => ({ ndiId, outcome, found: hash });
  if (hash === wanted && hash !== expected) return { change, result: result('already') };
  if (hash !== expected) return { change, result: result('moved') };
  const leaving = text === undefined || hash === null ? {} : { leaving: { ndiId, text, hash } };
  return { change, result: result('done'), ...leaving };
}

function carryOut(session: WriteSession, steps: readonly Step[], unusedFiles: Set<string>): void {
  const removed: NdiId[] = [];
  for (const { change, result } of steps) {
    if (result.outcome !== 'done') continue;
    const { document, ndiId } = change;
    if (document === undefined) removed.push(ndiId);
    else {
      const item = { document, facts: describeDocument(document) };
      if (result.found === null) session.insert(item);
      else session.replace([item]);
    }
  }
  if (removed.length === 0) return;
  for (const name of deleteDocuments(session.database, session.branch, removed)) unusedFiles.add(name);
}
