/** Units are filled in order, up to their limits. */
import { describe, expect, it } from 'vitest';
import { packUnits } from './pack.ts';
import type { NewPlanUnit } from './types.ts';

function packed(sizes: readonly number[], maxItems: number, maxBytes: number) {
  const units: NewPlanUnit[] = [];
  let next = 7;
  const pack = packUnits(
    { kind: 'files', maxItems, maxBytes },
    () => next++,
    (unit) => units.push({ ...unit }),
  );
  const unitOf = sizes.map((size) => pack.add(size));
  pack.close();
  pack.close();
  return { units, unitOf };
}

describe('packUnits', () => {
  it('closes a unit at its number of items', () => {
    const { units, unitOf } = packed([1, 1, 1, 1, 1], 2, 100);
    expect(unitOf).toEqual([7, 7, 8, 8, 9]);
    expect(units.map(({ itemCount }) => itemCount)).toEqual([2, 2, 1]);
  });

  it('closes a unit before an item that would exceed its bytes, and fills it to the byte', () => {
    const { units, unitOf } = packed([60, 40, 1, 100], 10, 100);
    expect(unitOf).toEqual([7, 7, 8, 9]);
    expect(units.map(({ sizeBytes }) => sizeBytes)).toEqual([100, 1, 100]);
  });

  it('gives an item above the limit a unit of its own', () => {
    expect(packed([500, 1], 10, 100).unitOf).toEqual([7, 8]);
  });

  it('raises the wave of the open unit only, and never lowers it', () => {
    const units: NewPlanUnit[] = [];
    let next = 0;
    const pack = packUnits(
      { kind: 'documents', maxItems: 2, maxBytes: 9 },
      () => next++,
      (unit) => units.push(unit),
    );
    pack.add(1);
    pack.raiseWave(3);
    pack.raiseWave(2);
    pack.add(1);
    pack.add(1);
    pack.close();
    pack.raiseWave(5);
    expect(units.map(({ wave }) => wave)).toEqual([3, 0]);
  });
});
