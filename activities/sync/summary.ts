/** The sums of a sync: of its decisions, and of the plans of its two transfers. */
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { DecisionCount } from '../../ledger/sync-ledger.ts';
import type { ItemKind } from '../../ledger/types.ts';
import type { SyncAction } from '../../sync/types.ts';
import type { PlanSummary } from '../../workflows/steps.ts';

/**
 * Actions of kept decisions: those of the planner, and what `resolve.ts` makes of conflicts. `update-both`:
 * a merged document goes to both sides. `add-both`: the copy of a document that is kept beside the other.
 */
export type KeptAction = SyncAction | 'update-both' | 'add-both';

/** Documents and files that come here. */
export const DOWN_ACTIONS = [
  'download',
  'update-local',
  'update-both',
  'add-both',
] as const satisfies readonly KeptAction[];

/** Documents and files that go into the cloud. */
export const UP_ACTIONS = [
  'upload',
  'update-cloud',
  'update-both',
  'add-both',
] as const satisfies readonly KeptAction[];

export const DELETE_ACTIONS = ['delete-local', 'delete-cloud'] as const satisfies readonly KeptAction[];

const MOVES = new Set<string>([...DOWN_ACTIONS, ...UP_ACTIONS, ...DELETE_ACTIONS]);

/** How many decisions of the run are such. */
export const countDecisions = ({ sync }: RunLedger, isSuch: (row: DecisionCount) => boolean): number =>
  sync
    .counts()
    .filter(isSuch)
    .reduce((sum, { count }) => sum + count, 0);

/** Progress of the whole: items that need nothing count as skipped, moves as open until they are done. */
export function summaryOf(run: RunLedger, transfers: readonly RunLedger[] = []): PlanSummary {
  const unchanged = run.facts.get(RUN_FACTS.unchanged) ?? { documents: 0, files: 0 };
  const moves = { document: 0, file: 0 };
  for (const { kind, action, isHeld, count } of run.sync.counts())
    if (MOVES.has(action) && !isHeld) moves[kind] += count;
  const totals = transfers.filter(({ plan }) => plan.state() !== 'absent').map(({ plan }) => plan.totals());
  const counts = (kind: ItemKind, key: 'documents' | 'files') => ({
    total: unchanged[key] + moves[kind],
    transferred: totals.reduce((sum, of) => sum + of[key].done + of[key].sent, 0),
    skipped: unchanged[key],
    failed: totals.reduce((sum, of) => sum + of[key].failed, 0),
  });
  return {
    documents: counts('document', 'documents'),
    files: counts('file', 'files'),
    bytes: totals.reduce((sum, of) => sum + of.documents.bytesToMove + of.files.bytesToMove, 0),
    units: totals.reduce((sum, of) => sum + of.units, 0),
    problemCount: [run, ...transfers].reduce((sum, { problems }) => sum + problems.count(), 0),
  };
}
