/**
 * The planner: `plan(local, cloud, base, options)`. Persist observations, derive work (peers §3.1, rule 1):
 * the same three sources and options give the same decisions, in the order of ids. A million items go through
 * it one at a time.
 */
import { decide } from './decide.ts';
import { joinSides } from './join.ts';
import type { BaseVersion, Decision, HeldItem, PlanOptions } from './types.ts';

export interface PlanSources {
  readonly local: Iterable<HeldItem>;
  readonly cloud: Iterable<HeldItem>;
  readonly base: Iterable<BaseVersion>;
}

/**
 * Decides every item of one kind that a source names. The sources are in ascending order of ids (`order.ts`).
 */
export function* plan({ local, cloud, base }: PlanSources, options: PlanOptions): Generator<Decision> {
  for (const item of joinSides(local, cloud, base)) yield decide(item, options);
}
