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

const copyTo = (world: World, to: 'local' | 'cloud', id: string): void => {
  const from = to === 'local' ? world.cloud : world.local;
  discard(world, world[to].get(id));
  world[to].set(id, from.get(id) as string);
  agree(world, id, from.get(id) as string);
};

const removeFrom = (world: World, side: 'local' | 'cloud', id: string): void => {
  const version = world[side].get(id) as string;
  discard(world, version);
  world[side].delete(id);
  world.base.set(id, { agreed: null, buried: version });
};

const agree = (world: World, id: string, version: string): void => {
  world.base.set(id, { agreed: version });
};

const discard = (world: World, version: string | undefined): void => {
  if (version !== undefined) world.trash.add(version);
};

function setBoth(world: World, id: string, version: string): void {
  for (const side of [world.local, world.cloud]) side.set(id, version);
  agree(world, id, version);
}

/** Does to the world what an executor does, one decision at a time. */
export function execute(world: World, { id, action, base }: Decision): void {
  const local = world.local.get(id) as string;
  const cloud = world.cloud.get(id) as string;
  switch (action) {
    case 'none':
    case 'list':
    case 'conflict':
      return;
    case 'agree':
      agree(world, id, local);
      return;
    case 'forget':
      world.base.set(id, { agreed: null, buried: base ?? '' });
      return;
    case 'upload':
    case 'update-cloud':
      copyTo(world, 'cloud', id);
      return;
    case 'download':
    case 'update-local':
      copyTo(world, 'local', id);
      return;
    case 'delete-cloud':
      removeFrom(world, 'cloud', id);
      return;
    case 'delete-local':
      removeFrom(world, 'local', id);
      return;
    case 'keep-both':
      setBoth(world, `${id}~copy`, local);
      setBoth(world, id, cloud);
      return;
    case 'merge':
      discard(world, local);
      discard(world, cloud);
      setBoth(world, id, `merge of ${[local, cloud].sort().join(' and ')}`);
      return;
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
