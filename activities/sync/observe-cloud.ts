/**
 * What the cloud holds. Its list has ids alone (contract §2.5 E1): `quick` takes a document that is under the
 * cloud id of the base for unchanged and reads the others, `full` reads every body in bulk (E10).
 */
import { CourierError } from '../../errors/index.ts';
import type { KeptBody, NewObservation } from '../../ledger/sync-ledger.ts';
import { stringifyDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { isSafeName } from '../../ndi/ids.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { cloudTag } from '../shared/cloud-tag.ts';
import { inLanes } from '../shared/lanes.ts';
import { isNameless } from '../shared/listing.ts';
import { readBack } from '../shared/read-back.ts';
import { contentKeyOf, namesOf, trustedBase } from './held.ts';
import { CLOUD, createWriter } from './observe-local.ts';

/** Documents that are read at once. */
const READ_BATCH = 2_000;
/** Objects that are asked for at once. */
const LANES = 6;

export async function observeCloudDocuments(scope: RunScope, input: SyncInput): Promise<void> {
  const { ledger } = scope;
  const writer = createWriter(ledger, 'cloud', 'document');
  let wanted = new Map<string, string>();
  let batches = 0;
  const flush = async (): Promise<void> => {
    if (wanted.size === 0) return;
    batches += 1;
    await readBodies(scope, `observe-${batches}`, wanted, writer.add);
    wanted = new Map();
    const what = `reading the cloud’s documents: ${batches * READ_BATCH}`;
    scope.heartbeat({ unit: null, what, bytes: 0, ofBytes: 0 });
  };
  const needsBody = createBodyRule(scope, input);
  let last = '';
  for (const { id, cloudId } of ledger.listings.rows('document', CLOUD)) {
    // The cloud may list a document twice; its smallest id is the one the clients keep (contract §5.5).
    if (id === last || !isUsable(id, cloudId)) continue;
    last = id;
    // The others stand in the list itself.
    if (needsBody(id, cloudId)) wanted.set(id, cloudId);
    if (wanted.size >= READ_BATCH) await flush();
  }
  await flush();
  writer.flush();
}

/** A row with an NDI id that a dataset could keep it under. */
export const isUsable = (id: string, cloudId: string | null): cloudId is string =>
  cloudId !== null && !isNameless(id) && isSafeName(id);

/** Whether the body of a document has to be read. */
function createBodyRule({ ledger }: RunScope, input: SyncInput): (id: string, cloudId: string) => boolean {
  const baseOf = trustedBase(ledger);
  const hasRules = input.rules.include.length + input.rules.exclude.length > 0;
  return (id, cloudId) => {
    if (input.content === 'full') return true;
    const base = baseOf('document', id);
    if (base?.agreedVersion != null) return base.cloudId !== cloudId;
    return hasRules || ledger.sync.observation('local', 'document', id) !== undefined;
  };
}

async function readBodies(
  scope: RunScope,
  name: string,
  wanted: ReadonlyMap<string, string>,
  add: (row: NewObservation) => void,
): Promise<void> {
  const { ledger } = scope;
  const left = new Map(wanted);
  const bodies: KeptBody[] = [];
  const failures = await readBack(scope, name, wanted, ({ ndiId, cloudId, hash, document }) => {
    left.delete(ndiId);
    const local = ledger.sync.observation('local', 'document', ndiId);
    const isAlone = local === undefined;
    add({
      id: ndiId,
      version: hash,
      cloudId,
      ...namesOf(describeDocument(document)),
      ...(isAlone ? { contentKey: contentKeyOf(document) } : {}),
    });
    // It may have to come here, and is in hand now.
    if (local?.version !== hash) bodies.push({ id: ndiId, version: hash, text: stringifyDocument(document) });
  });
  ledger.sync.keepBodies(bodies);
  for (const [id, cloudId] of left) {
    const detail = `Document ${id} is listed, but the cloud does not give it.`;
    const error = failures.get(id) ?? new CourierError('NDI_E_NOT_FOUND', { detail });
    ledger.problems.add({ kind: 'document', id, code: error.code, detail: error.detail ?? error.message });
    add({ id, version: null, cloudId, aside: 'unreadable' });
  }
}

/** The cloud's side of the files that documents here name. */
export async function observeCloudFiles(scope: RunScope): Promise<void> {
  const { ledger } = scope;
  const writer = createWriter(ledger, 'cloud', 'file');
  const baseOf = trustedBase(ledger);
  const named = function* () {
    yield* ledger.sync.observed('local', 'file');
    yield* ledger.sync.observed('wanted', 'file');
  };
  await inLanes(LANES, named(), async ({ id, sizeBytes, documentId, name, version }) => {
    scope.signal.throwIfAborted();
    const listed = ledger.listings.row('file', CLOUD, id);
    if (listed === undefined || listed.uploaded === false) return;
    const base = baseOf('file', id);
    const size = listed.sizeBytes ?? base?.cloud.sizeBytes ?? sizeBytes;
    const isAgreed = base?.agreedVersion != null && base.cloud.sizeBytes === size;
    const isDoubtful = sizeBytes !== null && size === sizeBytes && version?.startsWith('md5:') === true;
    const tag = !isAgreed && isDoubtful ? await cloudTag(scope, id) : undefined;
    // A store that tells no MD5 leaves the size, which is equal.
    const unread = isDoubtful ? (version as string) : `size:${size}`;
    writer.add({
      id,
      version: isAgreed ? base.agreedVersion : tag === undefined ? unread : `md5:${tag}`,
      sizeBytes: size,
      documentId,
      name,
    });
  });
  writer.flush();
}
