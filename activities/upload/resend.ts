/** Documents that are sent a second time, and what a run has to remember of them. */
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';

/** Documents go again whose first sending may still be at work: they may come twice, and late. */
export const noteSentAgain = (ledger: RunLedger): void =>
  ledger.facts.set(RUN_FACTS.documentsSentAgain, true);

export const wasSentAgain = (ledger: RunLedger): boolean =>
  ledger.facts.get(RUN_FACTS.documentsSentAgain) === true;

/**
 * Units are numbered in creation order: every unit from `firstUnit` on contains only items that were already
 * sent once.
 */
export function noteUnitsAgain(ledger: RunLedger, firstUnit: number): void {
  if (firstUnitAgain(ledger) === undefined) ledger.facts.set(RUN_FACTS.firstUnitSentAgain, firstUnit);
}

export const firstUnitAgain = (ledger: RunLedger): number | undefined =>
  ledger.facts.get(RUN_FACTS.firstUnitSentAgain);

export const isAgain = (ledger: RunLedger, unit: number): boolean =>
  unit >= (firstUnitAgain(ledger) ?? Number.POSITIVE_INFINITY);
