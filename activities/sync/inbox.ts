/** The inbox of conflicts, as a run reads and fills it. */
import { createHash } from 'node:crypto';
import type { ConflictChoice, NewConflict } from '../../ledger/conflicts.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { ItemKind } from '../../ledger/types.ts';
import type { ConflictPolicy } from '../../sync/policies.ts';
import { inBatches } from '../shared/batches.ts';
import { CLOUD } from './observe-local.ts';

const POLICY_OF: Readonly<Record<ConflictChoice, ConflictPolicy>> = {
  local: 'local',
  cloud: 'cloud',
  both: 'keep-both',
  merged: 'merge',
};

/**
 * What people decided, by id. A decision holds for the versions that were looked at: an item that moved since
 * is asked about again.
 */
export function decidedPolicies({ dataset, sync, listings }: RunLedger): ReadonlyMap<string, ConflictPolicy> {
  const decided = new Map<string, ConflictPolicy>();
  for (const { kind, id, decision, local, cloud } of dataset.conflicts.each('open')) {
    if (decision === null) continue;
    const here = sync.observation('local', kind, id)?.version ?? null;
    const there = sync.observation('cloud', kind, id);
    // Listed and not read: it cannot be said whether it moved.
    const isListed = listings.row(kind, CLOUD, id) !== undefined;
    const stands = here === local && (isListed ? there?.version === cloud : cloud === null);
    if (stands) decided.set(id, POLICY_OF[decision]);
  }
  return decided;
}

/** Short enough to be typed; the same as long as the item is in conflict. */
const conflictName = (kind: ItemKind, id: string): string =>
  createHash('sha256').update(`${kind} ${id}`).digest('hex').slice(0, 10);

/** Puts the conflicts of the plan into the inbox, and takes out those that are over. */
export function fillInbox(ledger: RunLedger, isWholePlan: boolean): void {
  const { dataset, sync, runKey } = ledger;
  for (const kind of ['document', 'file'] as const) {
    const found = inBatches<NewConflict>((conflicts) => dataset.conflicts.note(conflicts));
    for (const decision of sync.decisions({ kind, actions: ['conflict'], held: true })) {
      const { id, reason: what, local, cloud, base, cloudId } = decision;
      const named = sync.observation('local', kind, id) ?? sync.observation('cloud', kind, id);
      const { className = null, name = null } = named ?? {};
      const conflict = conflictName(kind, id);
      found.add({ conflict, kind, id, what, className, name, base, local, cloud, cloudId, runKey });
    }
    found.flush();
    const isOpen = (id: string): boolean => {
      const action = sync.decision(kind, id)?.action;
      return action === 'conflict' || (action === undefined && !isWholePlan);
    };
    dataset.conflicts.settleUnseen(kind, isOpen, runKey);
  }
}
