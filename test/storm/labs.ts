/** Runs storms side by side, each on a lab of its own; most of a storm is waiting. */

import { createHarness, type Harness } from '../cli/harness.ts';
import { createLab, type Lab } from '../support/lab.ts';
import { type StormReport, stormInProcess } from './in-process.ts';
import { stormWithProcesses } from './with-processes.ts';

type Storms = (count: number, seeds: Iterable<number>, seen: (report: StormReport) => void) => Promise<void>;

/** Runs storms in this process, `count` labs side by side. Calls `seen` with each report as it comes. */
export const stormsInLabs: Storms = (count, seeds, seen) =>
  sideBySide(count, seeds, { open: () => createLab(), storm: stormInProcess, seen });

/** Runs storms with real processes, `count` services side by side. */
export const stormsWithProcesses: Storms = (count, seeds, seen) =>
  sideBySide(count, seeds, { open: () => createHarness(), storm: stormWithProcesses, seen });

async function sideBySide<Place extends Lab | Harness>(
  count: number,
  seeds: Iterable<number>,
  {
    open,
    storm,
    seen,
  }: {
    readonly open: () => Promise<Place>;
    readonly storm: (place: Place, seed: number) => Promise<StormReport>;
    readonly seen: (report: StormReport) => void;
  },
): Promise<void> {
  const places = await Promise.all(Array.from({ length: count }, open));
  const left = seeds[Symbol.iterator]();
  try {
    await Promise.all(
      places.map(async (place) => {
        for (let next = left.next(); !next.done; next = left.next()) seen(await storm(place, next.value));
      }),
    );
  } finally {
    await Promise.all(places.map((place) => place.close()));
  }
}
