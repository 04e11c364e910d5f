/**
 * The table of scenarios: what becomes of a document, by how each side stands to the base, in each mode, under
 * each policy. The planner itself makes it; the docs show it.
 */
import { decide } from './decide.ts';
import { SYNC_MODES } from './modes.ts';
import { CONFLICT_POLICIES, type ConflictPolicy } from './policies.ts';
import type { Decision, HeldItem, PlanOptions, SyncItem, SyncMode } from './types.ts';

/** How one side has a document that the base knows, or does not. */
export const KNOWN_STATES = ['same', 'edited', 'deleted'] as const;
export const UNKNOWN_STATES = ['absent', 'new', 'new, another text'] as const;

type State = (typeof KNOWN_STATES)[number] | (typeof UNKNOWN_STATES)[number];

export interface Scenario {
  readonly local: State;
  readonly cloud: State;
  readonly isBaseLost: boolean;
  /** By mode, under the policy `ask` and without deletions, but for the mirrors. */
  readonly byMode: Readonly<Record<SyncMode, Decision>>;
  /** In two-way mode with deletions. */
  readonly withDeletes: Decision;
  /** In two-way mode; absent where no policy plays a part. */
  readonly byPolicy: Readonly<Record<ConflictPolicy, Decision>> | undefined;
}

const VERSIONS: Readonly<Record<State, string | undefined>> = {
  same: 'base',
  edited: 'edited',
  deleted: undefined,
  absent: undefined,
  new: 'new',
  'new, another text': 'another',
};

function itemOf(local: State, cloud: State, isKnown: boolean): SyncItem {
  const held = (side: 'local' | 'cloud', state: State): HeldItem | undefined => {
    const version = VERSIONS[state];
    if (version === undefined) return undefined;
    // Two edits that say the same are no conflict; these do not.
    return { id: 'document', version: version === 'edited' ? `edited ${side}` : version };
  };
  return {
    id: 'document',
    local: held('local', local),
    cloud: held('cloud', cloud),
    base: isKnown ? { id: 'document', agreed: 'base' } : undefined,
  };
}

function* pairs(): Generator<readonly [State, State, boolean]> {
  for (const local of KNOWN_STATES) for (const cloud of KNOWN_STATES) yield [local, cloud, true];
  yield ['new', 'absent', false];
  yield ['absent', 'new', false];
  yield ['new', 'new', false];
  yield ['new', 'new, another text', false];
}

export function* scenarios(): Generator<Scenario> {
  for (const [local, cloud, isKnown] of pairs()) {
    for (const isBaseLost of isKnown ? [false, true] : [false]) {
      const item = itemOf(local, cloud, isKnown);
      if (item.local === undefined && item.cloud === undefined && isBaseLost) continue;
      const decided = (options: Partial<PlanOptions> & { policy?: ConflictPolicy }): Decision =>
        decide(item, {
          kind: 'document',
          mode: 'two-way',
          isBaseLost,
          isCloudComplete: true,
          deletes: false,
          policyFor: () => options.policy ?? 'ask',
          includes: () => true,
          ...options,
        });
      const isConflict = decided({}).action === 'conflict';
      yield {
        local,
        cloud,
        isBaseLost,
        byMode: byKey(SYNC_MODES, (mode) => decided({ mode })),
        withDeletes: decided({ deletes: true }),
        byPolicy: isConflict ? byKey(CONFLICT_POLICIES, (policy) => decided({ policy })) : undefined,
      };
    }
  }
}

const byKey = <Key extends string, Value>(
  keys: readonly Key[],
  valueFor: (key: Key) => Value,
): Record<Key, Value> => Object.fromEntries(keys.map((key) => [key, valueFor(key)])) as Record<Key, Value>;
