/**
 * Absence needs proof. Two passes that agree at the same moment prove nothing when both come from a replica
 * that lags (contract §3.4): the record's stored count, the live count and the count of classes are asked as
 * well, and as long as one of them knows more documents than the list, the list is read again, for the quiet
 * time at most. The stored count does not fall when documents are deleted: those that the cloud lists as
 * deleted (E6) are accounted for.
 */
import { isCourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { ListingResult } from '../../ledger/types.ts';
import { eachPage } from '../../ndi/cloud/pages.ts';
import type { RunScope } from '../deps.ts';
import { type Listing, listDocuments } from './listing.ts';
import { untilQuiet } from './poll.ts';

const DELETED_PAGE_SIZE = 1_000;

/**
 * Lists all documents. When the cloud's own counts never agree with the list, says so among the problems of
 * the run.
 */
export async function listAllDocuments(scope: RunScope, listing: Listing): Promise<ListingResult> {
  const { result, known } = await untilQuiet(scope, {
    name: `counts ${listing.name}`,
    look: async () => {
      const counted = await countsOf(scope);
      const result = await listDocuments(scope, listing);
      const known = await withoutDeleted(scope, counted, result);
      const most = Math.max(known.live, known.stored);
      if (result.rows < most) {
        const what = `the cloud lists ${result.rows} of ${most} documents`;
        scope.heartbeat({ unit: null, what, bytes: 0, ofBytes: 0 });
      }
      return { result, known };
    },
    marker: ({ result }) => result.digest,
    isDone: ({ result, known }) =>
      result.rows >= known.live && (result.rows >= known.stored || known.isSettled),
    quietMs: scope.tuning.importQuietMs,
  });
  const counted = Math.max(known.live, known.isSettled ? 0 : known.stored);
  scope.ledger.facts.set(RUN_FACTS.listsDisagree, result.rows < counted);
  if (result.rows < counted) {
    scope.ledger.problems.add({
      kind: 'dataset',
      id: scope.ref.cloudDatasetId,
      code: 'NDI_E_LISTS_DISAGREE',
      detail: `The list has ${result.rows} documents, the cloud counts ${counted}.`,
    });
  }
  return result;
}

/** The counts, less the documents that the cloud lists as deleted. */
async function withoutDeleted(
  { cloud, ref, signal }: RunScope,
  known: CloudCounts,
  { rows }: ListingResult,
): Promise<CloudCounts> {
  if (rows >= known.stored || rows < known.live) return known;
  let deleted = 0;
  try {
    const pages = eachPage(DELETED_PAGE_SIZE, (query) =>
      cloud.documents.deleted(ref.cloudDatasetId, query, signal),
    );
    for await (const page of pages) deleted += page.rows.length;
  } catch (error) {
    // A cloud that does not list them leaves the count as it is.
    if (!isCourierError(error) || signal.aborted) throw error;
  }
  return { ...known, stored: Math.max(known.live, known.stored - deleted) };
}

interface CloudCounts {
  /** The larger of the live count and the sum of classes. */
  readonly live: number;
  /** The figure of the record, which deletions do not lower (contract §2.4). */
  readonly stored: number;
  /** Nothing was written lately: a stored figure that is larger than the list has drifted. */
  readonly isSettled: boolean;
}

/** No replica is known to lag for longer. */
const MAX_LAG_MS = 10 * 60_000;

/** The numbers of documents that the cloud says it has (contract §2.4 D3, D16, D17). */
async function countsOf({ cloud, ref, signal }: RunScope): Promise<CloudCounts> {
  const { documentCount, raw } = await cloud.datasets.get(ref.cloudDatasetId, signal);
  // A replica may not know a young dataset at all.
  const live = await cloud.documents.count(ref.cloudDatasetId, signal).catch((error: unknown) => {
    if (isCourierError(error, 'NDI_E_NOT_FOUND')) return 0;
    throw error;
  });
  const updatedMs = Date.parse(String(raw.updatedAt));
  return {
    live: Math.max(live, await sumOfClasses()),
    stored: documentCount ?? 0,
    isSettled: Date.now() - updatedMs > MAX_LAG_MS,
  };

  /** Times out on a large dataset that is cold (D17): then the other two have to do. */
  async function sumOfClasses(): Promise<number> {
    try {
      const classes = await cloud.documents.classCounts(ref.cloudDatasetId, signal);
      return Object.values(classes).reduce((sum, count) => sum + count, 0);
    } catch (error) {
      if (!isCourierError(error) || signal.aborted) throw error;
      return 0;
    }
  }
}
