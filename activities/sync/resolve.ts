/**
 * Conflicts that a policy or a person settles by more than one side's copy. Decided before anything is
 * written, into texts that wait in the ledger, so that an attempt after a crash finds the same.
 *
 *   keep-both  the cloud's document keeps the id; the local one becomes a document of its own on both sides
 *   merge      field by field, from the body that both sides agreed on; what cannot be merged asks
 */
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { KeptDecision, NewDecision } from '../../ledger/sync-ledger.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument, stringifyDocument } from '../../ndi/document/codec.ts';
import { asObject, asText } from '../../ndi/document/describe.ts';
import type { NdiDocument } from '../../ndi/document/types.ts';
import { newNdiId } from '../../ndi/ids.ts';
import { mergeDocuments } from '../../sync/merge.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { openHere } from '../shared/open-here.ts';
import type { KeptAction } from './summary.ts';

export function resolveConflicts(scope: RunScope, input: SyncInput): void {
  const { ledger, deps } = scope;
  const conflicts = [
    ...ledger.sync.decisions({ kind: 'document', actions: ['keep-both', 'merge'], held: true }),
  ];
  if (conflicts.length === 0) return;
  const reader = openHere(deps, input);
  try {
    for (const conflict of conflicts) ledger.sync.addDecisions(resolve(ledger, reader, conflict, input.site));
  } finally {
    reader.close();
  }
}

/** The decisions that take the place of the conflict. */
function resolve(
  ledger: RunLedger,
  reader: DatasetReader,
  conflict: KeptDecision,
  site: string,
): NewDecision[] {
  const stored = reader.document(conflict.id);
  const there = ledger.sync.body(conflict.id);
  // One of them is not at hand: then nobody can settle it now.
  if (stored === undefined || there === undefined) return [as(conflict, 'conflict')];
  const local = parseDocument(stored.text);
  return conflict.action === 'keep-both'
    ? keepBoth(ledger, conflict, local, site)
    : merge(ledger, conflict, local, parseDocument(there.text));
}

const as = (conflict: KeptDecision, action: KeptAction): NewDecision => ({ ...conflict, action });

function keepBoth(
  ledger: RunLedger,
  conflict: KeptDecision,
  local: NdiDocument,
  site: string,
): NewDecision[] {
  const id = newNdiId();
  const copy = copyOf(local, id, site);
  ledger.sync.keepBodies([{ id, version: canonicalHash(copy), text: stringifyDocument(copy) }]);
  ledger.audit('both versions of a document are kept', { id: conflict.id, copy: id });
  const added = { ...as(conflict, 'add-both'), id, local: null, cloud: null, base: null, cloudId: null };
  return [added, as(conflict, 'update-local')];
}

/** A conflict copy says whose it is (peers §3.1, rule 12): `name (conflict 2026-11-27 rig-3 vs cloud)`. */
function copyOf(document: NdiDocument, id: string, site: string): NdiDocument {
  const base = asObject(document.base);
  const day = new Date().toISOString().slice(0, 10);
  const name = `${asText(base.name)} (conflict ${day} ${site} vs cloud)`.trim();
  return { ...document, base: { ...base, id, name } };
}

function merge(
  ledger: RunLedger,
  conflict: KeptDecision,
  local: NdiDocument,
  cloud: NdiDocument,
): NewDecision[] {
  const { id, base } = conflict;
  const text = base === null ? undefined : ledger.dataset.baseBodies.text(id, base);
  const merged = text === undefined ? undefined : mergeDocuments(parseDocument(text), local, cloud);
  if (merged?.outcome !== 'merged') return [as(conflict, 'conflict')];
  const { body } = merged;
  ledger.sync.keepBodies([{ id, version: canonicalHash(body), text: stringifyDocument(body) }]);
  return [as(conflict, 'update-both')];
}
