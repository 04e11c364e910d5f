/**
 * What an upload has to move: compares the dataset with the cloud's own lists and writes items and units into the
 * ledger. Holds ids and dependencies in memory, never bodies.
 */
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { Ledger, NewPlanItem } from '../../ledger/types.ts';
import type { DatasetReader, StoredDocument } from '../../ndi/dataset/types.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { rankDocuments } from '../../ndi/document/order.ts';
import type { DocumentFacts } from '../../ndi/document/types.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { PlanSummary, RunRef } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { type ListingRef, listDocuments, listFiles } from '../listing.ts';
import { letOthers, pollMs, sleep } from '../sleep.ts';
import { planSummary } from '../summary.ts';
import { noteSentAgain } from './again.ts';
import { openSource } from './open.ts';
import { createUnits, type UnitWriter } from './units.ts';

/** Rows per transaction of the ledger. */
const ITEM_BATCH = 1_000;
/** S3 takes at most 5 GB in one PUT, and the API has no other way (contract §2.7). */
export const MAX_FILE_BYTES = 5_000_000_000;

export async function planUpload(
  deps: StepDeps,
  context: StepContext,
  input: UploadInput,
  ref: RunRef,
): Promise<PlanSummary> {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  if (ledger.planState(ref.runKey) === 'sealed') return planSummary(ledger, ref.runKey);

  ledger.beginPlan(ref.runKey, { operation: 'upload', cloudDatasetId: ref.cloudDatasetId });
  const listing = {
    ledger,
    runKey: ref.runKey,
    cloud: deps.cloud(ref.cloud),
    datasetId: ref.cloudDatasetId,
    name: 'before',
    pollMinMs: ref.tuning.pollMinMs,
    pollMaxMs: ref.tuning.pollMaxMs,
    quietMs: ref.tuning.importQuietMs,
  };
  await listDocuments(context, listing);
  await awaitEarlierRuns(context, listing);
  await listFiles(context, listing);
  const reader = openSource(deps, input);
  try {
    reportLinkedSessions(reader, ledger, ref.runKey);
    const units = createUnits(ledger, ref.runKey, input);
    const documents = await planFilesOf(context, reader, ledger, ref.runKey, units);
    planDocuments(documents, ledger, ref.runKey, units);
  } finally {
    reader.close();
  }
  ledger.sealPlan(ref.runKey);
  return planSummary(ledger, ref.runKey);
}

/**
 * A run that was cancelled may have left an import under way, and nothing tells of those (contract §2.5 E9): what it sent and is
 * sent again now would come in twice, the second time after everybody has looked.
 */
async function awaitEarlierRuns(context: StepContext, listing: ListingRef): Promise<void> {
  const { ledger, runKey, name, quietMs, pollMinMs, pollMaxMs } = listing;
  let missing = ledger.unsettledElsewhere(runKey, name);
  let lastChange = Date.now();
  for (let n = 0; missing > 0 && Date.now() - lastChange <= quietMs; n += 1) {
    const what = `waiting for ${missing} documents that an earlier run sent`;
    context.beat({ unit: null, what, bytes: 0, ofBytes: 0 });
    await sleep(pollMs(n, pollMinMs, pollMaxMs), context.signal);
    await listDocuments(context, listing);
    const now = ledger.unsettledElsewhere(runKey, name);
    if (now < missing) lastChange = Date.now();
    missing = now;
  }
  // Given up, and perhaps only late: then they come once more after all are there.
  if (missing > 0) noteSentAgain(ledger, runKey);
  ledger.forgetUnsettledElsewhere(runKey);
}

/** The documents of a linked session lie in another directory; people must know that they did not go. */
function reportLinkedSessions(reader: DatasetReader, ledger: Ledger, runKey: string): void {
  for (const session of reader.identity.sessions.filter((member) => member.linked)) {
    ledger.addProblem(runKey, {
      kind: 'dataset',
      id: session.sessionId,
      code: 'NDI_E_LINKED_SESSION',
      detail: `Session ${session.reference} lies in ${session.path}.`,
    });
  }
}

interface PendingDocument {
  readonly id: string;
  readonly dependsOn: readonly string[];
  readonly sizeBytes: number;
  readonly sha256Hex: string;
}

/** Walks all documents once: plans their files, and returns the documents that the cloud does not list. */
async function planFilesOf(
  context: StepContext,
  reader: DatasetReader,
  ledger: Ledger,
  runKey: string,
  units: UnitWriter,
): Promise<PendingDocument[]> {
  const pending: PendingDocument[] = [];
  const items = itemBatches(ledger, runKey);
  const seenUids = new Set<string>();
  let count = 0;
  for (const stored of reader.documents()) {
    count += 1;
    if (count % 500 === 0) await letOthers(context, `reading documents: ${count}`);
    const read = readFacts(stored);
    if (read.error !== undefined) {
      items.add(failed('document', stored.id, Buffer.byteLength(stored.text), read.error));
      continue;
    }
    const { facts, ...document } = read;
    const listed = ledger.listed(runKey, 'document', 'before', facts.id);
    if (listed === undefined) {
      pending.push({ ...document, id: facts.id, dependsOn: facts.dependsOn.map((d) => d.value) });
    } else {
      const there = { kind: 'document', unit: null, state: 'skipped', cloudId: listed.cloudId } as const;
      items.add({ ...document, ...there, id: facts.id });
    }
    for (const item of filesOf(reader, facts, ledger, runKey, seenUids, units)) items.add(item);
  }
  items.flush();
  units.endOfFiles();
  return pending;
}

type ReadFacts =
  | {
      readonly facts: DocumentFacts;
      readonly sizeBytes: number;
      readonly sha256Hex: string;
      readonly error?: never;
    }
  | { readonly error: CourierError };

/** One bad document is a problem of its own and never stops the others. */
function readFacts(stored: StoredDocument): ReadFacts {
  try {
    const document = parseDocument(stored.text);
    const facts = describeDocument(document);
    if (facts.id !== stored.id) {
      const detail = `The database calls it ${stored.id}, the document itself ${facts.id}.`;
      return { error: new CourierError('NDI_E_BAD_ID', { detail }) };
    }
    return { facts, sizeBytes: Buffer.byteLength(stored.text), sha256Hex: canonicalHash(document) };
  } catch (error) {
    if (isCourierError(error)) return { error };
    throw error;
  }
}

function* filesOf(
  reader: DatasetReader,
  facts: DocumentFacts,
  ledger: Ledger,
  runKey: string,
  seenUids: Set<string>,
  units: UnitWriter,
): Generator<NewPlanItem> {
  for (const { name, file } of reader.files(facts)) {
    // What lies in the cloud or at a URL on purpose is not ours to bring.
    if (file.kind === 'remote' || seenUids.has(file.uid)) continue;
    seenUids.add(file.uid);
    const from = { documentId: facts.id, name };
    if (file.kind === 'missing') {
      const detail = `File ${name} of document ${facts.id}: ${file.reason}`;
      yield { ...failed('file', file.uid, 0, new CourierError('NDI_E_FILE_MISSING', { detail })), ...from };
      continue;
    }
    const item = { kind: 'file', id: file.uid, sizeBytes: file.sizeBytes, path: file.path, ...from } as const;
    if (file.sizeBytes > MAX_FILE_BYTES) {
      const detail = `File ${name} of document ${facts.id} (${file.path}) has ${file.sizeBytes} bytes.`;
      yield {
        ...item,
        ...failed('file', file.uid, file.sizeBytes, new CourierError('NDI_E_FILE_TOO_LARGE', { detail })),
      };
      continue;
    }
    const listed = ledger.listed(runKey, 'file', 'before', file.uid);
    // `size` is a hint that may be missing; a size that differs is another file (contract §10 #18).
    const there =
      listed?.uploaded === true && (listed.sizeBytes === null || listed.sizeBytes === file.sizeBytes);
    yield there
      ? { ...item, unit: null, state: 'skipped' }
      : { ...item, unit: units.unitForFile(file.sizeBytes), state: 'pending' };
  }
}

/** Documents in `depends_on` order, so that the cloud never names what it does not have. */
function planDocuments(
  documents: readonly PendingDocument[],
  ledger: Ledger,
  runKey: string,
  units: UnitWriter,
): void {
  const { ranks } = rankDocuments(documents);
  const ordered = documents.toSorted((a, b) => (ranks.get(a.id) ?? 0) - (ranks.get(b.id) ?? 0));
  const items = itemBatches(ledger, runKey);
  for (const { id, dependsOn, sizeBytes, sha256Hex } of ordered) {
    const unit = units.unitForDocument(id, dependsOn, sizeBytes);
    items.add({ kind: 'document', id, unit, state: 'pending', sizeBytes, sha256Hex });
  }
  items.flush();
  units.end();
}

function failed(kind: 'document' | 'file', id: string, sizeBytes: number, error: CourierError): NewPlanItem {
  return {
    kind,
    id,
    unit: null,
    state: 'failed',
    sizeBytes,
    errorCode: error.code,
    errorDetail: error.detail ?? error.message,
  };
}

function itemBatches(ledger: Ledger, runKey: string): { add(item: NewPlanItem): void; flush(): void } {
  let batch: NewPlanItem[] = [];
  const flush = (): void => {
    if (batch.length > 0) ledger.addItems(runKey, batch);
    batch = [];
  };
  return {
    add: (item) => {
      batch.push(item);
      if (batch.length >= ITEM_BATCH) flush();
    },
    flush,
  };
}
