/** The beginning and the end of a storm in a cloud. */
import type { Sandbox } from '../../sandbox/server.ts';
import type { Storm } from './forecast.ts';

/** Sets the knobs and faults of the storm, and no others. */
export function breakLoose({ faults, knobs }: Sandbox, storm: Storm): void {
  faults.clear();
  Object.assign(knobs, storm.knobs);
  for (const fault of storm.faults) faults.set(fault);
}

/** Faults end; the knobs are those that a test of the outcome can work with. */
export function calm({ faults, knobs }: Sandbox): void {
  faults.clear();
  Object.assign(knobs, { fileListing: 'both', tokenTtlSeconds: 3600, urlTtlSeconds: 600_000 });
}
