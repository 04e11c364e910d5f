/**
 * The files that come here: those that the planner decided on, and those that the fetched documents name.
 * They go before the documents that point to them (peers §3.1, rule 14).
 */
import { ensureSpace } from '../../disk/free-space.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import { packUnits } from '../../ledger/pack.ts';
import type { NewPlanItem, NewPlanUnit } from '../../ledger/types.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { isSafeName } from '../../ndi/ids.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { PlanSummary, SyncRefs } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { createPacer } from '../shared/poll.ts';
import { fileUnitLimits, firstFreeUnit } from '../shared/units.ts';
import { CLOUD } from './observe-local.ts';
import { DOWN_ACTIONS, summaryOf } from './summary.ts';
import { transferScope } from './transfers.ts';

export async function planSyncFiles(scope: RunScope, input: SyncInput, refs: SyncRefs): Promise<PlanSummary> {
  const down = transferScope(scope, refs, 'down');
  if (input.files !== 'none') await addFiles(scope, input, down);
  return summaryOf(scope.ledger, [down.ledger]);
}

interface NamedFile {
  readonly documentId: string | null;
  readonly name: string | null;
}

async function addFiles(scope: RunScope, input: SyncInput, { ledger }: RunScope): Promise<void> {
  const named = new Map<string, NamedFile>();
  for (const { id } of scope.ledger.sync.decisions({ kind: 'file', actions: DOWN_ACTIONS, held: false })) {
    const { documentId = null, name = null } = scope.ledger.sync.observation('cloud', 'file', id) ?? {};
    named.set(id, { documentId, name });
  }
  const brings = input.files === 'all' || scope.ledger.facts.get(RUN_FACTS.isHybrid) !== true;
  if (brings) await nameNew(scope, ledger, named);
  const items: NewPlanItem[] = [];
  const units: NewPlanUnit[] = [];
  let nextUnit = firstFreeUnit(ledger);
  const pack = packUnits(
    fileUnitLimits(scope),
    () => nextUnit++,
    (unit) => units.push(unit),
  );
  for (const [id, { documentId, name }] of named) {
    if (ledger.items.get('file', id) !== undefined) continue;
    const sizeBytes = scope.ledger.listings.row('file', CLOUD, id)?.sizeBytes ?? 0;
    const unit = pack.add(sizeBytes);
    items.push({ kind: 'file', id, unit, state: 'pending', sizeBytes, documentId, name });
  }
  pack.close();
  if (items.length === 0) return;
  // Said now, not after a night of filling the disk.
  await ensureSpace(
    input.datasetDir,
    units.reduce((sum, unit) => sum + unit.sizeBytes, 0),
  );
  ledger.together(() => {
    ledger.plan.reopen();
    ledger.units.add(units);
    ledger.items.add(items);
    ledger.plan.seal();
  });
}

/** Files of the fetched documents that the cloud lists and that are not here. */
async function nameNew(
  scope: RunScope,
  down: RunScope['ledger'],
  named: Map<string, NamedFile>,
): Promise<void> {
  const { sync, listings } = scope.ledger;
  const pause = createPacer(scope, (count) => `looking for files: ${count}`);
  for (const { id } of down.items.each({ kind: 'document', states: ['sent'] })) {
    await pause();
    const body = sync.body(id);
    if (body === undefined) continue;
    for (const { name, locations } of describeDocument(parseDocument(body.text)).files) {
      for (const { uid } of locations) {
        const listed = listings.row('file', CLOUD, uid);
        const isThere = listed !== undefined && listed.uploaded !== false;
        if (!isThere || !isSafeName(uid) || named.has(uid)) continue;
        if (sync.observation('local', 'file', uid) === undefined) named.set(uid, { documentId: id, name });
      }
    }
  }
}
