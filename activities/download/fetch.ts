/** Fetching one unit of a download. Whatever was fetched before a crash is there already and is not asked for again. */
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { RunRef, UnitBatch, UnitOutcome } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { nextUnits, unitOutcome } from '../units.ts';
import { fetchDocuments } from './fetch-documents.ts';
import { fetchFiles } from './fetch-files.ts';

export async function nextDownloadUnits(
  deps: StepDeps,
  _context: StepContext,
  ref: RunRef,
  what: 'files' | 'documents',
): Promise<UnitBatch> {
  return nextUnits(deps.ledgers.open(ref.ledgerPath), ref.runKey, [what]);
}

export async function fetchUnit(
  deps: StepDeps,
  step: StepContext,
  input: DownloadInput,
  ref: RunRef,
  unitNumber: number,
): Promise<UnitOutcome> {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const unit = ledger.unit(ref.runKey, unitNumber);
  const items = ledger.unitItems(ref.runKey, unitNumber).filter((item) => item.state === 'pending');
  if (items.length > 0) {
    const context = { deps, step, input, ref, unit, items };
    await (unit.kind === 'documents' ? fetchDocuments(context) : fetchFiles(context));
  }
  ledger.markUnit(ref.runKey, unitNumber, { state: 'done' });
  return unitOutcome(ledger.unitItems(ref.runKey, unitNumber), unit.kind, step.attempt);
}
