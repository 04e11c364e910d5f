/**
 * A cloud dataset has one `dataset_remote` document that links to it: MATLAB refuses two. Each copy of a
 * dataset has one of its own, so an upload leaves its own here where the cloud has one already, and of two
 * that came at the same time the later is removed.
 */

import { isCourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { DocumentSummary } from '../../ndi/cloud/types.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { DocumentFacts, NdiDocument } from '../../ndi/document/types.ts';
import type { RunScope } from '../deps.ts';
import { takeDirectly } from '../shared/bodies.ts';
import { listingOf, listPass } from '../shared/listing.ts';
import { AFTER } from './listings.ts';

const CLASS = 'dataset_remote';

/** Whether a document links its dataset to this cloud dataset. */
export function isLinkTo(cloudDatasetId: string, facts: DocumentFacts, document: NdiDocument): boolean {
  if (facts.className !== CLASS) return false;
  const { dataset_remote: link } = document as { dataset_remote?: { dataset_id?: unknown } | null };
  return link?.dataset_id === cloudDatasetId;
}

/**
 * Takes note of rows of a list that may be links; a list names classes, and bodies say where a link leads.
 */
export function collectLinks(): { readonly rows: Map<string, string>; onRow(row: DocumentSummary): void } {
  const rows = new Map<string, string>();
  return { rows, onRow: ({ id, ndiId, className }) => void (className === CLASS && rows.set(id, ndiId)) };
}

export interface CloudLink {
  readonly cloudId: string;
  readonly ndiId: string;
}

/**
 * The links to the run's own cloud dataset among these rows (cloud id → NDI id), the smallest cloud id first.
 */
export async function linksAmong(scope: RunScope, rows: ReadonlyMap<string, string>): Promise<CloudLink[]> {
  const links: CloudLink[] = [];
  await takeDirectly(scope, [...rows.keys()], (text, cloudId) => {
    if (cloudId === undefined) return;
    try {
      const document = parseDocument(text);
      const facts = describeDocument(document);
      if (isLinkTo(scope.ref.cloudDatasetId, facts, document)) links.push({ cloudId, ndiId: facts.id });
    } catch (error) {
      if (!isCourierError(error)) throw error;
    }
  });
  return links.toSorted((a, b) => (a.cloudId < b.cloudId ? -1 : 1));
}

/** Notes that a link of this folder does not go up. */
export function leaveHere({ ledger }: Pick<RunScope, 'ledger'>, ndiId: string): void {
  const left = ledger.facts.get(RUN_FACTS.linksLeftHere) ?? [];
  if (left.includes(ndiId)) return;
  ledger.facts.set(RUN_FACTS.linksLeftHere, [...left, ndiId]);
  ledger.audit('the cloud has a link document already', { leftHere: ndiId });
}

/** Removes all links but the one with the smallest cloud id, where a run of this ledger sent one of them. */
export async function removeSecondLinks(scope: RunScope, rows: ReadonlyMap<string, string>): Promise<void> {
  const { ledger, cloud, ref, signal } = scope;
  const isOurs = (ndiId: string): boolean =>
    ledger.items.get('document', ndiId)?.action === 'add' || ledger.items.wasSentBefore('document', ndiId);
  if (new Set(rows.values()).size < 2 || ![...rows.values()].some(isOurs)) return;
  const [first, ...others] = await linksAmong(scope, rows);
  const second = others.filter(({ ndiId }) => ndiId !== first?.ndiId);
  if (second.length === 0) return;
  await cloud.documents.bulkDelete(
    ref.cloudDatasetId,
    second.map(({ cloudId }) => cloudId),
    'now',
    signal,
  );
  ledger.audit('removed second links', { count: second.length });
  for (const { ndiId } of second) {
    if (ledger.items.get('document', ndiId) === undefined) continue;
    ledger.items.drop('document', [ndiId]);
    leaveHere(scope, ndiId);
  }
}

/**
 * Whether the link that this run sent was removed by another site, which came at the same time and has left
 * its own instead. Then it is an item of the run no more.
 */
export async function isOwnLinkReplaced(scope: RunScope, missing: ReadonlySet<string>): Promise<boolean> {
  const { ledger } = scope;
  const own = ledger.facts.get(RUN_FACTS.ownLink);
  if (own === undefined || !missing.has(own)) return false;
  const links = collectLinks();
  await listPass(scope, { ...listingOf(scope, AFTER), onRow: links.onRow }, 'document');
  if ((await linksAmong(scope, links.rows)).length === 0) return false;
  ledger.items.drop('document', [own]);
  leaveHere(scope, own);
  return true;
}
