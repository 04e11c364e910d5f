/**
 * Writing the fetched documents into the dataset, in dependency order, each by compare-and-swap: a document
 * that moved since it was looked at stays as it is. What is overwritten is in the trash before.
 */
import { existsSync } from 'node:fs';
import { CourierError } from '../../errors/index.ts';
import { type NewTrashEntry, openTrash } from '../../ledger/trash.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { type Leaving, type LiveChange, openLiveDataset } from '../../ndi/dataset/live.ts';
import { linkFileNames } from '../../ndi/dataset/write.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument, stringifyDocument } from '../../ndi/document/codec.ts';
import { toLocal, toNdic } from '../../ndi/document/dehydrate.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { createDocumentGraph } from '../../ndi/document/order.ts';
import type { NdiDocument } from '../../ndi/document/types.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { CountsDelta, SyncRefs } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { createPacer } from '../shared/poll.ts';
import { failItem } from '../shared/units.ts';
import { textHashOf } from '../upload/plan-documents.ts';
import { CLOUD } from './observe-local.ts';
import { makeRestorePoint } from './restore-point.ts';
import { transferScope } from './transfers.ts';

/** Documents per transaction of the dataset's database: a fraction of a second for those who wait for it. */
const WRITE_BATCH = 250;

export async function writeSync(scope: RunScope, input: SyncInput, refs: SyncRefs): Promise<CountsDelta> {
  const down = transferScope(scope, refs, 'down');
  const order = inDependencyOrder(scope, down);
  if (order.length > 0) {
    await makeRestorePoint(scope, input);
    await writeAll(scope, down, input, order);
  }
  const { done, failed } = down.ledger.plan.totals().documents;
  return { transferred: done, failed };
}

/** A document after everything that it depends on, so that no reader meets a dangling dependency. */
function inDependencyOrder(scope: RunScope, { ledger }: RunScope): string[] {
  const graph = createDocumentGraph();
  for (const { id } of ledger.items.each({ kind: 'document', states: ['sent'] })) {
    const body = scope.ledger.sync.body(id);
    if (body !== undefined) graph.add(describeDocument(parseDocument(body.text)));
  }
  const { order, idOf } = graph.rank();
  return [...order].map(idOf);
}

async function writeAll(
  scope: RunScope,
  down: RunScope,
  input: SyncInput,
  order: readonly string[],
): Promise<void> {
  const trash = openTrash(scope.ref.ledgerPath);
  const { runKey } = scope.ref;
  const live = openLiveDataset(input.datasetDir, {
    onLeaving: (leaving) => trash.put(leaving.map((one) => overwritten(one, runKey))),
  });
  const place = placement(scope, input);
  const pause = createPacer(scope, (count) => `writing documents: ${count}`);
  try {
    for (let at = 0; at < order.length; at += WRITE_BATCH) {
      await pause();
      scope.signal.throwIfAborted();
      const items = order
        .slice(at, at + WRITE_BATCH)
        .map((id) => down.ledger.items.get('document', id))
        .filter((item): item is PlanItem => item?.state === 'sent');
      writeBatch(scope, down, live, items, { dir: input.datasetDir, place });
    }
  } finally {
    live.close();
  }
}

const overwritten = ({ ndiId, text, hash }: Leaving, runKey: string): NewTrashEntry => ({
  ndiId,
  side: 'local',
  cloudId: null,
  why: 'overwritten',
  runKey,
  hash,
  body: text,
  files: [],
});

type Place = (document: NdiDocument) => NdiDocument;

function writeBatch(
  scope: RunScope,
  down: RunScope,
  live: ReturnType<typeof openLiveDataset>,
  items: readonly PlanItem[],
  { dir, place }: { readonly dir: string; readonly place: Place },
): void {
  const texts = new Map<string, NdiDocument>();
  const changes = items.map((item): LiveChange => {
    const document = place(parseDocument(scope.ledger.sync.body(item.id)?.text ?? '{}'));
    texts.set(item.id, document);
    return { kind: 'put', document, expected: item.expectedHash };
  });
  const results = live.apply(changes);
  down.ledger.together(() => {
    for (const [index, { ndiId, outcome }] of results.entries()) {
      const item = items[index] as PlanItem;
      if (outcome === 'moved') {
        const detail = `Document ${ndiId} changed here while the run worked.`;
        failItem(down, item, new CourierError('NDI_E_CHANGED_HERE', { detail }));
        continue;
      }
      const document = texts.get(ndiId) as NdiDocument;
      const sha256Hex = canonicalHash(document);
      const text = stringifyDocument(document);
      down.ledger.items.mark('document', [ndiId], {
        state: 'done',
        sha256Hex,
        textHash: textHashOf(text),
        sizeBytes: Buffer.byteLength(text),
      });
      if (isAgreed(scope, ndiId)) down.ledger.advanceBaseOf('document', [ndiId]);
    }
  });
  nameFiles(dir, texts.values());
}

/** A merged document, or a copy, is agreed on when the cloud has it, too. */
function isAgreed({ ledger }: RunScope, id: string): boolean {
  const action = ledger.sync.decision('document', id)?.action;
  return action !== 'update-both' && action !== 'add-both';
}

/** The second names of binaries, for older Python. */
function nameFiles(dir: string, documents: Iterable<NdiDocument>): void {
  for (const document of documents) {
    const { id, files } = describeDocument(document);
    for (const { name, locations } of files)
      for (const { uid } of locations)
        if (uid !== '' && existsSync(uidPath(dir, uid))) linkFileNames(dir, id, name, uid);
  }
}

/** Where the document's binaries lie: here when they are, else behind `ndic://` when the cloud has them. */
function placement({ ledger, ref }: RunScope, { datasetDir }: SyncInput): Place {
  const isListed = (uid: string): boolean => ledger.listings.row('file', CLOUD, uid) !== undefined;
  const isHere = (uid: string): boolean => existsSync(uidPath(datasetDir, uid));
  return (document) =>
    toLocal(toNdic(document, ref.cloudDatasetId, isListed), (uid) =>
      isHere(uid) ? uidPath(datasetDir, uid) : undefined,
    );
}
