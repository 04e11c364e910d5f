/** What is sent a second time, and what a run has to remember of it. */
import type { Ledger } from '../../ledger/types.ts';

const SENT_AGAIN = 'documents sent again';
const FIRST_UNIT = 'first unit sent again';

/** Documents go again whose first sending may still be at work: they may come twice, and late. */
export const noteSentAgain = (ledger: Ledger, runKey: string): void =>
  ledger.setFact(runKey, SENT_AGAIN, 'yes');

export const wasSentAgain = (ledger: Ledger, runKey: string): boolean =>
  ledger.fact(runKey, SENT_AGAIN) === 'yes';

/** From this unit on, all hold what was sent before: units are numbered as they are made. */
export function noteUnitsAgain(ledger: Ledger, runKey: string, firstUnit: number): void {
  if (firstUnitAgain(ledger, runKey) === undefined) ledger.setFact(runKey, FIRST_UNIT, String(firstUnit));
}

export function firstUnitAgain(ledger: Ledger, runKey: string): number | undefined {
  const unit = ledger.fact(runKey, FIRST_UNIT);
  return unit === undefined ? undefined : Number(unit);
}

export const isAgain = (ledger: Ledger, runKey: string, unit: number): boolean =>
  unit >= (firstUnitAgain(ledger, runKey) ?? Number.POSITIVE_INFINITY);
