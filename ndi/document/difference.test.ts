import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalText } from './canonical.ts';
import { fieldDifferences, firstDifference } from './difference.ts';
import type { JsonObject } from './types.ts';

const json = fc
  .jsonValue({ maxDepth: 4 })
  .filter((value) => typeof value === 'object' && value !== null && !Array.isArray(value));

describe('the first difference of two documents', () => {
  it.each([
    [{ base: { name: 'a' } }, { base: { name: 'b' } }, 'base.name: '],
    [{ base: { name: 'a' } }, { base: {} }, 'base.name: '],
    [{ a: [1, 2] }, { a: [1, 3] }, 'a\\[1]: '],
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

describe('the differences of two documents', () => {
  const locations = (uid: string) => ({ uid, location: `/data/${uid}`, location_type: 'file' });
  const here = {
    base: { id: 'i', name: 'a', session_id: 's' },
    depends_on: [
      { name: 'subject_id', value: '1' },
      { name: 'element_id', value: '2' },
    ],
    document_class: { class_name: 'x', class_version: 1 },
    files: { file_list: ['f', 'g'], file_info: [{ name: 'f', locations: locations('u1') }] },
    x: { 'odd key': 1, list: [1, null, 3], rows: [{ a: 1 }, { a: 2 }] },
  };
  const there = {
    base: { id: 'i', name: 'b', session_id: 's' },
    depends_on: [
      { name: 'element_id', value: '2' },
      { name: 'subject_id', value: '9' },
      { name: 'probe_id', value: '3' },
    ],
    document_class: { class_name: 'x', class_version: 2 },
    files: { file_list: ['f', 'h'], file_info: { name: 'f', locations: [locations('u2')] } },
    x: { 'odd key': 2, list: [1, Number.NaN, 4], rows: [{ a: 1 }, { a: 3 }] },
  };

  it('are named as people name fields, in canonical order', () => {
    const { differences, hasMore } = fieldDifferences(here, there);
    expect(hasMore).toBe(false);
    expect(differences.map(({ path, here: a, there: b }) => `${path}: ${a} | ${b}`)).toEqual([
      'base.name: "a" | "b"',
      'depends_on[subject_id].value: "1" | "9"',
      'depends_on[probe_id]: nothing | {"name":"probe_id","value":"3"}',
      'document_class: {"class_name":"x","class_version":1} | {"class_name":"x","class_version":2}',
      'files.file_info[f]: {"locations":{"uid":"u1"},"name":"f"} | {"locations":{"uid":"u2"},"name":"f"}',
      'files.file_list[g]: "g" | nothing',
      'files.file_list[h]: nothing | "h"',
      'x.list[2]: 3 | 4',
      'x["odd key"]: 1 | 2',
      'x.rows[1].a: 2 | 3',
    ]);
  });

  it('are as many as were asked for, and it is said that there are more', () => {
    expect(fieldDifferences(here, there, 2).differences).toEqual(
      fieldDifferences(here, there).differences.slice(0, 2),
    );
    expect(fieldDifferences(here, there, 2).hasMore).toBe(true);
    expect(fieldDifferences(here, there, 10).hasMore).toBe(false);
  });

  it('show nothing of where a binary lies, and cut long values off', () => {
    const { differences } = fieldDifferences(here, { ...there, y: 'z'.repeat(1_000) }, 100);
    const text = JSON.stringify(differences);
    expect(text).not.toContain('/data/');
    expect(text.length).toBeLessThan(2_000);
  });

  it('see the id of a document, and the member that every object has', () => {
    expect(firstDifference({ base: { id: 'a' } }, { base: { id: 'b' } })).toBe(
      'base.id: "a" here, "b" there',
    );
    const own = JSON.parse('{"x":{"__proto__":1}}') as JsonObject;
    expect(firstDifference(own, { x: {} })).toBe('x.__proto__: 1 here, nothing there');
    expect(firstDifference({ x: { constructor: 1 } }, { x: {} })).toBe(
      'x.constructor: 1 here, nothing there',
    );
  });

  it('are none exactly when the documents say the same, whatever was asked for', () => {
    fc.assert(
      fc.property(json, json, fc.integer({ min: 1, max: 5 }), (a, b, most) => {
        const [one, other] = [a as JsonObject, b as JsonObject];
        const { differences, hasMore } = fieldDifferences(one, other, most);
        expect(differences.length === 0).toBe(canonicalText(one) === canonicalText(other));
        expect(differences.length).toBeLessThanOrEqual(most);
        if (hasMore) expect(differences).toHaveLength(most);
        const back = fieldDifferences(other, one, most).differences;
        if (!hasMore)
          expect(back.map(({ path }) => path).sort()).toEqual(differences.map(({ path }) => path).sort());
      }),
    );
  });

  it('of very deep documents are found without going to the bottom', () => {
    const deep = (leaf: number): JsonObject => {
      let value: JsonObject = { leaf };
      for (let level = 0; level < 400; level += 1) value = { a: value };
      return value;
    };
    expect(firstDifference(deep(1), deep(2))).toMatch(/^a(\.a){31}: /);
  });
});
