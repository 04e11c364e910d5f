/**
 * `openLedger`: the one door to this room. Layout: `schema` the tables and their migrations, `runs` what everything of a run
 * hangs from, then one file per table's questions; `locate` says where the file lies.
 */
import { copyDb, openDb } from '../sqlite/db.ts';
import { openAudit } from './audit.ts';
import { openBase } from './base.ts';
import { openDifferences } from './differences.ts';
import { openFacts } from './facts.ts';
import { openItems } from './items.ts';
import { checkFence, openLease } from './lease.ts';
import { openListings } from './listings.ts';
import { openParts } from './parts.ts';
import { openProblems } from './problems.ts';
import { bindRun } from './run-ledger.ts';
import { openRuns } from './runs.ts';
import { LEDGER_DB, MIGRATIONS } from './schema.ts';
import type { Ledger } from './types.ts';
import { openUnits } from './units.ts';

/**
 * Copies the ledger at `from` to `to`, as it is at this moment, also while others write. Changes nothing at `from`.
 * @throws NDI_E_LEDGER, NDI_E_LEDGER_BUSY, NDI_E_DISK_FULL
 */
export const copyLedger = (from: string, to: string): Promise<void> => copyDb(from, to, LEDGER_DB.codes);

/**
 * Opens the ledger at `path`, creating or migrating it. Every verb is durable when it returns; any number of processes may
 * hold the same file. Raises NDI_E_LEDGER (damaged), NDI_E_LEDGER_NEWER, NDI_E_LEDGER_BUSY (another process writes for too
 * long), NDI_E_DISK_FULL, NDI_E_READ_ONLY.
 */
export function openLedger(path: string): Ledger {
  const db = openDb(path, { ...LEDGER_DB, migrations: MIGRATIONS });
  const { planState, beginPlan, sealPlan, reopenPlan, keepRun, ...runs } = openRuns(db);
  const ledger: Ledger = {
    path,
    run: (runKey, fence) =>
      bindRun(ledger, runKey, (write) =>
        fence === undefined
          ? write()
          : db.transaction(() => {
              checkFence(db, fence);
              return write();
            }),
      ),
    facts: {
      get: (fact) => {
        const text = ledger.datasetFact(fact.key);
        return text === undefined ? undefined : fact.read(text);
      },
      set: (fact, value) => ledger.setDatasetFact(fact.key, value === null ? null : fact.write(value)),
    },
    planState,
    beginPlan,
    sealPlan,
    reopenPlan,
    keepRun,
    lease: openLease(db),
    ...openItems(db, runs),
    ...openUnits(db, runs),
    ...openProblems(db, runs),
    ...openDifferences(db, runs),
    ...openFacts(db, runs),
    ...openListings(db, runs),
    ...openParts(db),
    ...openBase(db, runs),
    ...openAudit(db),
    together: db.transaction,
    lazily: db.lazily,
    close: db.close,
  };
  return ledger;
}
