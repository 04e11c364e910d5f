/**
 * Reading the cloud's lists into the ledger. Lists have no order anyone promises and may come from a lagging replica
 * (contract §2.0, §3.4), so a listing counts only when two passes agree.
 */

import { CourierError } from '../errors/index.ts';
import type { Ledger, ListingResult } from '../ledger/types.ts';
import type { CloudClient } from '../ndi/cloud/types.ts';
import type { StepContext } from './deps.ts';
import { backoffMs, sleep } from './sleep.ts';

/** The cloud's own cap on a page of documents. */
const DOCUMENT_PAGE_SIZE = 1_000;
const MAX_PASSES = 20;

export interface ListingRef {
  readonly ledger: Ledger;
  readonly runKey: string;
  readonly cloud: CloudClient;
  readonly datasetId: string;
  /** The name under which the rows are kept in the ledger. */
  readonly name: string;
  readonly pollMinMs: number;
  readonly pollMaxMs: number;
  /** A list that shows nothing new for this long has shown all it will. */
  readonly quietMs: number;
}

/** Lists all documents until two passes agree. */
export function listDocuments(context: StepContext, ref: ListingRef): Promise<ListingResult> {
  return untilTwoAgree(context, ref, () => documentPass(context, ref));
}

/** Lists all files until two passes agree. */
export function listFiles(context: StepContext, ref: ListingRef): Promise<ListingResult> {
  return untilTwoAgree(context, ref, () => filePass(context, ref));
}

/** One pass over the documents. Rows without an NDI id are kept under their cloud id's own name, `cloud:<id>`. */
export async function documentPass(context: StepContext, ref: ListingRef): Promise<ListingResult> {
  const rows = ref.ledger.beginListing(ref.runKey, 'document', ref.name);
  let count = 0;
  for (let page = 1; ; page += 1) {
    const query = { page, pageSize: DOCUMENT_PAGE_SIZE };
    const answer = await ref.cloud.documents.list(ref.datasetId, query, context.signal);
    rows.add(
      answer.rows.map((row) => ({
        id: row.ndiId === '' ? `cloud:${row.id}` : row.ndiId,
        cloudId: row.id,
        sizeBytes: null,
        uploaded: null,
      })),
    );
    count += answer.rows.length;
    context.beat({ unit: null, what: `listing documents: ${count}`, bytes: 0, ofBytes: 0 });
    // A short page is the last only if the server honours the page size asked for; an empty one always is. A total may be
    // too small on a lagging replica (contract §3.4), so it never ends a listing by itself.
    if (answer.rows.length === 0 || isLastPage(answer, count)) return rows.finish();
  }
}

function isLastPage(
  answer: { readonly rows: readonly unknown[]; readonly totalNumber: number | undefined },
  count: number,
): boolean {
  return (
    answer.rows.length < DOCUMENT_PAGE_SIZE &&
    (answer.totalNumber === undefined || count >= answer.totalNumber)
  );
}

export async function filePass(context: StepContext, ref: ListingRef): Promise<ListingResult> {
  const rows = ref.ledger.beginListing(ref.runKey, 'file', ref.name);
  let count = 0;
  for await (const page of ref.cloud.files.list(ref.datasetId, context.signal)) {
    rows.add(
      page.map((row) => ({
        id: row.uid,
        cloudId: null,
        sizeBytes: row.sizeBytes ?? null,
        uploaded: row.uploaded ?? null,
      })),
    );
    count += page.length;
    context.beat({ unit: null, what: `listing files: ${count}`, bytes: 0, ofBytes: 0 });
  }
  return rows.finish();
}

async function untilTwoAgree(
  context: StepContext,
  ref: ListingRef,
  pass: () => Promise<ListingResult>,
): Promise<ListingResult> {
  let before = await pass();
  for (let passes = 1; passes < MAX_PASSES; passes += 1) {
    if (passes > 1) await sleep(backoffMs(passes, ref.pollMinMs, ref.pollMaxMs), context.signal);
    const now = await pass();
    if (now.digest === before.digest) return now;
    before = now;
  }
  throw new CourierError('NDI_E_BAD_ANSWER', {
    detail: `the list of dataset ${ref.datasetId} never came out the same twice; is something else writing to it?`,
  });
}
