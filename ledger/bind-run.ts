/** The verbs of one run, made of those by run key. */
import type { DatasetLedger } from './dataset-ledger.ts';
import type { RunLedger } from './run-ledger.ts';
import type { SyncLedger } from './sync-ledger.ts';
import { guardedSync } from './sync-tables.ts';
import type { LedgerVerbs } from './verbs.ts';

/**
 * Binds the run key of every verb. Every verb that writes goes through `guarded`. Cheap; makes no request of
 * the database.
 */
export function bindRun(
  ledger: LedgerVerbs,
  dataset: DatasetLedger,
  runKey: string,
  sync: (runKey: string) => SyncLedger,
  guarded: <T>(write: () => T) => T,
): RunLedger {
  return {
    runKey,
    dataset,
    plan: {
      state: () => ledger.planState(runKey),
      begin: (plan) => guarded(() => ledger.beginPlan(runKey, plan)),
      seal: () => guarded(() => ledger.sealPlan(runKey)),
      reopen: () => guarded(() => ledger.reopenPlan(runKey)),
      totals: () => ledger.planTotals(runKey),
    },
    items: {
      add: (items) => guarded(() => ledger.addItems(runKey, items)),
      get: (kind, id) => ledger.item(runKey, kind, id),
      each: (query) => ledger.items(runKey, query),
      ofUnit: (unit) => ledger.unitItems(runKey, unit),
      mark: (kind, ids, change) => guarded(() => ledger.markItems(runKey, kind, ids, change)),
      wasSentBefore: (kind, id) => ledger.wasSentBefore(runKey, kind, id),
      takeBack: (kind, ids) => guarded(() => ledger.takeBack(runKey, kind, ids)),
      drop: (kind, ids) => guarded(() => ledger.dropItems(runKey, kind, ids)),
    },
    units: {
      add: (units) => guarded(() => ledger.addUnits(runKey, units)),
      get: (unit) => ledger.unit(runKey, unit),
      list: (query) => ledger.units(runKey, query),
      open: (query) => ledger.openUnits(runKey, query),
      mark: (unit, change) => guarded(() => ledger.markUnit(runKey, unit, change)),
      replan: (query) => guarded(() => ledger.replan(runKey, query)),
    },
    listings: {
      begin: (kind, name) => guarded(() => ledger.beginListing(runKey, kind, name)),
      rows: (kind, name) => ledger.listing(runKey, kind, name),
      row: (kind, name, id) => ledger.listed(runKey, kind, name, id),
      twice: (kind, name) => ledger.listedTwice(runKey, kind, name),
      settle: (kind, name) => guarded(() => ledger.settleByListing(runKey, kind, name)),
      unsettledElsewhere: (name) => ledger.unsettledElsewhere(runKey, name),
      forgetUnsettledElsewhere: () => guarded(() => ledger.forgetUnsettledElsewhere(runKey)),
    },
    problems: {
      add: (problem) => guarded(() => ledger.addProblem(runKey, problem)),
      list: (limit) => ledger.problems(runKey, limit),
      count: () => ledger.problemCount(runKey),
    },
    differences: {
      add: (kind, what, items) => guarded(() => ledger.addDifferences(runKey, kind, what, items)),
      counts: (kind) => ledger.differenceCounts(runKey, kind),
      each: (kind, what) => ledger.differing(runKey, kind, what),
    },
    facts: {
      get: (fact) => {
        const text = ledger.fact(runKey, fact.key);
        return text === undefined ? undefined : fact.read(text);
      },
      set: (fact, value) => guarded(() => ledger.setFact(runKey, fact.key, fact.write(value))),
    },
    sync: guardedSync(sync(runKey), guarded),
    advanceBase: () => guarded(() => ledger.advanceBase(runKey)),
    advanceBaseOf: (kind, ids) => guarded(() => ledger.advanceBaseOf(runKey, kind, ids)),
    audit: (action, detail) => ledger.audit(runKey, action, detail),
    noteCloud: (kind, seen) => guarded(() => ledger.noteCloud(runKey, kind, seen)),
    together: ledger.together,
    lazily: ledger.lazily,
  };
}
