/**
 * Documents that replace the cloud's. Each is one request that replaces the content under the same cloud id
 * (contract §2.5 E4); the same request twice does no harm. Compare-and-swap: the cloud's document is read
 * right before, and one that is not the planned one any more is left as it is.
 */
import { CourierError } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { readBack } from '../shared/read-back.ts';
import { failItem } from '../shared/units.ts';
import { oneByOne } from './send-documents.ts';
import type { Sending } from './sending.ts';

export async function replaceDocuments(scope: Sending): Promise<void> {
  const { ledger, cloud, ref, signal, unit } = scope;
  const wanted = new Map(scope.items.map((item) => [item.id, item.cloudId as string]));
  const current = new Map<string, string>();
  await readBack(scope, `replace-${unit.unit}`, wanted, ({ ndiId, hash }) => current.set(ndiId, hash));
  await oneByOne(scope, 'replacing documents', async (item, text) => {
    if (!mayReplace(scope, item, current.get(item.id))) return;
    ledger.items.mark('document', [item.id], { state: 'sending' });
    await cloud.documents.update(ref.cloudDatasetId, item.cloudId as string, text, signal);
    ledger.items.mark('document', [item.id], { state: 'sent' });
  });
}

/** False when the cloud's document moved since it was compared: it becomes a problem. */
function mayReplace(scope: Sending, item: PlanItem, current: string | undefined): boolean {
  const isPlanned = item.expectedHash === null || current === item.expectedHash;
  // An attempt before this one may have replaced it already.
  const isOurs =
    item.state === 'sending' && current === scope.ledger.items.get('document', item.id)?.sha256Hex;
  if (isPlanned || isOurs) return true;
  const detail =
    current === undefined ? `${item.id} is gone there.` : `${item.id} changed while the run worked.`;
  failItem(scope, item, new CourierError('NDI_E_CHANGED_THERE', { detail }));
  return false;
}
