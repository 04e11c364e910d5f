/** A run notes that it sent documents again whose first sending may still be at work: they may come twice, and late. */
import type { Ledger } from '../../ledger/types.ts';

const SENT_AGAIN = 'documents sent again';

export const noteSentAgain = (ledger: Ledger, runKey: string): void =>
  ledger.setFact(runKey, SENT_AGAIN, 'yes');

export const wasSentAgain = (ledger: Ledger, runKey: string): boolean =>
  ledger.fact(runKey, SENT_AGAIN) === 'yes';
