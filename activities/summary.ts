/** A plan's sums, in the words of the contracts. */
import type { KindTotals, Ledger } from '../ledger/types.ts';
import type { Counts } from '../workflows/contracts/index.ts';
import type { PlanSummary } from '../workflows/steps.ts';

export function counts(totals: KindTotals): Counts {
  return {
    total: totals.total,
    transferred: totals.sent + totals.done,
    skipped: totals.skipped,
    failed: totals.failed,
  };
}

export function planSummary(ledger: Ledger, runKey: string): PlanSummary {
  const totals = ledger.planTotals(runKey);
  return {
    documents: counts(totals.documents),
    files: counts(totals.files),
    bytes: totals.documents.bytesToMove + totals.files.bytesToMove,
    units: totals.units,
    problemCount: ledger.problemCount(runKey),
  };
}
