/** The one loop that moves units: asks for the next ones, works them off, until there are none. */
import type { Operation } from '../operations.ts';
import type { UnitBatch, UnitOutcome } from '../steps.ts';
import type { Run } from './run.ts';

export interface Transfer {
  /** The units to go next; none ends the loop. */
  next(): Promise<UnitBatch>;
  work(unit: number): Promise<UnitOutcome>;
  /** Called after each batch; resolves with the number of units that it planned anew. */
  after?(batch: UnitBatch): Promise<number>;
}

/** Continues the run as new between two batches when this execution has done its share. */
export async function transferUnits<O extends Operation>(run: Run<O>, transfer: Transfer): Promise<void> {
  for (;;) {
    const batch = await transfer.next();
    await run.runUnits(batch.units, (unit) => transfer.work(unit));
    const newUnits = (await transfer.after?.(batch)) ?? 0;
    run.growUnits(newUnits);
    if (batch.units.length === 0 && newUnits === 0) return;
    if (run.shouldContinueAsNew()) await run.continueAsNew();
  }
}
