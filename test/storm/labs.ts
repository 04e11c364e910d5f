/** Runs storms side by side, each on a lab of its own; most of a storm is waiting. */
import { createLab, type Lab } from '../support/lab.ts';
import type { StormReport } from './in-process.ts';
import { stormInProcess } from './in-process.ts';

/** Calls `seen` with each report as it comes. Labs are opened before and closed after. */
export async function stormsInLabs(
  count: number,
  seeds: Iterable<number>,
  seen: (report: StormReport) => void,
): Promise<void> {
  const labs: Lab[] = await Promise.all(Array.from({ length: count }, () => createLab()));
  const left = seeds[Symbol.iterator]();
  try {
    await Promise.all(
      labs.map(async (lab) => {
        for (let next = left.next(); !next.done; next = left.next())
          seen(await stormInProcess(lab, next.value));
      }),
    );
  } finally {
    await Promise.all(labs.map((lab) => lab.close()));
  }
}
