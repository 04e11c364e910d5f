/**
 * Deletions go last (peers §3.1, rule 10): documents that one side deleted leave the other. Each is in the
 * trash, and is what the plan looked at, when it goes.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { KeptDecision } from '../../ledger/sync-ledger.ts';
import { type NewTrashEntry, openTrash, type Trash } from '../../ledger/trash.ts';
import { filesDir } from '../../ndi/dataset/layout.ts';
import { type Leaving, openLiveDataset } from '../../ndi/dataset/live.ts';
import { parseDocument, stringifyDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { CountsDelta } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { type CloudBody, readBack } from '../shared/read-back.ts';
import { makeRestorePoint } from './restore-point.ts';

const BATCH = 250;
/** How long the cloud keeps what is deleted there (contract §2.5 E7). */
const KEPT_THERE = '7d';

export async function deleteSync(scope: RunScope, input: SyncInput): Promise<CountsDelta> {
  const { ledger, ref } = scope;
  const trash = openTrash(ref.ledgerPath);
  for (const action of ['delete-local', 'delete-cloud'] as const) {
    for (const batch of batches(scope, action)) {
      scope.signal.throwIfAborted();
      scope.heartbeat({ unit: null, what: 'passing deletions on', bytes: 0, ofBytes: 0 });
      if (action === 'delete-local') await deleteHere(scope, input, trash, batch);
      else await deleteThere(scope, trash, batch);
    }
  }
  const of = (state: string): number =>
    ledger.sync
      .counts()
      .filter((row) => row.action.startsWith('delete-') && row.state === state)
      .reduce((sum, { count }) => sum + count, 0);
  return { transferred: of('done'), failed: of('moved') + of('failed') };
}

/** Batches of what is still to be deleted: a batch that was done is not among them any more. */
function* batches({ ledger }: RunScope, action: string): Generator<KeptDecision[]> {
  let batch: KeptDecision[] = [];
  const query = { kind: 'document', actions: [action], states: ['open'], held: false } as const;
  for (const decision of ledger.sync.decisions(query)) {
    batch.push(decision);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function deleteHere(
  scope: RunScope,
  input: SyncInput,
  trash: Trash,
  batch: readonly KeptDecision[],
): Promise<void> {
  await makeRestorePoint(scope, input);
  const live = openLiveDataset(input.datasetDir, {
    onLeaving: (leaving) => trash.put(leaving.map((one) => deletedHere(one, scope.ref.runKey))),
  });
  try {
    const results = live.apply(
      batch.map(({ id, local }) => ({ kind: 'remove', ndiId: id, expected: local ?? '' })),
    );
    const gone = results.filter(({ outcome }) => outcome !== 'moved').map(({ ndiId }) => ndiId);
    settle(scope, 'cloud', batch, new Set(gone));
    for (const name of live.unusedFiles) {
      const path = join(filesDir(input.datasetDir), name);
      // A second name of a binary needs no place in the trash.
      if (/^[0-9a-f]{16}_[0-9a-f]{16}$/i.test(name)) trash.takeFile(path);
      else await rm(path, { force: true });
    }
  } finally {
    live.close();
  }
}

const deletedHere = ({ ndiId, text, hash }: Leaving, runKey: string): NewTrashEntry => ({
  ndiId,
  side: 'local',
  cloudId: null,
  why: 'deleted',
  runKey,
  hash,
  body: text,
  files: uidsOf(text),
});

function uidsOf(text: string): string[] {
  try {
    return describeDocument(parseDocument(text)).files.flatMap(({ locations }) =>
      locations.map(({ uid }) => uid).filter((uid) => uid !== ''),
    );
  } catch (error) {
    if (!isCourierError(error)) throw error;
    return [];
  }
}

/** The body is read right before, for the trash and for the comparison. */
async function deleteThere(scope: RunScope, trash: Trash, batch: readonly KeptDecision[]): Promise<void> {
  const { cloud, ref, signal } = scope;
  const wanted = new Map(batch.map(({ id, cloudId }) => [id, cloudId as string]));
  const bodies = new Map<string, CloudBody>();
  await readBack(scope, `delete-${batch[0]?.id}`, wanted, (body) => bodies.set(body.ndiId, body));
  const still = batch.filter(({ id, cloud: version }) => bodies.get(id)?.hash === version);
  trash.put(still.map(({ id }) => deletedThere(bodies.get(id) as CloudBody, ref.runKey)));
  if (still.length > 0) {
    await cloud.documents.bulkDelete(
      ref.cloudDatasetId,
      still.map(({ cloudId }) => cloudId as string),
      KEPT_THERE,
      signal,
    );
  }
  // One that the cloud does not give any more was deleted by an earlier attempt, or by somebody else.
  const gone = batch.filter(({ id, cloud: version }) => (bodies.get(id)?.hash ?? version) === version);
  settle(scope, 'local', batch, new Set(gone.map(({ id }) => id)));
}

const deletedThere = ({ ndiId, cloudId, hash, document }: CloudBody, runKey: string): NewTrashEntry => ({
  ndiId,
  side: 'cloud',
  cloudId,
  why: 'deleted',
  runKey,
  hash,
  body: stringifyDocument(document),
  files: [],
});

/** `by`: the side that had deleted them first. What moved since it was looked at stays, and is listed. */
function settle(
  { ledger, ref }: RunScope,
  by: 'local' | 'cloud',
  batch: readonly KeptDecision[],
  gone: ReadonlySet<string>,
): void {
  const at = new Date().toISOString();
  ledger.together(() => {
    for (const { id, base, local, cloud, name } of batch) {
      if (!gone.has(id)) {
        const side = by === 'local' ? 'in the cloud' : 'here';
        const error = new CourierError(by === 'local' ? 'NDI_E_CHANGED_THERE' : 'NDI_E_CHANGED_HERE', {
          detail: `Document ${name ?? ''} ${id} changed ${side} while the run worked, and was not deleted.`,
        });
        ledger.problems.add({ kind: 'document', id, code: error.code, detail: error.detail ?? '' });
        ledger.sync.markDecisions('document', [id], 'moved');
        continue;
      }
      const lastHash = base ?? local ?? cloud;
      ledger.dataset.base.forget('document', [id]);
      ledger.dataset.baseBodies.remove([id]);
      ledger.dataset.tombstones.add([{ kind: 'document', id, side: by, lastHash, at, runKey: ref.runKey }]);
      ledger.sync.markDecisions('document', [id], 'done');
    }
  });
}
