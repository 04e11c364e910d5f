/**
 * Sending one unit. A unit goes pending → sending (written before the first byte) → sent (the store took the bytes) →
 * done. A unit found in `sending` has an unknown fate: files are looked up by their job, documents are left to
 * `settleDocuments`, which asks the cloud's list before anything is repeated.
 */
import { assertNever } from '../../errors/index.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { RunRef, UnitBatch, UnitOutcome } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { nextUnits, type UnitContext, unitOutcome } from '../units.ts';
import { isAgain } from './again.ts';
import { sendDocumentsSerially, sendDocumentsZipped } from './send-documents.ts';
import { sendFilesSerially, sendFileZip } from './send-files.ts';
import { nextDocumentUnits } from './waves.ts';

export async function nextUploadUnits(
  deps: StepDeps,
  _context: StepContext,
  ref: RunRef,
  what: 'files' | 'documents',
): Promise<UnitBatch> {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  return what === 'files'
    ? nextUnits(ledger, ref.runKey, ['file', 'file-zip', 'files'])
    : nextDocumentUnits(ledger, ref.runKey, ref.tuning.documentsPerUnit);
}

export async function sendUnit(
  deps: StepDeps,
  step: StepContext,
  input: UploadInput,
  ref: RunRef,
  unitNumber: number,
): Promise<UnitOutcome> {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const unit = ledger.unit(ref.runKey, unitNumber);
  const all = ledger.unitItems(ref.runKey, unitNumber);
  const items = all.filter((item) => item.state === 'pending' || item.state === 'sending');
  if (unit.state !== 'done' && (items.length > 0 || unit.state === 'sent')) {
    await send({ deps, step, input, ref, unit, items });
  }
  ledger.markUnit(ref.runKey, unitNumber, { state: 'done' });
  const outcome = unitOutcome(ledger.unitItems(ref.runKey, unitNumber), unit.kind, step.attempt);
  return isAgain(ledger, ref.runKey, unitNumber) ? correction(outcome) : outcome;
}

/** All items of a unit that is sent again were counted as transferred the first time: only what failed now is news. */
function correction({ documents, files, retries }: UnitOutcome): UnitOutcome {
  const failedOnly = ({ failed }: { failed: number }) => ({ transferred: 0 - failed, failed });
  return { documents: failedOnly(documents), files: failedOnly(files), bytes: 0, retries };
}

function send(context: UnitContext<UploadInput>): Promise<void> {
  switch (context.unit.kind) {
    case 'file-zip':
      return sendFileZip(context);
    case 'file':
    case 'files':
      return sendFilesSerially(context);
    case 'documents':
      return isSerial(context) ? sendDocumentsSerially(context) : sendDocumentsZipped(context);
    default:
      return assertNever(context.unit.kind);
  }
}

/** Documents that an import lost twice are sent one by one, so that each gets an answer of its own. */
function isSerial({ deps, input, ref, unit }: UnitContext<UploadInput>): boolean {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const lostTwice = ledger.fact(ref.runKey, 'documentsSerially') === 'yes';
  return input.strategy === 'serial' || (lostTwice && isAgain(ledger, ref.runKey, unit.unit));
}
