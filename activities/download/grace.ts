/**
 * Single-object errors that are often transient. The unit is retried for a grace period; after that the
 * object is reported as a problem.
 */
import { CourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { UnitScope } from '../shared/units.ts';

/**
 * Least number of times that a unit is retried for nothing but such errors; it is retried for the quiet time
 * of an import, too.
 */
const ROUNDS = 3;

/** Returns when the grace period of `errors` is over. Throws, retryable, while it is not. */
export function giveTime(
  { ledger, unit, tuning }: UnitScope<unknown>,
  errors: readonly CourierError[],
): void {
  const [first] = errors;
  if (first === undefined) return;
  const fact = RUN_FACTS.grace(unit.unit);
  const { rounds, sinceMs } = ledger.facts.get(fact) ?? { rounds: 0, sinceMs: Date.now() };
  if (rounds >= ROUNDS && Date.now() - sinceMs > tuning.importQuietMs) return;
  ledger.facts.set(fact, { rounds: rounds + 1, sinceMs });
  if (first.class === 'retryable') throw first;
  throw new CourierError('NDI_E_NOT_READY', {
    detail: `${errors.length} objects; the first: ${first.message}`,
  });
}
