/**
 * A folder that nobody has touched since the last sync looked at it holds what that sync saw: SQLite counts
 * each change of the database, and a file that was written or replaced has another time or inode. A database
 * with a write-ahead log is read, because the counter does not know what is in the log.
 */
import { statSync } from 'node:fs';
import { DATASET_FACTS, RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { Observation } from '../../ledger/sync-ledger.ts';
import type { DatabaseStamp } from '../../ndi/dataset/stamp.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { trustedBase } from './held.ts';

/** True when the observations of the last sync were taken over. */
export function isAsSeenBefore(
  { ledger, deps, ref }: RunScope,
  input: SyncInput,
  now: DatabaseStamp,
): boolean {
  const before = ledger.dataset.facts.get(DATASET_FACTS.generation)?.syncKey ?? null;
  // Files that are missing, or that a run brings on demand, are looked for each time.
  if (before === null || input.files !== 'as-is' || now.walBytes > 0) return false;
  const last = deps.ledgers.open(ref.ledgerPath).run(before);
  const seen = last.facts.get(RUN_FACTS.observedStamp);
  if (seen === undefined || !isSameStamp(seen, now)) return false;
  if (!last.sync.observed('wanted', 'file').next().done) return false;
  if (!filesStand(ledger, last)) return false;
  for (const kind of ['document', 'file'] as const) {
    ledger.sync.forgetObservations('local', kind);
    ledger.sync.copyObservations(before, 'local', kind);
  }
  ledger.sync.forgetObservations('wanted', 'file');
  ledger.facts.set(RUN_FACTS.isHybrid, last.facts.get(RUN_FACTS.isHybrid) ?? false);
  return true;
}

const isSameStamp = (a: DatabaseStamp, b: DatabaseStamp): boolean =>
  a.inode === b.inode && a.changes === b.changes && a.sizeBytes === b.sizeBytes && a.mtimeMs === b.mtimeMs;

/** The base has learnt of each file since, and each is as the base has it. */
function filesStand(ledger: RunLedger, last: RunLedger): boolean {
  const baseOf = trustedBase(ledger);
  for (const row of last.sync.observed('local', 'file'))
    if (!isUntouched(row) || baseOf('file', row.id)?.agreedVersion !== row.version) return false;
  return true;
}

function isUntouched({ path, sizeBytes, mtimeMs, inode }: Observation): boolean {
  const found = statSync(path ?? '', { throwIfNoEntry: false });
  return found?.size === sizeBytes && found?.mtimeMs === mtimeMs && String(found?.ino) === inode;
}
