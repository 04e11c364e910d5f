/**
 * Deletions go last (peers §3.1, rule 10): documents that one side deleted leave the other. Each is in the
 * trash, and is what the plan looked at, when it goes.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { haveSameBytes } from '../../disk/same-bytes.ts';
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { KeptDecision } from '../../ledger/sync-ledger.ts';
import { type NewTrashEntry, openTrash, type Trash } from '../../ledger/trash.ts';
import { ownBinaries } from '../../ndi/dataset/files.ts';
import { filesDir } from '../../ndi/dataset/layout.ts';
import { type Leaving, openLiveDataset } from '../../ndi/dataset/live.ts';
import { parseDocument, stringifyDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { DocumentFacts } from '../../ndi/document/types.ts';
import { isSafeName } from '../../ndi/ids.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { CountsDelta } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { type CloudBody, readBack } from '../shared/read-back.ts';
import { makeRestorePoint } from './restore-point.ts';
import { countDecisions } from './summary.ts';

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
    countDecisions(ledger, (row) => row.action.startsWith('delete-') && row.state === state);
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
  const dir = input.datasetDir;
  const trashed: Trashed[] = [];
  const live = openLiveDataset(dir, {
    onLeaving: (leaving) => {
      const entries = leaving.map((one) => deletedHere(dir, one, scope.ref.runKey));
      trash.put(entries);
      trashed.push(...entries);
    },
  });
  try {
    const results = live.apply(
      batch.map(({ id, local }) => ({ kind: 'remove', ndiId: id, expected: local ?? '' })),
    );
    const gone = results.filter(({ outcome }) => outcome !== 'moved').map(({ ndiId }) => ndiId);
    // An earlier attempt may have died after it had removed the documents, and before their binaries.
    const before = new Set(results.filter(({ outcome }) => outcome === 'already').map(({ ndiId }) => ndiId));
    if (before.size > 0) trashed.push(...trashedBefore(scope, trash, before));
    live.discardFiles(trashed.flatMap((one) => binaryNames(dir, one)));
    settle(scope, 'cloud', batch, new Set(gone));
  } finally {
    live.close();
  }
}

/** An entry of the trash, and where the bytes of its binaries are kept or were taken from. */
type Trashed = Pick<NewTrashEntry, 'ndiId' | 'body' | 'files'>;

function* trashedBefore({ ref }: RunScope, trash: Trash, ids: ReadonlySet<string>): Generator<Trashed> {
  for (const { side, ndiId, body, files } of trash.entriesOfRun(ref.runKey)) {
    if (side !== 'local' || !ids.has(ndiId)) continue;
    const kept = files.map((file) => ({ uid: file.uid, path: trash.pathOf(file) ?? null }));
    yield { ndiId, body, files: kept };
  }
}

/** Names in `.ndi/files` that hold the very bytes that are in the trash. */
function binaryNames(dir: string, { ndiId, body, files }: Trashed): string[] {
  const facts = factsOf(body);
  return files.flatMap(({ uid, path }) => {
    if (path === null || facts === undefined) return [];
    const uses = facts.files.filter(({ locations }) => locations.some((location) => location.uid === uid));
    return [uid, ...uses.map(({ name }) => `${ndiId}_${name}`)].filter((name) => {
      const here = join(filesDir(dir), name);
      return isSafeName(name) && existsSync(here) && haveSameBytes(here, path);
    });
  });
}

const deletedHere = (dir: string, { ndiId, text, hash }: Leaving, runKey: string): NewTrashEntry => ({
  ndiId,
  side: 'local',
  cloudId: null,
  why: 'deleted',
  runKey,
  hash,
  body: text,
  files: binariesOf(dir, text),
});

function binariesOf(dir: string, text: string): NewTrashEntry['files'] {
  const facts = factsOf(text);
  return facts === undefined ? [] : ownBinaries(dir, facts);
}

function factsOf(text: string): DocumentFacts | undefined {
  try {
    return describeDocument(parseDocument(text));
  } catch (error) {
    if (!isCourierError(error)) throw error;
    return undefined;
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
