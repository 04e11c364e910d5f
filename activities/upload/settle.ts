/**
 * Has the cloud taken in what was sent? Imports are asynchronous and silent (contract §3.4), so the only
 * answer is the cloud's own list, asked until nothing is missing or nothing has moved for the quiet time.
 * Then the content is read back.
 */
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { ItemKind } from '../../ledger/types.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { Settlement } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { type Listing, listDocuments, listFiles, listingOf, listPass } from '../shared/listing.ts';
import { untilQuiet } from '../shared/poll.ts';
import { fileUnitLimits } from '../shared/units.ts';
import { removeDuplicates } from './duplicates.ts';
import { AFTER } from './listings.ts';
import { noteSentAgain, noteUnitsAgain, wasSentAgain } from './resend.ts';
import { collectLinks, removeSecondLinks } from './second-links.ts';
import { readBackDocuments } from './verify-documents.ts';
import { proveZippedFiles } from './verify-files.ts';

/** Rounds of sending what an import lost; the last ones go one by one, so that a refusal has a reason. */
const ROUNDS_BEFORE_SERIAL = 1;
const MAX_ROUNDS = 3;

const NOTHING_MISSING: Settlement = { missing: 0, newUnits: 0 };

/** After documents were sent. Missing documents are planned again, or given up after a few rounds. */
export async function settleDocuments(scope: RunScope): Promise<Settlement> {
  const { ledger } = scope;
  const isCounted = inDoubt(ledger, 'document') === 0 || (await waitForCount(scope));
  // The quiet time is over when the count has not reached what was sent: then the list is asked once.
  const missing = await untilListed(scope, 'document', isCounted ? scope.tuning.importQuietMs : 0);
  if (missing > 0) return sendAgain(scope, 'document');
  forgetRounds(ledger);
  return NOTHING_MISSING;
}

/** A lost document is no reason to send all later documents one by one, or to give them up sooner. */
function forgetRounds({ facts }: RunLedger): void {
  if ((facts.get(RUN_FACTS.rounds('document')) ?? 0) === 0) return;
  facts.set(RUN_FACTS.rounds('document'), 0);
  facts.set(RUN_FACTS.documentsSerially, false);
}

/**
 * After everything: both lists in full, doubles removed, and what was sent read back unless `--verify ids`.
 */
export async function verifyUpload(scope: RunScope, input: UploadInput): Promise<Settlement> {
  const { ledger } = scope;
  const links = collectLinks();
  const listing: Listing = { ...listingOf(scope, AFTER), onRow: links.onRow };
  if ((await untilListed(scope, 'document')) > 0) return sendAgain(scope, 'document');
  // Two passes that agree: only now is the list a proof, and only now are doubles all in it.
  if (wasSentAgain(ledger)) await untilStill(scope, listing);
  await listDocuments(scope, listing);
  ledger.listings.settle('document', listing.name);
  await removeDuplicates(scope, listing);
  await removeSecondLinks(scope, links.rows);
  if ((await untilListed(scope, 'file')) > 0) return sendAgain(scope, 'file');
  await listFiles(scope, listing);
  if (input.verify === 'ids') return NOTHING_MISSING;
  await readBackDocuments(scope, input);
  return proveZippedFiles(scope);
}

/** Two quiet times: an import that was given up was slower than one of them. */
const STILL_AFTER_QUIETS = 2;

/**
 * An import that was taken for lost may only be late: then its documents come once more, after all are there.
 */
async function untilStill(scope: RunScope, listing: Listing): Promise<void> {
  await untilQuiet(scope, {
    name: 'late imports',
    look: async () => {
      scope.heartbeat({ unit: null, what: 'waiting for late imports', bytes: 0, ofBytes: 0 });
      return listDocuments(scope, listing);
    },
    marker: ({ digest }) => digest,
    isDone: () => false,
    quietMs: scope.tuning.importQuietMs * STILL_AFTER_QUIETS,
  });
}

/** How many items were sent and are not in the list, when it has stopped growing. */
async function untilListed(
  scope: RunScope,
  kind: ItemKind,
  quietMs = scope.tuning.importQuietMs,
): Promise<number> {
  const { ledger } = scope;
  if (inDoubt(ledger, kind) === 0) return 0;
  const listing = listingOf(scope, AFTER);
  return untilQuiet(scope, {
    name: `listed ${kind}s`,
    look: async () => {
      await listPass(scope, listing, kind);
      ledger.listings.settle(kind, listing.name);
      return inDoubt(ledger, kind);
    },
    marker: String,
    isDone: (missing) => missing === 0,
    quietMs,
  });
}

function inDoubt(ledger: RunLedger, kind: ItemKind): number {
  const totals = ledger.plan.totals();
  const { sending, sent } = kind === 'document' ? totals.documents : totals.files;
  return sending + sent;
}

/**
 * Asks for the count, one small request, until it says that all may be there (true) or it has stopped growing
 * (false).
 */
async function waitForCount(scope: RunScope): Promise<boolean> {
  const { ledger, cloud, ref, signal } = scope;
  const { documents } = ledger.plan.totals();
  const expected = documents.skipped + documents.done + documents.sent + documents.sending;
  let best = 0;
  await untilQuiet(scope, {
    name: 'document count',
    look: async () => {
      best = Math.max(best, await cloud.documents.count(ref.cloudDatasetId, signal));
      const what = `the cloud has ${best} of ${expected} documents`;
      scope.heartbeat({ unit: null, what, bytes: 0, ofBytes: 0 });
      return best;
    },
    marker: String,
    isDone: (count) => count >= expected,
    quietMs: scope.tuning.importQuietMs,
  });
  return best >= expected;
}

/**
 * Plans missing items again, or gives them up after the last round. As one: a crash in between would cost a
 * round.
 */
function sendAgain(scope: RunScope, kind: ItemKind): Settlement {
  const { ledger } = scope;
  const { facts } = ledger;
  return ledger.together(() => {
    const round = (facts.get(RUN_FACTS.rounds(kind)) ?? 0) + 1;
    facts.set(RUN_FACTS.rounds(kind), round);
    ledger.audit('the cloud did not list everything', { kind, round });
    if (round > MAX_ROUNDS) return giveUp(ledger, kind);
    if (kind === 'document') {
      noteSentAgain(ledger);
      if (round > ROUNDS_BEFORE_SERIAL) facts.set(RUN_FACTS.documentsSerially, true);
    }
    return planAgain(scope, kind);
  });
}

const IN_DOUBT = ['sending', 'sent'] as const;

function giveUp(ledger: RunLedger, kind: ItemKind): Settlement {
  const lost: string[] = [];
  for (const item of ledger.items.each({ kind, states: IN_DOUBT })) lost.push(item.id);
  ledger.items.mark(kind, lost, {
    state: 'failed',
    errorCode: 'NDI_E_IMPORT_INCOMPLETE',
    errorDetail: `Sent ${MAX_ROUNDS + 1} times, never listed.`,
  });
  if (kind === 'document') forgetRounds(ledger);
  return NOTHING_MISSING;
}

function planAgain(scope: RunScope, kind: ItemKind): Settlement {
  const { ledger, tuning } = scope;
  // Files go one by one the second time: a zip told nothing about them.
  const { kind: filesKind, ...filesLimits } = fileUnitLimits(scope);
  const units = ledger.units.replan({
    kind,
    states: IN_DOUBT,
    ...(kind === 'document'
      ? {
          unitKind: 'documents',
          maxItems: tuning.documentsPerUnit,
          maxBytes: tuning.documentBytesPerUnit,
        }
      : { unitKind: filesKind, ...filesLimits }),
  });
  const [first] = units;
  if (first !== undefined) noteUnitsAgain(ledger, first.unit);
  return { missing: units.reduce((sum, unit) => sum + unit.itemCount, 0), newUnits: units.length };
}
