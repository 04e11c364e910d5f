/**
 * Has the cloud taken in what was sent? Imports are asynchronous and silent (contract §3.4), so the only answer is the
 * cloud's own list, asked until nothing is missing or nothing has moved for the quiet time.
 */
import type { ItemKind, Ledger } from '../../ledger/types.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { RunRef, Settlement } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { documentPass, filePass, type ListingRef, listDocuments, listFiles } from '../listing.ts';
import { pollMs, sleep } from '../sleep.ts';
import { noteSentAgain, noteUnitsAgain, wasSentAgain } from './again.ts';
import { removeDuplicates } from './duplicates.ts';

/** Rounds of sending what an import lost; the last ones go one by one, so that a refusal has a reason. */
const ROUNDS_BEFORE_SERIAL = 1;
const MAX_ROUNDS = 3;

/** After documents were sent. What is missing is planned again, or given up after a few rounds. */
export async function settleDocuments(
  deps: StepDeps,
  context: StepContext,
  _input: UploadInput,
  ref: RunRef,
): Promise<Settlement> {
  const listing = listingRef(deps, ref);
  const missing = await untilListed(context, listing, 'document', () => waitForCount(context, listing, ref));
  if (missing > 0) return sendAgain(listing.ledger, ref, 'document');
  forgetRounds(listing.ledger, ref.runKey);
  return { missing, newUnits: 0 };
}

/** What was lost once is no reason to send all later documents one by one, or to give them up sooner. */
function forgetRounds(ledger: Ledger, runKey: string): void {
  if ((ledger.fact(runKey, 'document rounds') ?? '0') === '0') return;
  ledger.setFact(runKey, 'document rounds', '0');
  ledger.setFact(runKey, 'documentsSerially', 'no');
}

/** After everything: both lists in full, doubles removed. */
export async function verifyUpload(
  deps: StepDeps,
  context: StepContext,
  _input: UploadInput,
  ref: RunRef,
): Promise<Settlement> {
  const listing = listingRef(deps, ref);
  const { ledger } = listing;
  const documents = await untilListed(context, listing, 'document', nothing);
  if (documents > 0) return sendAgain(ledger, ref, 'document');
  // Two passes that agree: only now is the list a proof, and only now are doubles all in it.
  if (wasSentAgain(ledger, ref.runKey)) await untilStill(context, listing);
  await listDocuments(context, listing);
  ledger.settleByListing(ref.runKey, 'document', listing.name);
  await removeDuplicates(context, listing, ref);
  const files = await untilListed(context, listing, 'file', nothing);
  if (files > 0) return sendAgain(ledger, ref, 'file');
  await listFiles(context, listing);
  return { missing: 0, newUnits: 0 };
}

/** Of the quiet time: an import that was given up was slower than that once. */
const STILL_AFTER_QUIETS = 2;

/** An import that was taken for lost may only be late: then its documents come once more, after all are there. */
async function untilStill(context: StepContext, listing: ListingRef): Promise<void> {
  let { digest } = await listDocuments(context, listing);
  let lastChange = Date.now();
  for (let n = 0; Date.now() - lastChange < listing.quietMs * STILL_AFTER_QUIETS; n += 1) {
    context.beat({ unit: null, what: 'waiting for late imports', bytes: 0, ofBytes: 0 });
    await sleep(pollMs(n, listing.pollMinMs, listing.pollMaxMs), context.signal);
    const now = await listDocuments(context, listing);
    if (now.digest !== digest) lastChange = Date.now();
    digest = now.digest;
  }
}

const nothing = async (): Promise<void> => {};

function listingRef(deps: StepDeps, ref: RunRef): ListingRef {
  return {
    ledger: deps.ledgers.open(ref.ledgerPath),
    runKey: ref.runKey,
    cloud: deps.cloud(ref.cloud),
    datasetId: ref.cloudDatasetId,
    name: 'after',
    pollMinMs: ref.tuning.pollMinMs,
    pollMaxMs: ref.tuning.pollMaxMs,
    quietMs: ref.tuning.importQuietMs,
  };
}

/** How many items were sent and are not in the list, when it has stopped growing. */
async function untilListed(
  context: StepContext,
  listing: ListingRef,
  kind: ItemKind,
  cheapWait: () => Promise<void>,
): Promise<number> {
  const { ledger, runKey } = listing;
  let missing = inDoubt(ledger, runKey, kind);
  let lastChange = Date.now();
  for (let n = 0; missing > 0; n += 1) {
    await cheapWait();
    await (kind === 'document' ? documentPass(context, listing) : filePass(context, listing));
    ledger.settleByListing(runKey, kind, listing.name);
    const now = inDoubt(ledger, runKey, kind);
    if (now < missing) lastChange = Date.now();
    missing = now;
    if (missing === 0 || Date.now() - lastChange > listing.quietMs) break;
    await sleep(pollMs(n, listing.pollMinMs, listing.pollMaxMs), context.signal);
  }
  return missing;
}

function inDoubt(ledger: Ledger, runKey: string, kind: ItemKind): number {
  const totals = ledger.planTotals(runKey);
  const { sending, sent } = kind === 'document' ? totals.documents : totals.files;
  return sending + sent;
}

/** Asks for the count, one small request, until it says that all may be there or it has stopped growing. */
async function waitForCount(context: StepContext, listing: ListingRef, ref: RunRef): Promise<void> {
  const { ledger, cloud, datasetId, quietMs, pollMinMs, pollMaxMs } = listing;
  const { documents } = ledger.planTotals(ref.runKey);
  const expected = documents.skipped + documents.done + documents.sent + documents.sending;
  let best = -1;
  let lastChange = Date.now();
  for (let n = 0; Date.now() - lastChange <= quietMs; n += 1) {
    const count = await cloud.documents.count(datasetId, context.signal);
    if (count >= expected) return;
    if (count > best) {
      best = count;
      lastChange = Date.now();
    }
    context.beat({
      unit: null,
      what: `the cloud has ${count} of ${expected} documents`,
      bytes: 0,
      ofBytes: 0,
    });
    await sleep(pollMs(n, pollMinMs, pollMaxMs), context.signal);
  }
}

/** Plans what is missing again, or gives it up after the last round. As one: a crash in between would cost a round. */
function sendAgain(ledger: Ledger, ref: RunRef, kind: ItemKind): Settlement {
  return ledger.together(() => {
    const { runKey } = ref;
    const round = Number(ledger.fact(runKey, `${kind} rounds`) ?? 0) + 1;
    ledger.setFact(runKey, `${kind} rounds`, String(round));
    ledger.audit(runKey, 'the cloud did not list everything', { kind, round });
    if (round > MAX_ROUNDS) return giveUp(ledger, runKey, kind);
    if (kind === 'document') {
      noteSentAgain(ledger, runKey);
      if (round > ROUNDS_BEFORE_SERIAL) ledger.setFact(runKey, 'documentsSerially', 'yes');
    }
    return planAgain(ledger, ref, kind);
  });
}

const IN_DOUBT = ['sending', 'sent'] as const;

function giveUp(ledger: Ledger, runKey: string, kind: ItemKind): Settlement {
  const lost: string[] = [];
  for (const item of ledger.items(runKey, { kind, states: IN_DOUBT })) lost.push(item.id);
  ledger.markItems(runKey, kind, lost, {
    state: 'failed',
    errorCode: 'NDI_E_IMPORT_INCOMPLETE',
    errorDetail: `Sent ${MAX_ROUNDS + 1} times, never listed.`,
  });
  if (kind === 'document') forgetRounds(ledger, runKey);
  return { missing: 0, newUnits: 0 };
}

function planAgain(ledger: Ledger, { runKey, tuning }: RunRef, kind: ItemKind): Settlement {
  const units = ledger.replan(runKey, {
    kind,
    states: IN_DOUBT,
    // Files go one by one the second time: a zip told nothing about them.
    unitKind: kind === 'document' ? 'documents' : 'files',
    maxItems: kind === 'document' ? tuning.documentsPerUnit : 256,
    maxBytes: kind === 'document' ? tuning.documentBytesPerUnit : 1_000_000_000,
  });
  const [first] = units;
  if (first !== undefined) noteUnitsAgain(ledger, runKey, first.unit);
  return { missing: units.reduce((sum, unit) => sum + unit.itemCount, 0), newUnits: units.length };
}
