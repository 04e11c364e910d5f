/** The plan of what comes here: documents whose text is not at hand yet, and files. */
import { packUnits } from '../../ledger/pack.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { NewPlanItem } from '../../ledger/types.ts';
import type { RunScope } from '../deps.ts';
import { createItemWriter, firstFreeUnit } from '../shared/units.ts';
import { DOWN_ACTIONS } from './summary.ts';

/**
 * Documents only; files are planned when the documents that name them are at hand. Called again when an
 * approval has released what was held back.
 */
export function planDown(run: RunLedger, down: RunScope): void {
  // All or nothing: what the plan had fetched already must not be forgotten by an attempt that dies.
  down.ledger.together(() => planItems(run, down));
}

function planItems(run: RunLedger, { ledger, ref, tuning }: RunScope): void {
  const { cloudDatasetId } = ref;
  const isPlanned = ledger.plan.state() === 'sealed';
  if (isPlanned) ledger.plan.reopen();
  else ledger.plan.begin({ operation: 'sync', direction: 'down', cloudDatasetId });
  const items = createItemWriter(ledger);
  let nextUnit = firstFreeUnit(ledger);
  const units = packUnits(
    { kind: 'documents', maxItems: tuning.documentsPerUnit, maxBytes: Number.POSITIVE_INFINITY },
    () => nextUnit++,
    (unit) => ledger.units.add([unit]),
  );
  for (const decision of run.sync.decisions({ kind: 'document', actions: DOWN_ACTIONS, held: false })) {
    const { id, cloudId, local, cloud, name } = decision;
    if (isPlanned && ledger.items.get('document', id) !== undefined) continue;
    const known = run.sync.bodyVersion(id);
    const isMade = decision.action === 'update-both' || decision.action === 'add-both';
    const isHere = known !== undefined && (isMade || cloud === null || known === cloud);
    const item: NewPlanItem = {
      kind: 'document',
      id,
      unit: isHere ? null : units.add(0),
      action: local === null ? 'add' : 'replace',
      state: isHere ? 'sent' : 'pending',
      sizeBytes: 0,
      cloudId,
      // The local document that it takes the place of.
      expectedHash: local,
      cloudHash: cloud,
      name,
    };
    items.add(item);
  }
  items.flush();
  units.close();
  ledger.plan.seal();
}
