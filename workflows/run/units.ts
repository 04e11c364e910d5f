/** Units in flight: at most `progress.window` at once, which a person may change meanwhile. */
import { CancellationScope, condition } from '@temporalio/workflow';
import type { UnitOutcome } from '../steps.ts';
import { countUnit } from './progress.ts';
import type { RunView } from './view.ts';

/**
 * Works off `units` and resolves when all have ended. The first failure stops new units; those in flight end
 * by themselves, so that nothing is left half known, and then the failure is thrown.
 */
export async function runUnits(
  view: RunView,
  units: readonly number[],
  work: (unit: number) => Promise<UnitOutcome>,
): Promise<void> {
  const { progress } = view;
  const queue = [...units];
  let inFlight = 0;
  const failures: unknown[] = [];
  const changeInFlight = (change: 1 | -1): void => {
    inFlight += change;
    progress.units = { ...progress.units, inFlight };
    view.show();
  };
  const runUnit = async (unit: number): Promise<void> => {
    changeInFlight(1);
    try {
      countUnit(progress, await work(unit));
    } catch (error) {
      failures.push(error);
    } finally {
      changeInFlight(-1);
    }
  };
  const hasRoom = (): boolean => failures.length > 0 || (inFlight < progress.window && !progress.paused);
  view.unitsBegin();
  try {
    while (queue.length > 0 && failures.length === 0) {
      await condition(hasRoom);
      if (failures.length === 0) void runUnit(queue.shift() as number);
    }
  } catch (error) {
    failures.push(error);
  }
  await CancellationScope.nonCancellable(() => condition(() => inFlight === 0));
  view.unitsEnd();
  if (failures.length > 0) throw failures[0];
}
