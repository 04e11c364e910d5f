/**
 * `openLedger`: the one door to this room. Layout: `schema` the tables and their migrations, `runs` what
 * everything of a run hangs from, then one file per table's questions; `ledger`, `dataset-ledger` and
 * `run-ledger` what other rooms see; `locate` says where the file lies.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { CourierError } from '../errors/index.ts';
import { copyDb, openDb } from '../sqlite/db.ts';
import type { Db } from '../sqlite/types.ts';
import { openAudit } from './audit.ts';
import { openBase } from './base.ts';
import { bindRun } from './bind-run.ts';
import { openBaseBodies } from './bodies.ts';
import { openConflicts } from './conflicts.ts';
import type { DatasetLedger } from './dataset-ledger.ts';
import { openDifferences } from './differences.ts';
import { openFacts } from './facts.ts';
import { openItems } from './items.ts';
import { checkFence, openLease } from './lease.ts';
import type { Ledger } from './ledger.ts';
import { openListings } from './listings.ts';
import { openParts } from './parts.ts';
import { openProblems } from './problems.ts';
import { openPrune } from './prune.ts';
import { openRuns } from './runs.ts';
import { LEDGER_DB, MIGRATIONS } from './schema.ts';
import type { SyncLedger } from './sync-ledger.ts';
import { openSync } from './sync-tables.ts';
import { openUnits } from './units.ts';
import type { LedgerVerbs } from './verbs.ts';

/**
 * Copies the ledger at `from` to `to`, as it is at this moment, also while others write. Changes nothing at
 * `from`.
 * @throws NDI_E_LEDGER, NDI_E_LEDGER_BUSY, NDI_E_DISK_FULL
 */
export const copyLedger = (from: string, to: string): Promise<void> => copyDb(from, to, LEDGER_DB.codes);

/**
 * Opens the ledger at `path`, creating or migrating it. The folder of a dataset is never made: one that was
 * moved away would come back empty.
 * @throws NDI_E_NOT_A_DATASET when that folder is gone, NDI_E_LEDGER (damaged), NDI_E_LEDGER_NEWER,
 * NDI_E_LEDGER_BUSY (another process writes for too long), NDI_E_DISK_FULL,
 *   NDI_E_READ_ONLY
 */
export function openLedger(path: string): Ledger {
  const home = dirname(dirname(path));
  if (!existsSync(home)) throw new CourierError('NDI_E_NOT_A_DATASET', { detail: `${home} is gone.` });
  const { db, verbs, sync } = openVerbs(path);
  const dataset: DatasetLedger = {
    path,
    lease: openLease(db),
    base: {
      item: verbs.base,
      items: verbs.baseItems,
      count: verbs.baseCount,
      versions: verbs.baseVersions,
      forget: verbs.forgetBase,
      forgetAll: verbs.forgetWholeBase,
    },
    tombstones: { add: verbs.bury, each: verbs.tombstones, remove: verbs.unbury },
    baseBodies: openBaseBodies(db),
    conflicts: openConflicts(db),
    facts: {
      get: (fact) => {
        const text = verbs.datasetFact(fact.key);
        return text === undefined ? undefined : fact.read(text);
      },
      set: (fact, value) => verbs.setDatasetFact(fact.key, value === null ? null : fact.write(value)),
    },
    parts: verbs.parts,
    keepRun: verbs.keepRun,
    oldRuns: openPrune(db),
    auditTrail: verbs.auditTrail,
    together: verbs.together,
  };
  return {
    ...dataset,
    run: (runKey, fence) =>
      bindRun(verbs, dataset, runKey, sync, (write) =>
        fence === undefined
          ? write()
          : db.transaction(() => {
              checkFence(db, fence);
              return write();
            }),
      ),
    close: verbs.close,
  };
}

/** The file and the verbs of its tables, for this room and its tests. */
export function openVerbs(path: string): {
  readonly db: Db;
  readonly verbs: LedgerVerbs;
  sync(runKey: string): SyncLedger;
} {
  const db = openDb(path, { ...LEDGER_DB, migrations: MIGRATIONS });
  const { planState, beginPlan, sealPlan, reopenPlan, keepRun, ...runs } = openRuns(db);
  const verbs: LedgerVerbs = {
    path,
    planState,
    beginPlan,
    sealPlan,
    reopenPlan,
    keepRun,
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
  return { db, verbs, sync: openSync(db, runs) };
}
