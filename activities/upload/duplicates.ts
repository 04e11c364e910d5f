/**
 * The cloud does not insist on unique ids (contract §10 #4), so a fault may leave a document there twice. Doubles of
 * what this run sent are its own to remove; older ones are somebody else's and are only reported.
 */
import { isCourierError } from '../../errors/index.ts';
import type { RunRef } from '../../workflows/steps.ts';
import type { StepContext } from '../deps.ts';
import { type ListingRef, listDocuments } from '../listing.ts';

/** Ids per request, as the clients' own tools do it (contract §4.4). */
const DELETE_BATCH = 1_000;
const MAX_TRIES = 3;

/** Leaves the smallest cloud id of each document that this run sent (the clients' intended survivor, §5.5). */
export async function removeDuplicates(
  context: StepContext,
  listing: ListingRef,
  ref: RunRef,
): Promise<void> {
  const { ledger, runKey } = listing;
  for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
    const extra = ownDoubles(listing);
    if (extra.length === 0) break;
    for (let i = 0; i < extra.length; i += DELETE_BATCH) {
      await deleteBatch(context, listing, extra.slice(i, i + DELETE_BATCH));
    }
    const removed = Number(ledger.fact(runKey, 'duplicatesRemoved') ?? 0) + extra.length;
    ledger.setFact(runKey, 'duplicatesRemoved', String(removed));
    ledger.audit(runKey, 'removed doubles', { count: extra.length });
    await listDocuments(context, listing);
  }
  reportOlderDoubles(listing, ref);
}

function ownDoubles({ ledger, runKey, name }: ListingRef): string[] {
  const extra: string[] = [];
  for (const { id, cloudIds } of ledger.listedTwice(runKey, 'document', name)) {
    if (isOurs(ledger.item(runKey, 'document', id)?.state)) extra.push(...cloudIds.slice(1));
  }
  return extra;
}

const isOurs = (state: string | undefined): boolean => state !== undefined && state !== 'skipped';

/** `now`: a soft delete leaves doubles listed on some days (contract §2.5 E7). A lost answer is looked at again. */
async function deleteBatch(context: StepContext, listing: ListingRef, ids: readonly string[]): Promise<void> {
  try {
    await listing.cloud.documents.bulkDelete(listing.datasetId, ids, 'now', context.signal);
  } catch (error) {
    if (!isCourierError(error) || error.class !== 'retryable') throw error;
  }
}

function reportOlderDoubles({ ledger, runKey, name }: ListingRef, ref: RunRef): void {
  let count = 0;
  let example = '';
  for (const { id } of ledger.listedTwice(runKey, 'document', name)) {
    if (isOurs(ledger.item(runKey, 'document', id)?.state)) continue;
    count += 1;
    example ||= id;
  }
  if (count === 0) return;
  ledger.addProblem(runKey, {
    kind: 'dataset',
    id: ref.cloudDatasetId,
    code: 'NDI_E_DUPLICATES',
    detail: `${count} documents were in the cloud more than once before this run, for example ${example}.`,
  });
}
