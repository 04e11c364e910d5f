/**
 * The end of building a directory from documents: the bookkeeping that NDI needs to open it, the link to the
 * cloud, and one quiet database file on disk.
 */
import { writeFileSync } from 'node:fs';
import { setImmediate as nextTick } from 'node:timers/promises';
import { fsyncDirectorySync, fsyncFileSync } from '../../disk/fsync.ts';
import { CourierError } from '../../errors/index.ts';
import { type NewDocument, newDocument } from '../document/classes.ts';
import { describeDocument } from '../document/describe.ts';
import type { NdiDocument, NdiId } from '../document/types.ts';
import { NO_SESSION_ID, newNdiId } from '../ids.ts';
import { type Bookkeeping, datasetIdOf, readBookkeeping } from './identity.ts';
import {
  databasePath,
  filesDir,
  ndiDir,
  objectTypePath,
  referencePath,
  uniqueReferencePath,
} from './layout.ts';
import { bookkeepingCandidates, openDataset } from './read.ts';
import { deleteDocuments } from './remove.ts';
import { VALUE_INDEX } from './schema.ts';
import { withDatabaseErrors } from './sqlite.ts';
import type { DatasetIdentity, RemoteLink } from './types.ts';
import { openWriteSession, type WriteOptions, type WriteSession } from './write.ts';

export interface BookkeepingResult {
  readonly datasetId: NdiId;
  readonly reference: string;
  /** Documents that had to be made so that the directory opens; the source does not have them. */
  readonly added: readonly NdiId[];
  /**
   * More than one session could have been the dataset: all of them, the chosen one first. Empty when it was
   * clear.
   */
  readonly ambiguous: readonly NdiId[];
}

/**
 * Decides which session is the dataset and adds what the documents lack: its `session` document, and in the
 * ambiguous case the tracking documents that make the choice stick. Idempotent. Order: dataset format §5,
 * then MATLAB's rule for downloaded documents (the one session that is nobody's member), then Python's (the
 * most frequent session id).
 */
export function completeBookkeeping(
  dir: string,
  reference = 'dataset',
  options: WriteOptions = {},
): BookkeepingResult {
  const session = openWriteSession(dir, options);
  try {
    return withDatabaseErrors(session.path, () =>
      session.transaction(() => completeInside(session, reference)),
    );
  } finally {
    session.database.close();
  }
}

function completeInside(session: WriteSession, fallbackReference: string): BookkeepingResult {
  const bookkeeping = readBookkeeping(bookkeepingCandidates(session.database, session.branch));
  const { datasetId, ambiguous } = chooseDatasetId(session, bookkeeping);
  const added: NdiId[] = [];
  const add = (document: NdiDocument): void => {
    const facts = describeDocument(document);
    session.insert({ document, facts });
    added.push(facts.id);
  };
  const own = bookkeeping.sessions.find((entry) => entry.sessionId === datasetId);
  const reference = own?.reference || fallbackReference;
  if (own === undefined)
    add(newDocument('session', { sessionId: datasetId, values: { session: { reference } } }));
  for (const sessionId of ambiguous) {
    if (sessionId === datasetId) continue;
    const member = bookkeeping.sessions.find((entry) => entry.sessionId === sessionId);
    add(trackingDocument(datasetId, sessionId, member?.reference ?? ''));
  }
  return { datasetId, reference, added, ambiguous };
}

/** How a dataset says that a session is ingested in it (dataset format §6). */
export const trackingDocument = (
  datasetId: NdiId,
  sessionId: NdiId,
  reference: string,
  identity: Pick<NewDocument, 'id' | 'createdAt'> = {},
): NdiDocument =>
  newDocument('session_in_a_dataset', {
    ...identity,
    sessionId: datasetId,
    values: {
      session_in_a_dataset: {
        session_id: sessionId,
        session_reference: reference,
        session_creator_input1: reference,
        session_creator_input3: sessionId,
      },
    },
  });

function chooseDatasetId(
  session: WriteSession,
  bookkeeping: Bookkeeping,
): { readonly datasetId: NdiId; readonly ambiguous: readonly NdiId[] } {
  const clear = datasetIdOf(bookkeeping);
  if (clear !== undefined) return { datasetId: clear, ambiguous: [] };
  const members = new Set(bookkeeping.tracked.map((entry) => entry.sessionId));
  const free = [...new Set(bookkeeping.sessions.map((entry) => entry.sessionId))].filter(
    (id) => !members.has(id),
  );
  if (free.length === 1) return { datasetId: free[0]!, ambiguous: [] };
  const frequent = mostFrequentSession(session, free);
  // No document names a session (an empty dataset, or bare documents of a script): it gets an id, as on its
  // first open.
  if (frequent === undefined) return { datasetId: newNdiId(), ambiguous: [] };
  return {
    datasetId: frequent,
    ambiguous: [frequent, ...free.filter((id) => id !== frequent)].slice(0, free.length),
  };
}

/**
 * Among `allowed`, or among all session ids when that is empty. Equal counts: the smallest id, so that a
 * repeat agrees.
 */
function mostFrequentSession(session: WriteSession, allowed: readonly NdiId[]): NdiId | undefined {
  const rows = session.database
    .prepare(
      `SELECT v.value AS id, count(*) AS n FROM doc_data v
       JOIN fields f ON f.field_idx = v.field_idx AND f.field_name = 'base.session_id'
       JOIN branch_docs b ON b.doc_idx = v.doc_idx AND b.branch_id = ?
       WHERE v.value IS NOT NULL GROUP BY v.value ORDER BY n DESC, v.value`,
    )
    .all(session.branch);
  return rows
    .map((row) => String(row.id))
    .find((id) => id !== NO_SESSION_ID && (allowed.length === 0 || allowed.includes(id)));
}

export interface RemoteTarget {
  readonly cloudDatasetId: string;
  readonly organizationId: string;
  /** The dataset's own session. */
  readonly datasetId: NdiId;
  /** Take the place of links to other cloud datasets instead of refusing. */
  readonly replace?: boolean;
}

/**
 * Records that the dataset is `cloudDatasetId` in the cloud, in one transaction. A link that is there already
 * stays. Returns the id of the document that says so.
 * @throws NDI_E_TWO_REMOTES when it is linked to another cloud dataset
 */
export function linkRemote(dir: string, target: RemoteTarget, options: WriteOptions = {}): NdiId {
  return inRemotes(dir, options, (session, remotes) => {
    const others = remotes.filter((remote) => remote.cloudDatasetId !== target.cloudDatasetId);
    const same = remotes.find((remote) => remote.cloudDatasetId === target.cloudDatasetId);
    if (others.length > 0) {
      if (target.replace !== true) {
        throw new CourierError('NDI_E_TWO_REMOTES', {
          detail: `Already linked to ${others.map((remote) => remote.cloudDatasetId).join(', ')}.`,
        });
      }
      remove(session, others);
    }
    if (same !== undefined) return same.documentId;
    const document = newDocument('dataset_remote', {
      sessionId: target.datasetId,
      values: {
        dataset_remote: { dataset_id: target.cloudDatasetId, organization_id: target.organizationId },
      },
    });
    const facts = describeDocument(document);
    session.insert({ document, facts });
    return facts.id;
  });
}

/** Removes the link to `cloudDatasetId`, or all links. Returns the ids of the removed documents. */
export function unlinkRemote(dir: string, cloudDatasetId?: string, options: WriteOptions = {}): NdiId[] {
  return inRemotes(dir, options, (session, remotes) => {
    const doomed = remotes.filter(
      (remote) => cloudDatasetId === undefined || remote.cloudDatasetId === cloudDatasetId,
    );
    remove(session, doomed);
    return doomed.map((remote) => remote.documentId);
  });
}

function inRemotes<T>(
  dir: string,
  options: WriteOptions,
  work: (session: WriteSession, remotes: readonly RemoteLink[]) => T,
): T {
  const session = openWriteSession(dir, options);
  try {
    return withDatabaseErrors(session.path, () =>
      session.transaction(() => {
        const candidates = bookkeepingCandidates(session.database, session.branch);
        return work(session, readBookkeeping(candidates).remotes);
      }),
    );
  } finally {
    session.database.close();
  }
}

function remove(session: WriteSession, remotes: readonly RemoteLink[]): void {
  if (remotes.length === 0) return;
  deleteDocuments(
    session.database,
    session.branch,
    remotes.map((remote) => remote.documentId),
  );
}

/**
 * Turns a directory built with `createDataset` into what NDI expects: one database file in delete mode,
 * checked and on disk, and the three text files. Gives way to other work between its steps; each takes about
 * a second per 80,000 documents.
 * @throws NDI_E_OPEN_CHECK when the database does not read back, NDI_E_DATABASE_BUSY while another writer is
 * at work
 */
export async function finishDataset(dir: string): Promise<DatasetIdentity> {
  const { database, path } = openWriteSession(dir);
  try {
    await inSteps(path, [
      () => database.exec(VALUE_INDEX),
      () => database.exec('PRAGMA wal_checkpoint(TRUNCATE)'),
      () => {
        // Refused with an error while another connection is open: two writers cannot both finish.
        const mode = database.prepare('PRAGMA journal_mode = DELETE').get()?.journal_mode;
        if (mode !== 'delete') throw new CourierError('NDI_E_DATABASE_BUSY', { detail: `${path}: ${mode}` });
      },
      () => {
        const verdict = String(database.prepare('PRAGMA integrity_check(1)').get()?.integrity_check);
        if (verdict !== 'ok') throw new CourierError('NDI_E_OPEN_CHECK', { detail: verdict });
      },
    ]);
  } finally {
    database.close();
  }
  const reader = openDataset(dir);
  const { identity } = reader;
  reader.close();
  withDatabaseErrors(dir, () => {
    writeFileSync(referencePath(dir), identity.reference);
    writeFileSync(uniqueReferencePath(dir), identity.datasetId);
    writeFileSync(objectTypePath(dir), 'dataset');
    for (const path of [
      databasePath(dir),
      referencePath(dir),
      uniqueReferencePath(dir),
      objectTypePath(dir),
    ]) {
      fsyncFileSync(path);
    }
    for (const folder of [filesDir(dir), ndiDir(dir), dir]) fsyncDirectorySync(folder);
  });
  return identity;
}

async function inSteps(path: string, steps: readonly (() => void)[]): Promise<void> {
  for (const step of steps) {
    withDatabaseErrors(path, step);
    await nextTick();
  }
}
