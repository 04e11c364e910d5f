/**
 * The cloud does not insist on unique ids (contract §10 #4), so a fault may leave a document there twice.
 * Doubles of what a run of this ledger sent are its own to remove, when they say the same; others are only
 * reported.
 */
import { isCourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import type { RunScope } from '../deps.ts';
import { takeDirectly } from '../shared/bodies.ts';
import { type Listing, listDocuments } from '../shared/listing.ts';

/** Ids per request, as the clients' own tools do it (contract §4.4). */
const DELETE_BATCH = 1_000;
const MAX_ATTEMPTS = 3;

/**
 * Leaves the smallest cloud id of each document that this run sent (the clients' intended survivor, §5.5).
 */
export async function removeDuplicates(scope: RunScope, listing: Listing): Promise<void> {
  const { ledger } = scope;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const { extra, different } = await ownDoubles(scope, listing);
    reportDifferent(scope, different);
    if (extra.length === 0) break;
    for (let i = 0; i < extra.length; i += DELETE_BATCH) {
      await deleteBatch(scope, extra.slice(i, i + DELETE_BATCH));
    }
    ledger.facts.set(RUN_FACTS.duplicatesRemoved, duplicatesRemoved(scope) + extra.length);
    ledger.audit('removed doubles', { count: extra.length });
    await listDocuments(scope, listing);
  }
  reportOlderDoubles(scope, listing);
}

export const duplicatesRemoved = ({ ledger }: Pick<RunScope, 'ledger'>): number =>
  ledger.facts.get(RUN_FACTS.duplicatesRemoved) ?? 0;

/**
 * Copies of documents that this ledger sent: cloud ids of those that equal the first one, and NDI ids of
 * those that do not.
 */
async function ownDoubles(
  scope: RunScope,
  { name }: Listing,
): Promise<{ readonly extra: string[]; readonly different: string[] }> {
  const { ledger } = scope;
  const doubles: { readonly id: string; readonly cloudIds: readonly string[] }[] = [];
  for (const double of ledger.listings.twice('document', name)) {
    if (isOurs(ledger, double.id)) doubles.push(double);
  }
  const hashes = await hashesOf(
    scope,
    doubles.flatMap(({ cloudIds }) => cloudIds),
  );
  const extra: string[] = [];
  const different: string[] = [];
  for (const { id, cloudIds } of doubles) {
    const [first, ...others] = cloudIds.map((cloudId) => ({ cloudId, hash: hashes.get(cloudId) }));
    for (const { cloudId, hash } of others) {
      if (hash !== undefined && hash === first?.hash) extra.push(cloudId);
      else if (hash !== undefined && first?.hash !== undefined) different.push(id);
    }
  }
  return { extra, different };
}

/** Canonical hashes of documents by cloud id. One that is gone by now, or cannot be read, has none. */
async function hashesOf(scope: RunScope, cloudIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const hashes = new Map<string, string>();
  await takeDirectly(scope, cloudIds, (text, cloudId) => {
    if (cloudId === undefined) return;
    try {
      hashes.set(cloudId, canonicalHash(parseDocument(text)));
    } catch (error) {
      if (!isCourierError(error)) throw error;
    }
  });
  return hashes;
}

function reportDifferent({ ledger, ref }: RunScope, ids: readonly string[]): void {
  if (ids.length === 0) return;
  ledger.problems.add({
    kind: 'dataset',
    id: ref.cloudDatasetId,
    code: 'NDI_E_DUPLICATES',
    detail: `${ids.length} documents are in the cloud more than once with different content, for example ${ids[0]}.`,
  });
}

/** Sent by this run, or by any other run of this ledger: a cancelled run's import may come late. */
function isOurs({ items }: RunScope['ledger'], id: string): boolean {
  const item = items.get('document', id);
  return (item !== undefined && item.action === 'add') || items.wasSentBefore('document', id);
}

/**
 * `now`: a soft delete leaves doubles listed on some days (contract §2.5 E7). A lost answer is looked at
 * again.
 */
async function deleteBatch({ cloud, ref, signal }: RunScope, ids: readonly string[]): Promise<void> {
  try {
    await cloud.documents.bulkDelete(ref.cloudDatasetId, ids, 'now', signal);
  } catch (error) {
    if (!isCourierError(error) || error.class !== 'retryable') throw error;
  }
}

function reportOlderDoubles({ ledger, ref }: RunScope, { name }: Listing): void {
  let count = 0;
  let example = '';
  for (const { id } of ledger.listings.twice('document', name)) {
    if (isOurs(ledger, id)) continue;
    count += 1;
    example ||= id;
  }
  if (count === 0) return;
  ledger.problems.add({
    kind: 'dataset',
    id: ref.cloudDatasetId,
    code: 'NDI_E_DUPLICATES',
    detail: `${count} documents were in the cloud more than once before this run, for example ${example}.`,
  });
}
