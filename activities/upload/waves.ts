/**
 * Documents go in waves, in `depends_on` order: a wave goes when the one before it was accepted. The object
 * store confirms at once. The cloud lists documents only after an asynchronous import, and no API reports
 * when it is done. So the list is asked for when all is out, and before that only when much is out: an import
 * service that takes nothing in is noticed by then.
 */
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { PlanUnit } from '../../ledger/types.ts';
import type { UnitBatch } from '../../workflows/steps.ts';
import { BATCH } from '../shared/units.ts';
import { firstUnitAgain } from './resend.ts';

/** Documents that are out and not listed, in full units: 30,000, or 300 MB at most. */
const MAX_UNITS_OUT = 15;

/** Units of one wave that may go now. `lastOfWave`: after them the list is due. */
export function nextDocumentUnits(ledger: RunLedger, documentsPerUnit: number): UnitBatch {
  const open = openUnits(ledger);
  const { sending, sent } = ledger.plan.totals().documents;
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

/**
 * Lost documents go first and are settled alone, so that rounds count what they are about; no unit of later
 * waves is out then.
 */
function openUnits(ledger: RunLedger): PlanUnit[] {
  const query = { kinds: ['documents', 'replacements'], limit: BATCH + 1 } as const;
  const from = firstUnitAgain(ledger);
  const again = from === undefined ? [] : ledger.units.open({ ...query, from });
  return again.length > 0 ? again : ledger.units.open(query);
}
