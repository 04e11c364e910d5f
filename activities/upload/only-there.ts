/** What the cloud lists and this folder does not have. */
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { ItemKind } from '../../ledger/types.ts';
import { type Batches, inBatches } from '../shared/batches.ts';

/** Collects ids for the differences of the run. An item that both sides had once is gone here. */
export function onlyThere({ differences, dataset }: RunLedger, kind: ItemKind): Batches<string> {
  const goneHere = inBatches<{ id: string }>((items) => differences.add(kind, 'goneHere', items));
  const onlyInCloud = inBatches<{ id: string }>((items) => differences.add(kind, 'onlyInCloud', items));
  return {
    add: (id) => {
      const wasHere = dataset.base.item(kind, id)?.local.how != null;
      (wasHere ? goneHere : onlyInCloud).add({ id });
    },
    flush: () => {
      goneHere.flush();
      onlyInCloud.flush();
    },
  };
}
