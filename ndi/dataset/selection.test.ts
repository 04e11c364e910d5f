import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createNameMatcher } from './selection.ts';

const asExpression = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
    's',
  );

const text = (letters: string) =>
  fc.string({ unit: fc.constantFrom(...letters), maxLength: 10 }) as fc.Arbitrary<string>;

describe('a pattern of names', () => {
  it('fits as the regular expression of the same meaning does', () => {
    fc.assert(
      fc.property(text('ab*?.['), text('ab*?.[\n'), (pattern, name) => {
        expect(createNameMatcher([pattern])(name)).toBe(asExpression(pattern).test(name));
      }),
      { numRuns: 5_000 },
    );
  });

  it('is one of several, or none for everything', () => {
    expect(createNameMatcher(['a', 'b*'])('bc')).toBe(true);
    expect(createNameMatcher(['a', 'b*'])('c')).toBe(false);
    for (const none of [[], null, undefined]) expect(createNameMatcher(none)('anything')).toBe(true);
  });

  it('of many stars does not hang on a long name', () => {
    const name = 'a'.repeat(100_000);
    const startedAt = performance.now();
    expect(createNameMatcher([`${'*a'.repeat(20)}*b`])(name)).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});
