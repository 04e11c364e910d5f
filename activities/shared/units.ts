/**
 * Units as activities see them: packed when a plan is made, handed out to a workflow a few at a time, worked
 * off, summed up.
 */
import { type CourierError, isAboutItem } from '../../errors/index.ts';
import type { UnitLimits } from '../../ledger/pack.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { NewPlanItem, PlanItem, PlanUnit, UnitKind } from '../../ledger/types.ts';
import type { UnitBatch, UnitOutcome } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { type Batches, inBatches } from './batches.ts';

/** The scope of one unit. */
export interface UnitScope<Input> extends RunScope {
  readonly input: Input;
  readonly unit: PlanUnit;
  /** The unit's items that are not settled yet. */
  readonly items: readonly PlanItem[];
}

/**
 * Numbers of one batch fit a payload many times over, and a batch is short enough for a window to be changed.
 */
export const BATCH = 200;

/** Units of the lowest wave that is not done. */
export function nextUnits(ledger: RunLedger, kinds: readonly UnitKind[]): UnitBatch {
  const open = ledger.units.open({ kinds, limit: BATCH + 1 });
  const wave = open[0]?.wave;
  const ofWave = open.filter((unit) => unit.wave === wave);
  const units = ofWave.slice(0, BATCH).map((unit) => unit.unit);
  return { units, lastOfWave: ofWave.length <= BATCH };
}

/** The unit's own sums, whatever attempts it took: a repeated activity reports the same. */
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
  const isOfDocuments = kind === 'documents' || kind === 'replacements';
  return {
    documents: isOfDocuments ? counted : nothing,
    files: isOfDocuments ? nothing : counted,
    bytes: moved.reduce((sum, item) => sum + item.sizeBytes, 0),
    retries: attempt - 1,
  };
}

/** Marks one item as a problem; its unit goes on without it. */
export function failItem(
  { ledger }: Pick<RunScope, 'ledger'>,
  item: Pick<PlanItem, 'kind' | 'id'>,
  error: CourierError,
): void {
  ledger.items.mark(item.kind, [item.id], {
    state: 'failed',
    errorCode: error.code,
    errorDetail: error.detail ?? error.message,
  });
}

/** Does `work`; an error of this one item becomes a problem, everything else is thrown. */
export async function unlessAboutItem(
  scope: Pick<RunScope, 'ledger'>,
  item: Pick<PlanItem, 'kind' | 'id'>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isAboutItem(error)) throw error;
    failItem(scope, item, error);
  }
}

/** A plan item that is a problem before anything moves. */
export const failedItem = (
  item: Pick<NewPlanItem, 'kind' | 'id'> & Partial<NewPlanItem>,
  error: CourierError,
): NewPlanItem => ({
  sizeBytes: 0,
  ...item,
  unit: null,
  action: 'none',
  state: 'failed',
  errorCode: error.code,
  errorDetail: error.detail ?? error.message,
});

/** Writes plan items in batches. */
export const createItemWriter = (ledger: RunLedger): Batches<NewPlanItem> =>
  inBatches((items) => ledger.items.add(items));

/** The number of the first unit that the plan does not have. */
export function firstFreeUnit(ledger: RunLedger): number {
  let next = 0;
  const kinds = ['documents', 'replacements', 'file-zip', 'file', 'files'] as const;
  for (let page = ledger.units.list({ kinds, limit: 1_000 }); page.length > 0; ) {
    next = (page.at(-1)?.unit ?? 0) + 1;
    page = ledger.units.list({ kinds, after: next - 1, limit: 1_000 });
  }
  return next;
}

/** Limits of units whose files move one by one. */
export const fileUnitLimits = ({ tuning }: Pick<RunScope, 'tuning'>): UnitLimits => ({
  kind: 'files',
  maxItems: tuning.filesPerUnit,
  maxBytes: tuning.fileBytesPerUnit,
});
