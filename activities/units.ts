/** Units as steps see them: handed out to a workflow a few at a time, worked off, summed up. */
import type { CourierError } from '../errors/index.ts';
import type { Ledger, PlanItem, PlanUnit, UnitKind } from '../ledger/types.ts';
import type { RunRef, UnitBatch, UnitOutcome } from '../workflows/steps.ts';
import type { StepContext, StepDeps } from './deps.ts';

/** What working off one unit needs of the world. */
export interface UnitContext<Input> {
  readonly deps: StepDeps;
  readonly step: StepContext;
  readonly input: Input;
  readonly ref: RunRef;
  readonly unit: PlanUnit;
  /** The unit's items that are not settled yet. */
  readonly items: readonly PlanItem[];
}

/** Numbers of one batch fit a payload many times over, and a batch is short enough for a window to be changed. */
export const BATCH = 200;

/** Units of the lowest wave that is not done. */
export function nextUnits(ledger: Ledger, runKey: string, kinds: readonly UnitKind[]): UnitBatch {
  const open = ledger.openUnits(runKey, { kinds, limit: BATCH + 1 });
  const wave = open[0]?.wave;
  const ofWave = open.filter((unit) => unit.wave === wave);
  const units = ofWave.slice(0, BATCH).map((unit) => unit.unit);
  return { units, lastOfWave: ofWave.length <= BATCH };
}

/** The unit's own sums, whatever tries it took: a repeated step reports the same. */
export function unitOutcome(
  items: readonly PlanItem[],
  kind: PlanUnit['kind'],
  attempt: number,
): UnitOutcome {
  const moved = items.filter(
    (item) => item.state === 'sent' || item.state === 'done' || item.state === 'sending',
  );
  const counted = {
    transferred: moved.length,
    failed: items.filter((item) => item.state === 'failed').length,
  };
  const nothing = { transferred: 0, failed: 0 };
  return {
    documents: kind === 'documents' ? counted : nothing,
    files: kind === 'documents' ? nothing : counted,
    bytes: moved.reduce((sum, item) => sum + item.sizeBytes, 0),
    retries: attempt - 1,
  };
}

/** Marks one item as a problem; its unit goes on without it. */
export function failItem(
  { deps, ref }: { readonly deps: StepDeps; readonly ref: RunRef },
  item: Pick<PlanItem, 'kind' | 'id'>,
  error: CourierError,
): void {
  deps.ledgers.open(ref.ledgerPath).markItems(ref.runKey, item.kind, [item.id], {
    state: 'failed',
    errorCode: error.code,
    errorDetail: error.detail ?? error.message,
  });
}
