/**
 * The cloud's lists, read into the ledger. Lists have no order that anyone promises and may come from a
 * lagging replica (contract §2.0, §3.4), so a listing counts only when two passes agree, and absence needs
 * more (`absence.ts`).
 */
import { CourierError } from '../../errors/index.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { ItemKind, ListingResult } from '../../ledger/types.ts';
import { eachPage } from '../../ndi/cloud/pages.ts';
import type { CloudClient, DocumentSummary } from '../../ndi/cloud/types.ts';
import type { StepContext } from '../deps.ts';
import { backoffMs, sleep } from './poll.ts';

/** The cloud's own cap on a page of documents. */
const DOCUMENT_PAGE_SIZE = 1_000;
const MAX_PASSES = 20;

export interface Listing {
  readonly ledger: RunLedger;
  readonly cloud: CloudClient;
  readonly cloudDatasetId: string;
  /** The rows are kept in the ledger under this name. */
  readonly name: string;
  readonly pollMinMs: number;
  readonly pollMaxMs: number;
  /** Sees each row of documents, in each pass. */
  readonly onRow?: ((row: DocumentSummary) => void) | undefined;
}

/** The listing of a run's own cloud dataset. */
export const listingOf = (
  scope: Pick<Listing, 'ledger' | 'cloud'> & {
    readonly ref: { readonly cloudDatasetId: string };
    readonly tuning: { readonly pollMinMs: number; readonly pollMaxMs: number };
  },
  name: string,
): Listing => ({
  ledger: scope.ledger,
  cloud: scope.cloud,
  cloudDatasetId: scope.ref.cloudDatasetId,
  name,
  pollMinMs: scope.tuning.pollMinMs,
  pollMaxMs: scope.tuning.pollMaxMs,
});

/** Lists all documents until two passes agree. */
export const listDocuments = (context: StepContext, listing: Listing): Promise<ListingResult> =>
  untilTwoAgree(context, listing, () => documentPass(context, listing));

/** Lists all files until two passes agree. */
export const listFiles = (context: StepContext, listing: Listing): Promise<ListingResult> =>
  untilTwoAgree(context, listing, () => filePass(context, listing));

export const listPass = (context: StepContext, listing: Listing, kind: ItemKind): Promise<ListingResult> =>
  kind === 'document' ? documentPass(context, listing) : filePass(context, listing);

/**
 * One pass over the documents. Rows without an NDI id are kept under their cloud id's own name, `cloud:<id>`.
 */
async function documentPass(context: StepContext, listing: Listing): Promise<ListingResult> {
  const rows = listing.ledger.listings.begin('document', listing.name);
  const pages = eachPage(DOCUMENT_PAGE_SIZE, (query) =>
    listing.cloud.documents.list(listing.cloudDatasetId, query, context.signal),
  );
  let count = 0;
  for await (const { rows: page } of pages) {
    rows.add(
      page.map((row) => ({
        id: row.ndiId === '' ? `${NAMELESS}${row.id}` : row.ndiId,
        cloudId: row.id,
        sizeBytes: null,
        uploaded: null,
      })),
    );
    if (listing.onRow !== undefined) for (const row of page) listing.onRow(row);
    count += page.length;
    context.heartbeat({ unit: null, what: `listing documents: ${count}`, bytes: 0, ofBytes: 0 });
  }
  return rows.finish();
}

const NAMELESS = 'cloud:';

/** A row of a document that has no NDI id, and so no name that a dataset could keep it under. */
export const isNameless = (id: string): boolean => id.startsWith(NAMELESS);

async function filePass(context: StepContext, listing: Listing): Promise<ListingResult> {
  const rows = listing.ledger.listings.begin('file', listing.name);
  let count = 0;
  for await (const page of listing.cloud.files.list(listing.cloudDatasetId, context.signal)) {
    rows.add(
      page.map((row) => ({
        id: row.uid,
        cloudId: null,
        sizeBytes: row.sizeBytes ?? null,
        uploaded: row.uploaded ?? null,
      })),
    );
    count += page.length;
    context.heartbeat({ unit: null, what: `listing files: ${count}`, bytes: 0, ofBytes: 0 });
  }
  return rows.finish();
}

async function untilTwoAgree(
  context: StepContext,
  listing: Listing,
  pass: () => Promise<ListingResult>,
): Promise<ListingResult> {
  let before = await pass();
  for (let passes = 1; passes < MAX_PASSES; passes += 1) {
    if (passes > 1) await sleep(backoffMs(passes, listing.pollMinMs, listing.pollMaxMs), context.signal);
    const now = await pass();
    if (now.digest === before.digest) return now;
    before = now;
  }
  throw new CourierError('NDI_E_BAD_ANSWER', {
    detail: `the list of dataset ${listing.cloudDatasetId} never came out the same twice; is something else writing to it?`,
  });
}
