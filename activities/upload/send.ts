/**
 * Sending one unit. A unit goes pending → sending (written before the first byte) → sent (the store took the
 * bytes) → done. A unit found in `sending` has an unknown fate: files are looked up by their job, documents
 * are left to `settleDocuments`, which asks the cloud's list before anything is repeated.
 */
import { assertNever } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { UnitBatch, UnitOutcome } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { workOff } from '../shared/alone.ts';
import { nextUnits, unitOutcome } from '../shared/units.ts';
import { replaceDocuments } from './replace-documents.ts';
import { isAgain } from './resend.ts';
import { sendDocumentsSerially, sendDocumentsZipped } from './send-documents.ts';
import { sendFilesSerially } from './send-files.ts';
import { sendFileZip } from './send-zips.ts';
import type { Sending } from './sending.ts';
import { nextDocumentUnits } from './waves.ts';

export async function nextUploadUnits(
  { ledger, tuning }: RunScope,
  what: 'files' | 'documents',
): Promise<UnitBatch> {
  return what === 'files'
    ? nextUnits(ledger, ['file', 'file-zip', 'files'])
    : nextDocumentUnits(ledger, tuning.documentsPerUnit);
}

export async function sendUnit(
  scope: RunScope,
  input: UploadInput,
  unitNumber: number,
): Promise<UnitOutcome> {
  const { ledger } = scope;
  const unit = ledger.units.get(unitNumber);
  const all = ledger.items.ofUnit(unitNumber);
  const items = all.filter((item) => item.state === 'pending' || item.state === 'sending');
  if (unit.state !== 'done' && (items.length > 0 || unit.state === 'sent')) {
    await workOff(scope, unit, items, {
      together: (some) => send({ ...scope, input, unit, items: some }),
      alone: (item) => sendAlone({ ...scope, input, unit, items: [item] }),
    });
  }
  ledger.units.mark(unitNumber, { state: 'done' });
  const outcome = unitOutcome(ledger.items.ofUnit(unitNumber), unit.kind, scope.attempt);
  return isAgain(ledger, unitNumber) ? correction(outcome) : outcome;
}

/**
 * All items of a unit that is sent again were counted as transferred the first time: only new failures change
 * the counts.
 */
function correction({ documents, files, retries }: UnitOutcome): UnitOutcome {
  const failedOnly = ({ failed }: { failed: number }) => ({ transferred: 0 - failed, failed });
  return { documents: failedOnly(documents), files: failedOnly(files), bytes: 0, retries };
}

function send(scope: Sending): Promise<void> {
  switch (scope.unit.kind) {
    case 'file-zip':
      return sendFileZip(scope);
    case 'file':
    case 'files':
      return sendFilesSerially(scope);
    case 'documents':
      return isSerial(scope) ? sendDocumentsSerially(scope) : sendDocumentsZipped(scope);
    case 'replacements':
      return replaceDocuments(scope);
    default:
      return assertNever(scope.unit.kind);
  }
}

/** Without a zip: a request of its own for each item. */
function sendAlone(scope: Sending): Promise<void> {
  switch (scope.unit.kind) {
    case 'file-zip':
    case 'file':
    case 'files':
      return sendFilesSerially(scope);
    case 'documents':
      return sendDocumentsSerially(scope);
    case 'replacements':
      return replaceDocuments(scope);
    default:
      return assertNever(scope.unit.kind);
  }
}

/** Documents that an import lost twice are sent one by one, so that each gets an answer of its own. */
function isSerial({ ledger, input, unit }: Sending): boolean {
  const lostTwice = ledger.facts.get(RUN_FACTS.documentsSerially) === true;
  return input.strategy === 'serial' || (lostTwice && isAgain(ledger, unit.unit));
}
