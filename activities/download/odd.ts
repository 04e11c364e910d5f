/** What the cloud says of one object and may not mean: its unit comes back for it, and lists it when it has had its time. */
import { CourierError } from '../../errors/index.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { UnitContext } from '../units.ts';

/** Times that a unit is tried again for nothing but odd objects, at least, and for the quiet time of an import. */
const ROUNDS = 3;

interface Patience {
  readonly rounds: number;
  readonly sinceMs: number;
}

/** Returns when the time of `odd` is over: they are to be listed. Throws, retryable, while it is not. */
export function giveTime(
  { deps, ref, unit }: UnitContext<DownloadInput>,
  odd: readonly CourierError[],
): void {
  const [first] = odd;
  if (first === undefined) return;
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const key = `odd objects of unit ${unit.unit}`;
  const noted = ledger.fact(ref.runKey, key);
  const { rounds, sinceMs }: Patience =
    noted === undefined ? { rounds: 0, sinceMs: Date.now() } : (JSON.parse(noted) as Patience);
  if (rounds >= ROUNDS && Date.now() - sinceMs > ref.tuning.importQuietMs) return;
  ledger.setFact(ref.runKey, key, JSON.stringify({ rounds: rounds + 1, sinceMs } satisfies Patience));
  if (first.class === 'retryable') throw first;
  throw new CourierError('NDI_E_NOT_READY', { detail: `${odd.length} objects; the first: ${first.message}` });
}
