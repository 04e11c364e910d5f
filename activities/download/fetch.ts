/**
 * Fetching one unit of a download. Whatever was fetched before a crash is there already and is not asked for
 * again.
 */
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { UnitBatch, UnitOutcome } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { workOffPending } from '../shared/alone.ts';
import { nextUnits } from '../shared/units.ts';
import { buildDirOf } from './build-dir.ts';
import { fetchDocuments } from './fetch-documents.ts';
import { fetchFiles } from './fetch-files.ts';

export const nextDownloadUnits = async (
  { ledger }: RunScope,
  what: 'files' | 'documents',
): Promise<UnitBatch> => nextUnits(ledger, [what]);

export const fetchUnit = (scope: RunScope, input: DownloadInput, unitNumber: number): Promise<UnitOutcome> =>
  workOffPending(scope, unitNumber, (unit, items, isAlone) => {
    const fetching = { ...scope, input, unit, items };
    return unit.kind === 'documents'
      ? fetchDocuments(fetching, isAlone)
      : fetchFiles(fetching, buildDirOf(input));
  });
