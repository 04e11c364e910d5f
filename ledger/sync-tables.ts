/** The verbs of a sync, put together from those of its tables. */
import type { Db } from '../sqlite/types.ts';
import { openBodies } from './bodies.ts';
import { openDecisions } from './decisions.ts';
import { openObservations } from './observations.ts';
import type { Runs } from './runs.ts';
import type { SyncLedger } from './sync-ledger.ts';

export const openSync =
  (db: Db, runs: Runs) =>
  (runKey: string): SyncLedger => ({
    ...openObservations(db, runs, runKey),
    ...openDecisions(db, runs, runKey),
    ...openBodies(db, runs, runKey),
  });

/** Every verb that writes goes through `guarded`. */
export const guardedSync = (sync: SyncLedger, guarded: <T>(write: () => T) => T): SyncLedger => ({
  ...sync,
  forgetObservations: (side, kind) => guarded(() => sync.forgetObservations(side, kind)),
  copyObservations: (from, side, kind) => guarded(() => sync.copyObservations(from, side, kind)),
  observe: (side, kind, rows) => guarded(() => sync.observe(side, kind, rows)),
  forgetOthers: () => guarded(() => sync.forgetOthers()),
  forgetDecisions: () => guarded(() => sync.forgetDecisions()),
  addDecisions: (added) => guarded(() => sync.addDecisions(added)),
  markDecisions: (kind, ids, state) => guarded(() => sync.markDecisions(kind, ids, state)),
  hold: (action) => guarded(() => sync.hold(action)),
  releaseHeld: () => guarded(() => sync.releaseHeld()),
  keepBodies: (kept) => guarded(() => sync.keepBodies(kept)),
  dropBodies: () => guarded(() => sync.dropBodies()),
});
