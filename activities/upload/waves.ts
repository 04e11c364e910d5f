/**
 * Documents go in waves, in `depends_on` order: a wave goes when the one before it was accepted. That a store says at once; that the
 * cloud lists what it accepted takes an import, which nothing tells the end of. So the list is asked for when all is out,
 * and before that only when much is out: an import that takes nothing in is noticed by then.
 */
import type { Ledger } from '../../ledger/types.ts';
import type { UnitBatch } from '../../workflows/steps.ts';
import { BATCH } from '../units.ts';
import { firstUnitAgain } from './again.ts';

/** Documents that are out and not listed, in full units: 30,000, or 300 MB at most. */
const MAX_UNITS_OUT = 15;

/** Units of one wave that may go now. `lastOfWave`: after them the list is due. */
export function nextDocumentUnits(ledger: Ledger, runKey: string, documentsPerUnit: number): UnitBatch {
  const open = openUnits(ledger, runKey);
  const { sending, sent } = ledger.planTotals(runKey).documents;
  let room = MAX_UNITS_OUT * documentsPerUnit - sending - sent;
  const units: number[] = [];
  for (const { unit, wave, itemCount } of open) {
    const fits = units.length < BATCH && itemCount <= room;
    if (wave !== open[0]?.wave || (units.length > 0 && !fits)) break;
    units.push(unit);
    room -= itemCount;
  }
  const next = open[units.length];
  return { units, lastOfWave: next === undefined || next.itemCount > room };
}

/** What was lost goes first and is settled alone, so that rounds count what they are about; no unit of later waves is out then. */
function openUnits(ledger: Ledger, runKey: string): ReturnType<Ledger['openUnits']> {
  const query = { kinds: ['documents'], limit: BATCH + 1 } as const;
  const from = firstUnitAgain(ledger, runKey);
  const again = from === undefined ? [] : ledger.openUnits(runKey, { ...query, from });
  return again.length > 0 ? again : ledger.openUnits(runKey, query);
}
