/** Properties P1 to P10 of two-way sync (peers §3.2), on correlated random worlds. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTally, gateReasons, heldActions } from './gate.ts';
import { copyOf, correlatedWorlds, decisionsOf, execute, held, type World } from './model.test.fixture.ts';
import type { ConflictPolicy } from './policies.ts';
import type { Decision, PlanOptions, SyncMode } from './types.ts';

/** Ten properties make 22,000 cases. */
const NUM_RUNS = 2_200;
const MODES: readonly SyncMode[] = [
  'two-way',
  'download-new',
  'upload-new',
  'mirror-from-cloud',
  'mirror-to-cloud',
];

const POLICIES: readonly ConflictPolicy[] = ['ask', 'keep-both', 'local', 'cloud', 'merge'];

const optionsWith = (options: Partial<PlanOptions> & { policy?: ConflictPolicy } = {}): PlanOptions => ({
  kind: 'document',
  mode: 'two-way',
  isBaseLost: false,
  isCloudComplete: true,
  deletes: true,
  policyFor: () => options.policy ?? 'ask',
  includes: () => true,
  ...options,
});

const anyOptions = fc
  .record({
    mode: fc.constantFrom(...MODES),
    policy: fc.constantFrom(...POLICIES),
    deletes: fc.boolean(),
    isBaseLost: fc.boolean(),
  })
  .map(optionsWith);

const check = (property: fc.IProperty<[World, PlanOptions]>): void =>
  fc.assert(property, { numRuns: NUM_RUNS });

const property = (body: (world: World, options: PlanOptions) => void): fc.IProperty<[World, PlanOptions]> =>
  fc.property(correlatedWorlds, anyOptions, body);

function run(world: World, options: PlanOptions): Decision[] {
  const decisions = decisionsOf(world, options);
  for (const decision of decisions) execute(world, decision);
  return decisions;
}

const isIdle = ({ action }: Decision): boolean =>
  action === 'none' || action === 'list' || action === 'conflict';

const valuesOf = ({ local, cloud }: World): string[] => [...local.values(), ...cloud.values()];

const MERGED = /^merge of (.*) and (.*)$/;

/** Versions that are live, in the trash, or part of a merged document. */
function kept(world: World): Set<string> {
  const found = new Set([...valuesOf(world), ...world.trash]);
  for (const version of found) for (const part of MERGED.exec(version)?.slice(1) ?? []) found.add(part);
  return found;
}

describe('the planner', () => {
  it('P1: converges: both sides end equal once conflicts are settled and deletions passed on', () => {
    check(
      property((world, { policyFor }) => {
        const policy = policyFor({ id: '', version: null });
        const settled = policy === 'local' || policy === 'cloud' ? policy : 'keep-both';
        for (let round = 0; round < 2; round += 1) run(world, optionsWith({ policy: settled }));
        const left = decisionsOf(world, optionsWith({ policy: settled }));
        expect(left.filter(({ action }) => action !== 'none' && action !== 'list')).toEqual([]);
        for (const { id } of left.filter(({ reason }) => reason !== 'came-back'))
          expect(world.local.get(id)).toBe(world.cloud.get(id));
      }),
    );
  });

  it('P2: loses nothing: what was live on a side is live, in a copy, or in the trash', () => {
    check(
      property((world, options) => {
        const before = valuesOf(world);
        run(world, options);
        const after = kept(world);
        expect(before.filter((version) => !after.has(version))).toEqual([]);
      }),
    );
  });

  it('P3: passes a change of one side on exactly, when the other side stood still', () => {
    check(
      property((world) => {
        const still = copyOf(world);
        still.cloud.clear();
        still.base.clear();
        for (const [id, version] of world.cloud) {
          still.cloud.set(id, version);
          still.base.set(id, { agreed: version });
        }
        const wanted = held(still.local);
        run(still, optionsWith());
        expect(held(still.cloud)).toEqual(wanted);
        expect(held(still.local)).toEqual(wanted);
      }),
    );
  });

  it('P4: finds nothing to do the second time', () => {
    check(
      property((world, options) => {
        // A lost base is thrown away before the new one begins.
        if (options.isBaseLost) world.base.clear();
        run(world, options);
        const again = decisionsOf(world, options).filter((decision) => !isIdle(decision));
        expect(again.filter(({ action }) => !(options.isBaseLost && action === 'agree'))).toEqual([]);
      }),
    );
  });

  it('P5: treats both sides alike: swapped sides give the mirrored plan', () => {
    const swapped: Readonly<Record<string, string>> = {
      'mirror-from-cloud': 'mirror-to-cloud',
      'mirror-to-cloud': 'mirror-from-cloud',
      'download-new': 'upload-new',
      'upload-new': 'download-new',
      upload: 'download',
      download: 'upload',
      'update-local': 'update-cloud',
      'update-cloud': 'update-local',
      'delete-local': 'delete-cloud',
      'delete-cloud': 'delete-local',
      local: 'cloud',
      cloud: 'local',
    };
    const swap = (word: string): string => swapped[word] ?? word;
    check(
      property((world, options) => {
        const mirrored = { ...copyOf(world), local: world.cloud, cloud: world.local };
        const back = decisionsOf(mirrored, {
          ...options,
          mode: swap(options.mode) as SyncMode,
          policyFor: () => swap(options.policyFor({ id: '', version: null })) as ConflictPolicy,
        });
        expect(back.map(({ id, action }) => [id, swap(action)])).toEqual(
          decisionsOf(world, options).map(({ id, action }) => [id, action]),
        );
      }),
    );
  });

  it('P6: does not depend on the order in which decisions are carried out', () => {
    fc.assert(
      fc.property(
        correlatedWorlds,
        anyOptions,
        fc.array(fc.nat(), { minLength: 60, maxLength: 60 }),
        (world, options, order) => {
          const other = copyOf(world);
          const decisions = decisionsOf(world, options);
          const keys = new Map(decisions.map((decision, index) => [decision, order[index] ?? 0]));
          for (const decision of decisions) execute(world, decision);
          const shuffled = decisions.toSorted((a, b) => (keys.get(a) as number) - (keys.get(b) as number));
          for (const decision of shuffled) execute(other, decision);
          expect([held(other.local), held(other.cloud)]).toEqual([held(world.local), held(world.cloud)]);
        },
      ),
      { numRuns: NUM_RUNS },
    );
  });

  it('P7: deletes nothing when the base is lost', () => {
    check(
      property((world, options) => {
        const lost = decisionsOf(world, { ...options, isBaseLost: true });
        expect(lost.filter(({ action }) => action.startsWith('delete'))).toEqual([]);
        const before = valuesOf(world);
        world.base.clear();
        run(world, { ...options, mode: 'two-way', isBaseLost: true });
        const after = kept(world);
        expect(before.filter((version) => !after.has(version))).toEqual([]);
      }),
    );
  });

  it('P8: deletes at most as many as the cap allows, or asks', () => {
    fc.assert(
      fc.property(correlatedWorlds, anyOptions, fc.nat(3), (world, options, documents) => {
        const tally = createTally();
        const decisions = decisionsOf(world, options);
        for (const decision of decisions) tally.count(decision);
        const sums = tally.end();
        const reasons = gateReasons(sums, { mode: options.mode, cap: { documents }, rulesChanged: false });
        const held = heldActions(reasons);
        const passed = decisions.filter(
          ({ action }) => action.startsWith('delete') && !held.includes(action),
        );
        expect(passed.length).toBeLessThanOrEqual(documents + sums.renames);
      }),
      { numRuns: NUM_RUNS },
    );
  });

  it('P9: plans the same twice: a plan that is looked at is the plan that is carried out', () => {
    check(
      property((world, options) => {
        expect(decisionsOf(copyOf(world), options)).toEqual(decisionsOf(world, options));
      }),
    );
  });

  it('P10: never deletes, and discards no content, to settle a conflict by keep-both', () => {
    check(
      property((world, options) => {
        const decisions = decisionsOf(world, { ...options, policyFor: () => 'keep-both' });
        const asked = decisionsOf(world, { ...options, policyFor: () => 'ask' });
        for (const [index, decision] of asked.entries()) {
          if (decision.action !== 'conflict') continue;
          expect(decisions[index]?.action).toMatch(/^(keep-both|upload|download)$/);
        }
      }),
    );
  });
});
