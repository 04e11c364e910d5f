/**
 * The plan of what goes into the cloud, carried out by the steps of an upload: files first, then documents in
 * dependency order, replacements last. Planned when what comes here is written, because merged documents and
 * copies are read from the dataset.
 */
import type { KeptDecision } from '../../ledger/sync-ledger.ts';
import type { ItemKind, NewPlanItem } from '../../ledger/types.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { SyncInput, UploadInput } from '../../workflows/contracts/index.ts';
import type { SyncRefs, SyncUploadPlan } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { openHere } from '../shared/open-here.ts';
import { createItemWriter, firstFreeUnit } from '../shared/units.ts';
import { createNewDocuments, type NewDocuments, textHashOf } from '../upload/plan-documents.ts';
import { MAX_FILE_BYTES } from '../upload/plan-files.ts';
import { createUnits, type UnitWriter } from '../upload/units.ts';
import { summaryOf, UP_ACTIONS } from './summary.ts';
import { transferScope } from './transfers.ts';

export async function planSyncUpload(
  scope: RunScope,
  input: SyncInput,
  refs: SyncRefs,
  upload: UploadInput,
): Promise<SyncUploadPlan> {
  const up = transferScope(scope, refs, 'up');
  const down = transferScope(scope, refs, 'down');
  if (hasWork(scope, up)) {
    const { cloudDatasetId } = up.ref;
    const { plan, together } = up.ledger;
    // All or nothing: what the plan had sent already must not be forgotten by an attempt that dies.
    together(() => {
      if (plan.state() === 'sealed') plan.reopen();
      else plan.begin({ operation: 'sync', direction: 'up', cloudDatasetId });
      planItems(scope, up, input, upload);
      plan.seal();
    });
  }
  const sends = up.ledger.plan.state() !== 'absent';
  return { ...summaryOf(scope.ledger, [down.ledger, up.ledger]), sends };
}

/** What is to go and is not planned yet. Called again when an approval has released what was held back. */
function* unplanned({ ledger }: RunScope, up: RunScope, kind: ItemKind): Generator<KeptDecision> {
  const isSealed = up.ledger.plan.state() !== 'absent';
  for (const decision of ledger.sync.decisions({ kind, actions: UP_ACTIONS, held: false }))
    if (!isSealed || up.ledger.items.get(kind, decision.id) === undefined) yield decision;
}

function hasWork(scope: RunScope, up: RunScope): boolean {
  return (['document', 'file'] as const).some((kind) => !unplanned(scope, up, kind).next().done);
}

function planItems(scope: RunScope, up: RunScope, input: SyncInput, upload: UploadInput): void {
  const units = createUnits(up, upload, firstFreeUnit(up.ledger));
  const items = createItemWriter(up.ledger);
  for (const item of filesToSend(scope, up, units)) items.add(item);
  units.endOfFiles();
  const added = createNewDocuments();
  for (const item of documentsToSend(scope, up, input, { units, added })) items.add(item);
  added.plan(items, units);
  items.flush();
  units.endOfDocuments();
  units.endOfReplacements();
}

function* filesToSend(scope: RunScope, up: RunScope, units: UnitWriter): Generator<NewPlanItem> {
  for (const { id, action } of unplanned(scope, up, 'file')) {
    const here = scope.ledger.sync.observation('local', 'file', id);
    if (here === undefined) continue;
    const { sizeBytes, mtimeMs, inode, path, documentId, name } = here;
    const size = sizeBytes ?? 0;
    const item = { kind: 'file', id, sizeBytes: size, mtimeMs, inode, path, documentId, name } as const;
    if (size > MAX_FILE_BYTES) {
      const errorDetail = `File ${name} of document ${documentId} (${path}) has ${size} bytes.`;
      yield {
        ...item,
        unit: null,
        action: 'none',
        state: 'failed',
        errorCode: 'NDI_E_FILE_TOO_LARGE',
        errorDetail,
      };
      continue;
    }
    const replaces = action === 'update-cloud';
    const unit = units.unitForFile(size, replaces);
    yield { ...item, action: replaces ? 'replace' : 'add', state: 'pending', unit };
  }
}

/** Yields replacements; new documents are collected, for their order. */
function* documentsToSend(
  scope: RunScope,
  up: RunScope,
  input: SyncInput,
  { units, added }: { readonly units: UnitWriter; readonly added: NewDocuments },
): Generator<NewPlanItem> {
  const reader = openHere(scope.deps, input);
  try {
    for (const decision of unplanned(scope, up, 'document')) {
      const { id, action, cloud, cloudId, name } = decision;
      const stored = reader.document(id);
      // Gone since it was looked at, or not written: there is nothing to send.
      if (stored === undefined) continue;
      const sizeBytes = Buffer.byteLength(stored.text);
      const document = parseDocument(stored.text);
      if (action === 'upload' || action === 'add-both') {
        added.add(describeDocument(document), sizeBytes);
        continue;
      }
      yield {
        kind: 'document',
        id,
        name,
        sizeBytes,
        sha256Hex: canonicalHash(document),
        textHash: textHashOf(stored.text),
        cloudId,
        action: 'replace',
        state: 'pending',
        unit: units.unitForReplacement(sizeBytes),
        expectedHash: cloud,
      };
    }
  } finally {
    reader.close();
  }
}
