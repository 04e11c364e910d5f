import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalText } from './canonical.ts';
import { firstDifference } from './difference.ts';
import type { JsonObject } from './types.ts';

const json = fc
  .jsonValue({ maxDepth: 4 })
  .filter((value) => typeof value === 'object' && value !== null && !Array.isArray(value));

describe('the first difference of two documents', () => {
  it.each([
    [{ base: { name: 'a' } }, { base: { name: 'b' } }, 'base.name: '],
    [{ base: { name: 'a' } }, { base: {} }, 'base.name: '],
    [{ a: [1, 2] }, { a: [1, 3] }, 'a: '],
    [{ a: { b: { c: 1 } } }, { a: { b: 2 } }, 'a.b: '],
  ])('of %j and %j is at %s', (here, there, where) => {
    expect(firstDifference(here as JsonObject, there as JsonObject)).toMatch(new RegExp(`^${where}`));
  });

  it('is found exactly when the canonical texts differ', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        const [here, there] = [a as JsonObject, b as JsonObject];
        expect(firstDifference(here, there) === '').toBe(canonicalText(here) === canonicalText(there));
        expect(firstDifference(here, here)).toBe('');
      }),
    );
  });

  it('is none where only the place of a binary on a machine differs', () => {
    const at = (location: string) => ({
      files: { file_info: [{ name: 'x', locations: [{ uid: 'u', location }] }] },
    });
    expect(firstDifference(at('/here'), at('ndic://c/u'))).toBe('');
  });
});
