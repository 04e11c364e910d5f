/** A model of two sides and a base: what the executor of a plan does to them, in memory. */
import fc from 'fast-check';
import { compareIds } from './order.ts';
import { plan } from './plan.ts';
import type { BaseVersion, Decision, HeldItem, PlanOptions } from './types.ts';

export interface World {
  readonly local: Map<string, string>;
  readonly cloud: Map<string, string>;
  readonly base: Map<string, { agreed: string | null; buried?: string }>;
  /** Versions that were overwritten or deleted. */
  readonly trash: Set<string>;
}

export const worldOf = (): World => ({
  local: new Map(),
  cloud: new Map(),
  base: new Map(),
  trash: new Set(),
});

export const copyOf = (world: World): World => ({
  local: new Map(world.local),
  cloud: new Map(world.cloud),
  base: new Map([...world.base].map(([id, entry]) => [id, { ...entry }])),
  trash: new Set(world.trash),
});

const sorted = <Value extends { readonly id: string }>(values: Value[]): Value[] =>
  values.sort((a, b) => compareIds(a.id, b.id));

export const held = (side: ReadonlyMap<string, string>): HeldItem[] =>
  sorted([...side].map(([id, version]) => ({ id, version, contentKey: `content of ${version}` })));

export const baseOf = (world: World): BaseVersion[] =>
  sorted([...world.base].map(([id, entry]) => ({ id, ...entry })));

export const decisionsOf = (world: World, options: PlanOptions): Decision[] => [
  ...plan({ local: held(world.local), cloud: held(world.cloud), base: baseOf(world) }, options),
];

/** Does to the world what an executor does, one decision at a time. */
export function execute(world: World, decision: Decision): void {
  const { id, action } = decision;
  const local = world.local.get(id);
  const cloud = world.cloud.get(id);
  const agree = (version: string | undefined): void => {
    if (version !== undefined) world.base.set(id, { agreed: version });
  };
  const discard = (version: string | undefined): void => {
    if (version !== undefined) world.trash.add(version);
  };
  switch (action) {
    case 'none':
    case 'list':
    case 'conflict':
      return;
    case 'agree':
      agree(local);
      return;
    case 'forget':
      world.base.set(id, { agreed: null, buried: decision.base ?? '' });
      return;
    case 'upload':
    case 'update-cloud':
      discard(cloud);
      world.cloud.set(id, local as string);
      agree(local);
      return;
    case 'download':
    case 'update-local':
      discard(local);
      world.local.set(id, cloud as string);
      agree(cloud);
      return;
    case 'delete-cloud':
    case 'delete-local': {
      const side = action === 'delete-cloud' ? world.cloud : world.local;
      const version = side.get(id);
      discard(version);
      side.delete(id);
      world.base.set(id, { agreed: null, buried: version as string });
      return;
    }
    case 'keep-both': {
      const copy = `${id}~copy`;
      for (const side of [world.local, world.cloud]) side.set(copy, local as string);
      world.base.set(copy, { agreed: local as string });
      world.local.set(id, cloud as string);
      agree(cloud);
      return;
    }
    case 'merge': {
      const merged = `merge of ${[local, cloud].sort().join(' and ')}`;
      discard(local);
      discard(cloud);
      for (const side of [world.local, world.cloud]) side.set(id, merged);
      agree(merged);
      return;
    }
    default:
      throw new Error(action satisfies never);
  }
}

type Change = 'add' | 'edit' | 'delete' | 'rename' | 'revert';

interface Step {
  readonly change: Change;
  readonly item: number;
  readonly value: number;
}

const steps = fc.array(
  fc.record({
    change: fc.constantFrom<Change>('add', 'edit', 'delete', 'rename', 'revert'),
    item: fc.nat(9),
    value: fc.nat(4),
  }),
  { maxLength: 6 },
);

function perturb(
  side: Map<string, string>,
  changes: readonly Step[],
  agreed: ReadonlyMap<string, string>,
): void {
  for (const { change, item, value } of changes) {
    const id = `id${item}`;
    if (change === 'add') side.set(`id${item + 10}`, `v${item + 10}.${value}`);
    if (change === 'edit' && side.has(id)) side.set(id, `v${item}.${value}`);
    if (change === 'delete') side.delete(id);
    if (change === 'revert' && agreed.has(id)) side.set(id, agreed.get(id) as string);
    if (change === 'rename' && side.has(id)) {
      side.set(`id${item + 20}`, side.get(id) as string);
      side.delete(id);
    }
  }
}

/**
 * One random set of agreed items, perturbed twice: independent sides would hardly ever meet (peers §3.2).
 */
export const correlatedWorlds: fc.Arbitrary<World> = fc
  .record({
    agreed: fc.array(fc.nat(9), { maxLength: 8 }),
    known: fc.constantFrom('all', 'all', 'all', 'some', 'none'),
    local: steps,
    cloud: steps,
  })
  .map(({ agreed, known, local, cloud }) => {
    const world = worldOf();
    const common = new Map(agreed.map((item) => [`id${item}`, `v${item}.base`]));
    for (const [id, version] of common) {
      world.local.set(id, version);
      world.cloud.set(id, version);
      const isKnown = known === 'all' || (known === 'some' && id < 'id5');
      if (isKnown) world.base.set(id, { agreed: version });
    }
    perturb(world.local, local, common);
    perturb(world.cloud, cloud, common);
    return world;
  });
