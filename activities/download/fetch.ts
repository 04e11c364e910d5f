/** Fetching one unit of a download. Whatever was fetched before a crash is there already and is not asked for again. */
import type { PlanItem } from '../../ledger/types.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { UnitBatch, UnitOutcome } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { workOff } from '../shared/alone.ts';
import { nextUnits, unitOutcome } from '../shared/units.ts';
import { buildDirOf } from './build-dir.ts';
import { fetchDocuments } from './fetch-documents.ts';
import { fetchFiles } from './fetch-files.ts';

export const nextDownloadUnits = async (
  { ledger }: RunScope,
  what: 'files' | 'documents',
): Promise<UnitBatch> => nextUnits(ledger, [what]);

export async function fetchUnit(
  scope: RunScope,
  input: DownloadInput,
  unitNumber: number,
): Promise<UnitOutcome> {
  const { ledger } = scope;
  const unit = ledger.units.get(unitNumber);
  const items = ledger.items.ofUnit(unitNumber).filter((item) => item.state === 'pending');
  if (items.length > 0) {
    const fetch = (some: readonly PlanItem[], isAlone: boolean): Promise<void> => {
      const fetching = { ...scope, input, unit, items: some };
      return unit.kind === 'documents'
        ? fetchDocuments(fetching, isAlone)
        : fetchFiles(fetching, buildDirOf(input));
    };
    await workOff(scope, unit, items, {
      together: (some) => fetch(some, false),
      alone: (item) => fetch([item], true),
    });
  }
  ledger.units.mark(unitNumber, { state: 'done' });
  return unitOutcome(ledger.items.ofUnit(unitNumber), unit.kind, scope.attempt);
}
