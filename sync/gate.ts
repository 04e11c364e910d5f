/**
 * The approval gate: what a plan may not do before a person has said yes. Adds and updates go on meanwhile.
 */
import { allowedDeletes, type DeleteCap } from './cap.ts';
import type { Decision, Side, SyncAction, SyncMode } from './types.ts';

export type GateReason = 'over-the-cap' | 'empty-side' | 'everything-changed' | 'changed-rules';

export interface SideTally {
  /** Documents that the side holds. */
  readonly held: number;
  /** Documents of the base that the side holds with other content. */
  readonly edited: number;
  /** Documents that the plan deletes on this side. */
  readonly deletes: number;
}

export interface PlanTally {
  readonly local: SideTally;
  readonly cloud: SideTally;
  /** Documents that the base has. */
  readonly agreed: number;
  /** Deletions whose content comes in again under another id: those are renames. */
  readonly renames: number;
}

export interface Tallying {
  count(decision: Decision): void;
  end(): PlanTally;
}

type Mutable<Value> = { -readonly [Key in keyof Value]: Value[Key] };

/** Sums up the decisions on documents. Holds one text for each deletion. */
export function createTally(): Tallying {
  const empty = (): Mutable<SideTally> => ({ held: 0, edited: 0, deletes: 0 });
  const sides = { local: empty(), cloud: empty() };
  let agreed = 0;
  const deleted = new Map<string, number>();
  const added = new Map<string, number>();
  const note = (keys: Map<string, number>, key: string | undefined): void => {
    if (key !== undefined) keys.set(key, (keys.get(key) ?? 0) + 1);
  };
  return {
    count: (decision) => {
      if (decision.base !== null) agreed += 1;
      for (const side of ['local', 'cloud'] as const) {
        const version = decision[side];
        if (version !== null) sides[side].held += 1;
        if (version !== null && decision.base !== null && version !== decision.base) sides[side].edited += 1;
      }
      if (decision.action === 'delete-local') sides.local.deletes += 1;
      if (decision.action === 'delete-cloud') sides.cloud.deletes += 1;
      if (decision.action.startsWith('delete')) note(deleted, decision.contentKey);
      if (decision.action === 'upload' || decision.action === 'download') note(added, decision.contentKey);
    },
    end: () => {
      let renames = 0;
      for (const [key, count] of deleted) renames += Math.min(count, added.get(key) ?? 0);
      return { ...sides, agreed, renames };
    },
  };
}

/** Fewer documents than this may all have been edited by one person in one day. */
const FEW = 20;

/**
 * The reasons for which a person is asked. Rule 4: the share of deletes is under the cap, else the run waits
 * for approval; a cap counts a rename once, and as no deletion.
 */
export function gateReasons(
  tally: PlanTally,
  options: { readonly mode: SyncMode; readonly cap: DeleteCap; readonly rulesChanged: boolean },
): GateReason[] {
  const deletes = tally.local.deletes + tally.cloud.deletes;
  const reasons: GateReason[] = [];
  const held = { local: tally.local.held, cloud: tally.cloud.held };
  if (deletes - tally.renames > allowedDeletes(options.cap, held)) reasons.push('over-the-cap');
  const isEmptied = (side: Side): boolean => tally[side].held === 0 && tally.agreed > 0;
  if (deletes > 0 && (isEmptied('local') || isEmptied('cloud'))) reasons.push('empty-side');
  if (overwrites(tally, options.mode)) reasons.push('everything-changed');
  if (deletes > 0 && options.rulesChanged) reasons.push('changed-rules');
  return reasons;
}

const overwrites = ({ local, cloud, agreed }: PlanTally, mode: SyncMode): boolean =>
  agreed >= FEW && !mode.endsWith('-new') && (local.edited >= agreed || cloud.edited >= agreed);

const DELETES = ['delete-local', 'delete-cloud'] as const;
const UPDATES = ['update-local', 'update-cloud', 'merge', 'keep-both'] as const;

/** Actions that wait for the approval that these reasons ask for. */
export function heldActions(reasons: readonly GateReason[]): readonly SyncAction[] {
  if (reasons.length === 0) return [];
  return reasons.includes('everything-changed') ? [...DELETES, ...UPDATES] : DELETES;
}
