/** The end of a sync: the base learns what is done, the inbox what is open, and the report says all of it. */
import { statSync } from 'node:fs';
import { isCourierError } from '../../errors/index.ts';
import { DATASET_FACTS, RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { KeptBody } from '../../ledger/sync-ledger.ts';
import { openTrash, TRASH_DAYS } from '../../ledger/trash.ts';
import type { ItemKind } from '../../ledger/types.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { databaseStamp } from '../../ndi/dataset/stamp.ts';
import { writeSyncIndex } from '../../ndi/dataset/sync-index.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import { rulesFingerprint } from '../../sync/include.ts';
import type { SyncCounts, SyncInput, SyncListed, SyncResult } from '../../workflows/contracts/index.ts';
import type { SyncRefs } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { inBatches } from '../shared/batches.ts';
import { openHere } from '../shared/open-here.ts';
import { MOST_IN_REPORT, problemsOf, reportPathOf, writeReport } from '../shared/report.ts';
import { releaseWriteLock } from '../upload/write-lock.ts';
import { fillInbox } from './inbox.ts';
import { MAX_BASE_BODIES_BYTES } from './observe-local.ts';
import { writePlanFile } from './plan-file.ts';
import { countDecisions } from './summary.ts';
import { transferScope } from './transfers.ts';

const DAY_MS = 86_400_000;

type SiteSyncResult = Omit<SyncResult, 'operation' | 'retries'>;

export async function finishSync(scope: RunScope, input: SyncInput, refs: SyncRefs): Promise<SiteSyncResult> {
  const { ledger, ref } = scope;
  const down = transferScope(scope, refs, 'down');
  const up = transferScope(scope, refs, 'up');
  if (!input.dryRun) await learn(scope, input, down, up);
  const planPath = await writePlanFile(scope, input);
  takeProblems(ledger, [down.ledger, up.ledger]);
  const result = resultOf(scope, input, { down: down.ledger, up: up.ledger }, planPath);
  if (!input.dryRun) {
    await writeReport(scope, result, 'sync');
    await releaseWriteLock(scope.deps, up.ledger);
  }
  ledger.audit(input.dryRun ? 'sync planned' : 'sync finished', {
    status: result.status,
    documents: result.documents,
    files: result.files,
  });
  ledger.dataset.lease.release(ref.runKey);
  return result;
}

async function learn(scope: RunScope, input: SyncInput, down: RunScope, up: RunScope): Promise<void> {
  const { ledger } = scope;
  for (const { ledger: transfer } of [down, up]) {
    if (transfer.plan.state() === 'absent') continue;
    noteFetchedFiles(transfer, input.datasetDir);
    transfer.advanceBase();
  }
  ledger.advanceBase();
  forgetBothDeleted(ledger);
  fillInbox(ledger, input.only === 'all');
  const reader = openHere(scope.deps, input);
  try {
    keepAgreedBodies(ledger, reader, [down.ledger, up.ledger]);
    writeIndex(ledger, reader, input);
  } finally {
    reader.close();
  }
  ledger.dataset.facts.set(DATASET_FACTS.generation, {
    cloudDatasetId: scope.ref.cloudDatasetId,
    stamp: databaseStamp(input.datasetDir),
    cloudUpdatedAt: await updatedAt(scope),
    rules: rulesFingerprint(input.rules),
    syncKey: scope.ref.runKey,
  });
  ledger.sync.dropBodies();
  openTrash(scope.ref.ledgerPath).expire({ olderThanMs: TRASH_DAYS * DAY_MS });
}

async function updatedAt({ cloud, ref, signal }: RunScope): Promise<string | null> {
  const { raw } = await cloud.datasets.get(ref.cloudDatasetId, signal);
  return typeof raw.updatedAt === 'string' ? raw.updatedAt : null;
}

/** The next run knows a file that nobody has touched by its time and inode. */
function noteFetchedFiles({ items }: RunLedger, dir: string): void {
  for (const { id, action, path } of items.each({ kind: 'file', states: ['done'] })) {
    if (action !== 'add' || path !== null) continue;
    const stats = statSync(uidPath(dir, id), { throwIfNoEntry: false });
    if (stats === undefined) continue;
    items.mark('file', [id], { state: 'done', mtimeMs: stats.mtimeMs, inode: String(stats.ino) });
  }
}

/** The texts of what came and went: a merge by field starts from them. */
function keepAgreedBodies(
  { dataset }: RunLedger,
  reader: DatasetReader,
  transfers: readonly RunLedger[],
): void {
  const bodies = inBatches<KeptBody>((batch) => dataset.baseBodies.keep(batch, MAX_BASE_BODIES_BYTES));
  for (const { plan, items } of transfers) {
    if (plan.state() === 'absent') continue;
    for (const { id, sha256Hex: version } of items.each({ kind: 'document', states: ['done'] })) {
      const text = reader.document(id)?.text;
      if (text !== undefined && version !== null) bodies.add({ id, version, text });
    }
  }
  bodies.flush();
}

function forgetBothDeleted({ sync, dataset, runKey }: RunLedger): void {
  const at = new Date().toISOString();
  for (const { id, base } of sync.decisions({ kind: 'document', actions: ['forget'], held: true })) {
    dataset.base.forget('document', [id]);
    dataset.baseBodies.remove([id]);
    dataset.tombstones.add([{ kind: 'document', id, side: 'local', lastHash: base, at, runKey }]);
  }
}

/** The clients' next sync starts from this: ids that both sides are known to hold, and ids of the folder. */
function writeIndex(ledger: RunLedger, reader: DatasetReader, input: SyncInput): void {
  try {
    writeSyncIndex(input.datasetDir, {
      localIds: () => reader.documentIds(),
      remoteIds: function* () {
        for (const { id, agreed } of ledger.dataset.base.versions('document')) if (agreed !== null) yield id;
      },
      syncedAt: new Date(),
    });
  } catch (error) {
    if (!isCourierError(error, 'NDI_E_READ_ONLY')) throw error;
    const detail = `${input.datasetDir} cannot be written: the NDI clients do not know of this sync.`;
    ledger.problems.add({ kind: 'dataset', id: input.ndiDatasetId, code: error.code, detail });
  }
}

function takeProblems(run: RunLedger, transfers: readonly RunLedger[]): void {
  for (const { problems } of transfers)
    for (const problem of problems.list(MOST_IN_REPORT)) run.problems.add(problem);
}

function resultOf(
  { ledger, ref }: RunScope,
  input: SyncInput,
  transfers: { readonly down: RunLedger; readonly up: RunLedger },
  planPath: string,
): SiteSyncResult {
  const bytes = Object.values(transfers)
    .filter(({ plan }) => plan.state() !== 'absent')
    .map(({ plan }) => plan.totals())
    .reduce((sum, totals) => sum + totals.documents.bytesDone + totals.files.bytesDone, 0);
  const documents = countsOf(ledger, transfers, 'document', input.dryRun);
  const files = countsOf(ledger, transfers, 'file', input.dryRun);
  const notApproved = countDecisions(ledger, ({ isHeld }) => isHeld);
  const problemCount = ledger.problems.count();
  const isWhole = problemCount + documents.conflicts + files.conflicts + notApproved === 0;
  return {
    status: input.dryRun ? 'planned' : isWhole ? 'done' : 'done-with-leftovers',
    mode: input.mode,
    content: input.content,
    datasetId: ref.cloudDatasetId,
    ndiDatasetId: input.ndiDatasetId,
    directory: input.datasetDir,
    documents,
    files,
    listed: listedOf(ledger),
    baseLost: ledger.facts.get(RUN_FACTS.baseLost) ?? null,
    notApproved,
    bytes,
    problemCount,
    problems: problemsOf(ledger),
    planPath,
    reportPath: input.dryRun ? '' : reportPathOf(ref),
  };
}

function listedOf(ledger: RunLedger): SyncListed {
  const of = (reason: string): number =>
    countDecisions(ledger, (row) => row.action === 'list' && row.reason === reason);
  const deletedHere = of('deleted-here');
  const deletedThere = of('deleted-there');
  const all = countDecisions(ledger, ({ action }) => action === 'list');
  return { deletedHere, deletedThere, other: all - deletedHere - deletedThere };
}

/** In a dry run, what would become of the items. */
function countsOf(
  { facts, sync }: RunLedger,
  { down, up }: { readonly down: RunLedger; readonly up: RunLedger },
  kind: ItemKind,
  isPlan: boolean,
): SyncCounts {
  const unchanged = facts.get(RUN_FACTS.unchanged) ?? { documents: 0, files: 0 };
  const count = {
    upload: 0,
    download: 0,
    'update-local': 0,
    'update-cloud': 0,
    'delete-local': 0,
    'delete-cloud': 0,
    conflict: 0,
  };
  let failed = 0;
  const isDone = (ledger: RunLedger, id: string): boolean => {
    const state = ledger.plan.state() === 'absent' ? undefined : ledger.items.get(kind, id)?.state;
    return state === 'done' || state === 'skipped' || state === 'sent';
  };
  const take = (key: keyof typeof count, isOver: boolean): void => {
    if (isPlan || isOver) count[key] += 1;
    else failed += 1;
  };
  const actions = [...Object.keys(count), 'update-both', 'add-both'];
  for (const { id, action, state } of sync.decisions({ kind, actions, held: isPlan })) {
    if (action === 'conflict') count.conflict += 1;
    else if (action === 'update-both') {
      take('update-local', isDone(down, id));
      take('update-cloud', isDone(up, id));
    } else if (action === 'add-both') take('upload', isDone(up, id));
    else if (action.startsWith('delete-')) take(action as keyof typeof count, state === 'done');
    else {
      const transfer = action === 'download' || action === 'update-local' ? down : up;
      take(action as keyof typeof count, isDone(transfer, id));
    }
  }
  // Files that only the fetched documents named have no decision of their own.
  if (kind === 'file' && down.plan.state() !== 'absent')
    for (const { id } of down.items.each({ kind, states: ['done'] }))
      if (sync.decision(kind, id) === undefined) count.download += 1;
  return {
    uploaded: count.upload,
    downloaded: count.download,
    updatedLocal: count['update-local'],
    updatedCloud: count['update-cloud'],
    deletedLocal: count['delete-local'],
    deletedCloud: count['delete-cloud'],
    unchanged: kind === 'document' ? unchanged.documents : unchanged.files,
    conflicts: count.conflict,
    failed,
  };
}
