/** Ids as numbers and back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createIdTable } from './id-table.ts';

const hex = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 16, maxLength: 16 });
const ndiId = fc.tuple(hex, hex).map(([a, b]) => `${a}_${b}`);
const anyId = fc.oneof(
  ndiId,
  ndiId.map((id) => id.toUpperCase()),
  fc.string(),
  fc.constant(`${'0'.repeat(16)}_${'0'.repeat(16)}`),
);

describe('a table of ids', () => {
  it('numbers ids of every form as a map would, and gives each back as it was', () => {
    fc.assert(
      fc.property(fc.array(anyId, { maxLength: 200 }), (ids) => {
        const table = createIdTable();
        const map = new Map<string, number>();
        for (const id of [...ids, ...ids]) {
          if (!map.has(id)) map.set(id, map.size);
          expect(table.add(id)).toBe(map.get(id));
        }
        expect(table.size).toBe(map.size);
        for (const [id, number] of map) expect(table.idOf(number)).toBe(id);
      }),
    );
  });

  it('holds a hundred thousand ids that differ in their last digits', () => {
    const table = createIdTable();
    const idOf = (n: number): string => `4126970000000001_${n.toString(16).padStart(16, '0')}`;
    for (let n = 0; n < 100_000; n += 1) expect(table.add(idOf(n))).toBe(n);
    for (let n = 0; n < 100_000; n += 997) expect([table.add(idOf(n)), table.idOf(n)]).toEqual([n, idOf(n)]);
  });
});
