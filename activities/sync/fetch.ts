/** Fetching one unit of what comes here. Documents wait in the ledger, files lie in their places at once. */
import { CourierError } from '../../errors/index.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import { stringifyDocument } from '../../ndi/document/codec.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { SyncRefs, UnitBatch, UnitOutcome } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { fetchFiles } from '../download/fetch-files.ts';
import { workOffPending } from '../shared/alone.ts';
import { readBack } from '../shared/read-back.ts';
import { failItem, nextUnits, type UnitScope } from '../shared/units.ts';
import { transferScope } from './transfers.ts';

export const nextSyncUnits = async (
  scope: RunScope,
  refs: SyncRefs,
  what: 'documents' | 'files',
): Promise<UnitBatch> => nextUnits(transferScope(scope, refs, 'down').ledger, [what]);

export const fetchSyncUnit = (
  scope: RunScope,
  input: SyncInput,
  refs: SyncRefs,
  unitNumber: number,
): Promise<UnitOutcome> => {
  const down = transferScope(scope, refs, 'down');
  return workOffPending(down, unitNumber, (unit, items) => {
    const fetching = { ...down, input, unit, items };
    return unit.kind === 'documents'
      ? fetchBodies(fetching, scope.ledger)
      : fetchFiles(fetching, input.datasetDir);
  });
};

async function fetchBodies(scope: UnitScope<SyncInput>, run: RunLedger): Promise<void> {
  const { ledger, unit } = scope;
  const left = new Map(scope.items.map((item) => [item.id, item]));
  const wanted = new Map(scope.items.map((item) => [item.id, item.cloudId as string]));
  const failures = await readBack(scope, `unit-${unit.unit}`, wanted, ({ ndiId, hash, document }) => {
    left.delete(ndiId);
    const text = stringifyDocument(document);
    ledger.together(() => {
      run.sync.keepBodies([{ id: ndiId, version: hash, text }]);
      ledger.items.mark('document', [ndiId], {
        state: 'sent',
        sizeBytes: Buffer.byteLength(text),
        cloudHash: hash,
        cloudHow: 'read-back',
      });
    });
  });
  for (const item of left.values()) {
    const detail = `Document ${item.id} is listed, but the cloud does not give it.`;
    failItem(scope, item, failures.get(item.id) ?? new CourierError('NDI_E_NOT_FOUND', { detail }));
  }
}
