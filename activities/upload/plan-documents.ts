/**
 * The plan of an upload for each document. A document that the cloud lists is compared by content: its stored
 * text with the base, and the cloud's body, read back where the base does not prove it. The cloud lists no
 * hash and no date (contract §2.5 E1), so what was changed there since it was last read is not known.
 */
import { hash as hashOf } from 'node:crypto';
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { BaseItem, NewPlanItem } from '../../ledger/types.ts';
import type { DatasetReader, StoredDocument } from '../../ndi/dataset/types.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { createDocumentGraph } from '../../ndi/document/order.ts';
import type { DocumentFacts, NdiDocument } from '../../ndi/document/types.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { readBack } from '../shared/read-back.ts';
import { failedItem } from '../shared/units.ts';
import { BEFORE } from './listings.ts';
import type { UnitWriter } from './units.ts';

/** Documents that are read back at once. */
const READ_BATCH = 2_000;

/**
 * Reads the cloud's body of each document that both sides have and whose content in the cloud nobody has read
 * yet. What is read is noted in the base at once, so an attempt that dies is not for nothing.
 */
export async function readUnproven(scope: RunScope, reader: DatasetReader): Promise<void> {
  const { ledger } = scope;
  let wanted = new Map<string, string>();
  let read = 0;
  let batches = 0;
  const flush = async (): Promise<void> => {
    if (wanted.size === 0) return;
    const bodies: { id: string; cloudId: string; hash: string }[] = [];
    batches += 1;
    await readBack(scope, `plan-${batches}`, wanted, ({ ndiId, cloudId, hash }) =>
      bodies.push({ id: ndiId, cloudId, hash }),
    );
    ledger.noteCloud('document', bodies);
    read += wanted.size;
    wanted = new Map();
    scope.heartbeat({ unit: null, what: `reading the cloud’s documents: ${read}`, bytes: 0, ofBytes: 0 });
  };
  let last = '';
  for (const { id, cloudId } of ledger.listings.rows('document', BEFORE)) {
    if (id === last || cloudId === null || !reader.hasDocument(id)) continue;
    last = id;
    if (isReadBack(ledger.dataset.base.item('document', id), cloudId)) continue;
    wanted.set(id, cloudId);
    if (wanted.size >= READ_BATCH) await flush();
  }
  await flush();
}

const isReadBack = (base: BaseItem | undefined, cloudId: string | null): base is BaseItem =>
  base?.cloud.how === 'read-back' && base.cloudId === cloudId;

interface ReadDocument {
  readonly facts: DocumentFacts;
  readonly document: NdiDocument;
  readonly sizeBytes: number;
  readonly textHash: string;
}

/** One bad document is a problem of its own and never stops the others. */
export function readDocument(stored: StoredDocument): ReadDocument | { readonly problem: NewPlanItem } {
  const sizeBytes = Buffer.byteLength(stored.text);
  try {
    const document = parseDocument(stored.text);
    const facts = describeDocument(document);
    if (facts.id !== stored.id) {
      const detail = `The database calls it ${stored.id}, the document itself ${facts.id}.`;
      throw new CourierError('NDI_E_BAD_ID', { detail });
    }
    return { facts, document, sizeBytes, textHash: textHashOf(stored.text) };
  } catch (error) {
    if (!isCourierError(error)) throw error;
    return { problem: failedItem({ kind: 'document', id: stored.id, sizeBytes }, error) };
  }
}

/** Equal: the stored text has not changed since, so nothing needs to be parsed and hashed canonically. */
export const textHashOf = (text: string): string => hashOf('sha256', text);

type PlannedDocument =
  /** New: its unit depends on the documents that it depends on. */
  { readonly isNew: true } | { readonly item: (units: UnitWriter) => NewPlanItem };

export function planDocument(
  { ledger }: RunScope,
  input: UploadInput,
  { facts, document, sizeBytes, textHash }: ReadDocument,
): PlannedDocument {
  const { id } = facts;
  const listed = ledger.listings.row('document', BEFORE, id);
  if (listed === undefined) {
    return { isNew: true };
  }
  const base = ledger.dataset.base.item('document', id);
  const known = isReadBack(base, listed.cloudId) ? base.cloud.hash : null;
  const sha256Hex =
    base?.local.hash != null && base.local.textHash === textHash ? base.local.hash : canonicalHash(document);
  const item = { kind: 'document', id, sizeBytes, sha256Hex, textHash, cloudId: listed.cloudId } as const;
  const verdict = judge(base, sha256Hex, known);
  if (verdict === 'equal') {
    const seen = known === null ? {} : ({ cloudHash: known, cloudHow: 'read-back' } as const);
    return { item: () => ({ ...item, ...seen, unit: null, action: 'none', state: 'skipped' }) };
  }
  const name = facts.name === '' ? facts.className : `${facts.className} “${facts.name}”`;
  const what = verdict === 'changedHere' ? 'changedHere' : 'changedThere';
  ledger.differences.add('document', what, [{ id, name }]);
  if (verdict === 'changedHere' && input.onChange === 'replace') {
    return {
      item: (units) => ({
        ...item,
        action: 'replace',
        state: 'pending',
        unit: units.unitForReplacement(sizeBytes),
        expectedHash: known,
      }),
    };
  }
  return { item: () => failedItem(item, changeError(verdict, `${name}, ${id}.`)) };
}

type Verdict = 'equal' | 'changedHere' | 'changedThere' | 'changedOnBothSides';

/**
 * `cloudHash` is null when nobody has read the cloud's body: then only what changed here since the last
 * agreement is known.
 */
function judge(base: BaseItem | undefined, localHash: string, cloudHash: string | null): Verdict {
  if (cloudHash === null)
    return base?.local.hash == null || base.local.hash === localHash ? 'equal' : 'changedHere';
  if (cloudHash === localHash) return 'equal';
  // Rows of an earlier release prove presence only, so nobody knows which side was changed: this one would be
  // the one to go up.
  const agreed = base?.local.how === 'read' ? base.local.hash : null;
  if (agreed === null || agreed === cloudHash) return 'changedHere';
  return agreed === localHash ? 'changedThere' : 'changedOnBothSides';
}

function changeError(verdict: Exclude<Verdict, 'equal'>, which: string): CourierError {
  if (verdict === 'changedHere') return new CourierError('NDI_E_CHANGED_HERE', { detail: which });
  const both = verdict === 'changedOnBothSides' ? ' It was changed here, too.' : '';
  return new CourierError('NDI_E_CHANGED_THERE', { detail: which + both });
}

export interface NewDocuments {
  add(facts: Pick<DocumentFacts, 'id' | 'dependsOn'>, sizeBytes: number): void;
  /** Plans them all, in `depends_on` order, so that the cloud never names what it does not have. */
  plan(items: { add(item: NewPlanItem): void }, units: UnitWriter): void;
}

/** Collects new documents as numbers: a million of them must fit beside everything else. */
export function createNewDocuments(): NewDocuments {
  const graph = createDocumentGraph();
  let sizes = new Int32Array(1_024);
  return {
    add: (facts, sizeBytes) => {
      const document = graph.add(facts);
      if (document >= sizes.length) {
        const larger = new Int32Array(Math.max(document + 1, sizes.length * 2));
        larger.set(sizes);
        sizes = larger;
      }
      sizes[document] = sizeBytes;
    },
    plan: (items, units) => {
      const { order, idOf, dependenciesOf } = graph.rank();
      // 0: no unit yet, as of a document that closes a cycle.
      const unitOf = new Int32Array(sizes.length);
      for (const document of order) {
        const sizeBytes = sizes[document] as number;
        const earlier = dependenciesOf(document)
          .map((dependency) => unitOf[dependency] as number)
          .filter((unit) => unit > 0);
        const unit = units.unitForDocument(earlier, sizeBytes);
        unitOf[document] = unit;
        items.add({ kind: 'document', id: idOf(document), unit, state: 'pending', sizeBytes });
      }
    },
  };
}
