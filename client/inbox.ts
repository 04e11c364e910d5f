/** The inbox of conflicts and the trash of a dataset folder, as people look at them and decide. */
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { CourierError } from '../errors/index.ts';
import type { Conflict, ConflictChoice } from '../ledger/conflicts.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { existingLedgerPath } from '../ledger/locate.ts';
import { openLedger } from '../ledger/open.ts';
import { type NamedTrashEntry, openTrash, type Trash } from '../ledger/trash.ts';
import { openLiveDataset } from '../ndi/dataset/live.ts';
import { placeBinaries } from '../ndi/dataset/place.ts';
import { openDataset } from '../ndi/dataset/read.ts';
import { parseDocument, textForCloud } from '../ndi/document/codec.ts';
import { describeDocument } from '../ndi/document/describe.ts';
import type { NdiDocument } from '../ndi/document/types.ts';
import type { SyncResult } from '../workflows/contracts/index.ts';
import type { AccountChoice } from './accounts.ts';
import type { Context } from './context.ts';
import { withLease } from './dataset-link.ts';
import { identityOf } from './datasets.ts';
import type { RunHandle } from './run-handle.ts';
import type { Runs } from './runs.ts';
import { type SyncOptions, syncDataset } from './sync.ts';

export type { Conflict, ConflictChoice } from '../ledger/conflicts.ts';

/** Both copies of a document in conflict, and what both sides agreed on before, where it is kept. */
export interface ConflictCopies {
  readonly conflict: Conflict;
  readonly base: NdiDocument | null;
  readonly local: NdiDocument | null;
  readonly cloud: NdiDocument | null;
}

export interface Inbox {
  /** Conflicts that wait for a person; `all`: also those that are settled. */
  list(dir: string, which?: 'open' | 'all'): Promise<Conflict[]>;
  /** Both copies. @throws NDI_E_NO_CONFLICT */
  show(dir: string, conflict: string, account?: Pick<AccountChoice, 'profile'>): Promise<ConflictCopies>;
  /**
   * Records a decision for conflicts and starts the run that carries it out. The run compares before it
   * writes: a document that moved since is asked about again.
   * @throws NDI_E_NO_CONFLICT for a name that no open conflict has; then nothing is recorded
   */
  resolve(
    options: SyncOptions,
    conflicts: readonly string[] | 'all',
    take: ConflictChoice,
    by?: string,
  ): Promise<RunHandle<SyncResult>>;
  /** What syncs overwrote or deleted, the newest first. */
  trash(dir: string): Promise<NamedTrashEntry[]>;
  /** Brings a document back to the side that lost it. */
  restore(dir: string, name: string, account?: Pick<AccountChoice, 'profile'>): Promise<RestoredDocument>;
}

export const createInbox = (context: Context, runs: Runs): Inbox => ({
  list: (dir, which) => listConflicts(context, dir, which),
  show: (dir, conflict, account = {}) => showConflict(context, dir, conflict, account),
  resolve: async (options, conflicts, take, by = userInfo().username) => {
    await decideConflicts(context, options.dir, conflicts, take, by);
    return syncDataset(context, runs, options, { only: 'decided' });
  },
  trash: (dir) => listTrash(context, dir),
  restore: (dir, name, account = {}) => restoreFromTrash(context, dir, name, account),
});

/** Opens the ledger of a folder for `use`; undefined where no run has worked on the folder. */
export async function withLedger<T>(
  context: Context,
  dir: string,
  use: (ledger: Ledger, ledgerPath: string) => T | Promise<T>,
): Promise<T | undefined> {
  const datasetDir = resolve(dir);
  const { datasetId } = identityOf(datasetDir);
  const path = existingLedgerPath({ datasetDir, datasetId, stateHome: await context.service.homeDir() });
  if (path === undefined) return undefined;
  const ledger = openLedger(path);
  try {
    return await use(ledger, path);
  } finally {
    ledger.close();
  }
}

/** Conflicts that wait for a person, or all that there ever were. */
const listConflicts = async (
  context: Context,
  dir: string,
  which: 'open' | 'all' = 'open',
): Promise<Conflict[]> =>
  (await withLedger(context, dir, ({ conflicts }) => [...conflicts.each(which)])) ?? [];

/**
 * Records a decision for conflicts, or for all of them; the next sync carries it out. Returns how many.
 * @throws NDI_E_NO_CONFLICT for a name that no open conflict has; then nothing is recorded
 */
async function decideConflicts(
  context: Context,
  dir: string,
  names: readonly string[] | 'all',
  choice: ConflictChoice,
  by: string,
): Promise<number> {
  const decided = await withLedger(context, dir, (ledger) =>
    ledger.together(() => {
      const { conflicts } = ledger;
      const chosen = names === 'all' ? [...conflicts.each('open')].map(({ conflict }) => conflict) : names;
      for (const name of chosen)
        if (!conflicts.decide(name, choice, by))
          throw new CourierError('NDI_E_NO_CONFLICT', { detail: name });
      return chosen.length;
    }),
  );
  if (decided === undefined && names !== 'all')
    throw new CourierError('NDI_E_NO_CONFLICT', { detail: names.join(', ') });
  return decided ?? 0;
}

/** Fetches the cloud's copy. @throws NDI_E_NO_CONFLICT */
async function showConflict(
  context: Context,
  dir: string,
  name: string,
  account: Pick<AccountChoice, 'profile'>,
): Promise<ConflictCopies> {
  const found = await withLedger(context, dir, ({ conflicts, baseBodies }) => {
    const conflict = conflicts.get(name);
    if (conflict === undefined || conflict.settledAt !== null) return undefined;
    const base = conflict.base === null ? undefined : baseBodies.text(conflict.id, conflict.base);
    return { conflict, base: base === undefined ? null : parseDocument(base) };
  });
  if (found === undefined) throw new CourierError('NDI_E_NO_CONFLICT', { detail: name });
  const { conflict } = found;
  if (conflict.kind === 'file') return { ...found, local: null, cloud: null };
  return {
    ...found,
    local: localCopy(dir, conflict.id),
    cloud: await cloudCopy(context, dir, conflict, account),
  };
}

function localCopy(dir: string, id: string): NdiDocument | null {
  const reader = openDataset(resolve(dir));
  try {
    const stored = reader.document(id);
    return stored === undefined ? null : parseDocument(stored.text);
  } finally {
    reader.close();
  }
}

async function cloudCopy(
  context: Context,
  dir: string,
  { cloudId }: Conflict,
  choice: Pick<AccountChoice, 'profile'>,
): Promise<NdiDocument | null> {
  const link = identityOf(resolve(dir)).remotes[0];
  if (cloudId === null || link === undefined) return null;
  const { client } = await context.accounts.open(choice);
  try {
    const [row] = await client.documents.bulkFetch(link.cloudDatasetId, [cloudId]);
    return row === undefined ? null : parseDocument(row.text);
  } finally {
    await client.close();
  }
}

/** The newest first. */
const listTrash = async (context: Context, dir: string): Promise<NamedTrashEntry[]> =>
  (await withLedger(context, dir, (_, path) => [...openTrash(path).entries()])) ?? [];

export interface RestoredDocument {
  readonly ndiId: string;
  readonly side: 'local' | 'cloud';
  /** The new cloud id of a document that the cloud had deleted. */
  readonly cloudId: string | null;
  /** `already`: it was there as it is in the trash. */
  readonly outcome: 'done' | 'already';
}

/**
 * Brings a document of the trash back to the side that lost it. The cloud takes no deletion back (contract
 * §2.5 E7): there it is added again.
 * @throws NDI_E_NOT_FOUND, NDI_E_CHANGED_HERE for a document that is there with other content,
 * NDI_E_UID_TWICE for a binary that is, NDI_E_DATASET_IN_USE
 */
async function restoreFromTrash(
  context: Context,
  dir: string,
  name: string,
  choice: Pick<AccountChoice, 'profile'>,
): Promise<RestoredDocument> {
  const datasetDir = resolve(dir);
  const { datasetId } = identityOf(datasetDir);
  const restore = async (ledger: Ledger, path: string): Promise<RestoredDocument> => {
    const trash = openTrash(path);
    const entry = trash.get(name);
    if (entry.side === 'local') restoreFiles(datasetDir, trash, entry);
    const back =
      entry.side === 'local'
        ? restoreHere(datasetDir, entry)
        : await restoreThere(context, dir, entry, choice);
    // Else the next sync would take it for one that came back by itself.
    ledger.tombstones.remove('document', [entry.ndiId]);
    return back;
  };
  const restored = await withLease(context, { datasetDir, datasetId }, 'trash restore', () =>
    withLedger(context, dir, restore),
  );
  if (restored === undefined)
    throw new CourierError('NDI_E_NOT_FOUND', { detail: `There is no ${name} in the trash.` });
  return restored;
}

/** Before the document, so that none is there without its binaries. They stay in the trash as well. */
function restoreFiles(dir: string, trash: Trash, { ndiId, body, files }: NamedTrashEntry): void {
  const paths = new Map(files.map((file) => [file.uid, trash.pathOf(file)]));
  const moved = placeBinaries(dir, describeDocument(parseDocument(body)), (uid) => paths.get(uid));
  if (moved.length > 0)
    throw new CourierError('NDI_E_UID_TWICE', {
      detail: `Binaries of ${ndiId} are there with other bytes: ${moved.join(', ')}.`,
    });
}

function restoreHere(dir: string, { ndiId, body }: NamedTrashEntry): RestoredDocument {
  const live = openLiveDataset(dir);
  try {
    const [result] = live.apply([{ kind: 'put', document: parseDocument(body), expected: null }]);
    if (result === undefined || result.outcome === 'moved')
      throw new CourierError('NDI_E_CHANGED_HERE', { detail: `${ndiId} is there with other content.` });
    return { ndiId, side: 'local', cloudId: null, outcome: result.outcome };
  } finally {
    live.close();
  }
}

async function restoreThere(
  context: Context,
  dir: string,
  { ndiId, body }: NamedTrashEntry,
  choice: Pick<AccountChoice, 'profile'>,
): Promise<RestoredDocument> {
  const link = identityOf(resolve(dir)).remotes[0];
  if (link === undefined) throw new CourierError('NDI_E_NOT_LINKED', { detail: resolve(dir) });
  const { client } = await context.accounts.open(choice);
  try {
    const byId = [{ field: 'base.id', operation: 'exact_string', param1: ndiId, param2: '' }];
    const { rows } = await client.query(link.cloudDatasetId, byId, { page: 1, pageSize: 20 });
    const known = rows.find((row) => row.ndiId === ndiId);
    if (known !== undefined) return { ndiId, side: 'cloud', cloudId: known.id, outcome: 'already' };
    const { id } = await client.documents.add(link.cloudDatasetId, textForCloud(body));
    return { ndiId, side: 'cloud', cloudId: id, outcome: 'done' };
  } finally {
    await client.close();
  }
}
