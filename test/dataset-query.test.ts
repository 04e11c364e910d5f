/** One query finds the same documents in a folder and in the cloud. */
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from '../client/dataset.ts';
import { compileQuery, parseCondition, type QueryCondition } from '../ndi/document/query.ts';
import { makeDataset } from '../ndi/synthetic/dataset.ts';
import { compileSearch } from '../sandbox/cloud/search.ts';
import { inTempDir } from './fixtures/dataset.ts';

interface Row {
  readonly id: string;
  readonly lineage: string;
  readonly text: string;
}
let rows: Row[] = [];
let found: (query: readonly QueryCondition[]) => string[];

beforeAll(() =>
  inTempDir(async (dir) => {
    await makeDataset(join(dir, 'one'), { documents: 200, files: 20, fileBytes: 10, seed: 3 });
    const dataset = openDataset(join(dir, 'one'));
    const documents = [...dataset.documents()];
    dataset.close();
    rows = documents.map(({ id, className, superclasses, body }) => ({
      id,
      lineage: `,${[className, ...superclasses].join(',')},`,
      // The cloud keeps NaN and Infinity as texts (contract §2.5).
      text: JSON.stringify(body, (_key, value) =>
        typeof value === 'number' && !Number.isFinite(value) ? `__NDI__${value}__` : value,
      ),
    }));
    found = (query) => {
      const matches = compileQuery(query);
      return documents.filter((document) => matches(document.body, document)).map(({ id }) => id);
    };
  }),
);

const inCloud = (query: readonly QueryCondition[]): string[] => {
  const search = compileSearch(query);
  return rows.filter(({ lineage, text }) => search.matches({ lineage }, text)).map(({ id }) => id);
};

/** Fields and values as the documents have them, so that queries find something. */
const leaves = (value: unknown, path: string, out: [string, unknown][]): void => {
  if (Array.isArray(value)) for (const element of value) leaves(element, path, out);
  else if (typeof value === 'object' && value !== null)
    for (const [key, member] of Object.entries(value))
      leaves(member, path === '' ? key : `${path}.${key}`, out);
  else out.push([path, value]);
};

describe('a query', () => {
  it('finds the same documents here and in the cloud', () => {
    const known: [string, unknown][] = [];
    for (const { text } of rows) leaves(JSON.parse(text), '', known);
    const classes = [...new Set(rows.flatMap(({ lineage }) => lineage.split(',').filter(Boolean)))];
    // The cloud's texts for NaN and Infinity are numbers here.
    const leaf = fc.constantFrom(...known.filter(([, value]) => !String(value).startsWith('__NDI__')));
    const field = fc.oneof(
      fc
        .tuple(
          leaf,
          fc.constantFrom(
            'exact_string',
            'exact_string_anycase',
            'contains_string',
            'exact_number',
            'hasfield',
            'lessthan',
            'lessthaneq',
            'greaterthan',
            'greaterthaneq',
            'hasmember',
          ),
        )
        .map(
          ([[path, value], operation]): QueryCondition => ({
            field: path,
            operation,
            // What the cloud does with a number where a text belongs is not known.
            param1: operation.includes('string') ? String(value) : value,
          }),
        ),
      fc.constantFrom(...classes).map((name): QueryCondition => ({ operation: 'isa', param1: name })),
      fc
        .tuple(fc.constantFrom('*', 'subject_id', 'element_id', 'epochid'), fc.constantFrom(...rows))
        .map(([name, { id }]): QueryCondition => ({ operation: 'depends_on', param1: name, param2: id })),
      fc
        .constantFrom('^.{3}', 'a', '[0-9]+$')
        .map((pattern): QueryCondition => ({ field: 'base.name', operation: 'regexp', param1: pattern })),
      leaf.map(([path, value]): QueryCondition => {
        const [head = '', ...rest] = path.split('.').reverse();
        return {
          field: rest.reverse().join('.') || head,
          operation: 'hasanysubfield_exact_string',
          param1: head,
          param2: value,
        };
      }),
    );
    const signed = fc
      .tuple(field, fc.boolean())
      .map(([condition, negated]) =>
        negated ? { ...condition, operation: `~${condition.operation}` } : condition,
      );
    const query = fc.oneof(
      fc.array(signed, { minLength: 1, maxLength: 3 }),
      fc
        .tuple(fc.array(signed, { minLength: 1 }), fc.array(signed, { minLength: 1 }))
        .map(([a, b]) => [{ operation: 'or', param1: a, param2: b }]),
    );
    let hits = 0;
    fc.assert(
      fc.property(query, (one) => {
        const here = found(one);
        hits += here.length;
        expect({ one, here }).toEqual({ one, here: inCloud(one) });
      }),
      { numRuns: 400 },
    );
    expect(hits).toBeGreaterThan(1_000);
  });

  it('is refused with the operation or the expression that is none', () => {
    for (const [bad, words] of [
      [[{ operation: 'exactstring', field: 'a', param1: 'b' }], 'unknown operation exactstring'],
      [[{ operation: '~or', param1: [], param2: [] }], '~or is not supported'],
      [[{ operation: 'regexp', field: 'a', param1: '(' }], 'not a regular expression'],
      [[{ operation: 'exact_string', param1: 'b' }], 'needs a field'],
      ['isa base', 'list of conditions'],
    ] as const)
      expect(() => compileQuery(bad)).toThrow(words);
  });

  it('can be typed as conditions', () => {
    expect(parseCondition('a.b=x y')).toEqual({ field: 'a.b', operation: 'exact_string', param1: 'x y' });
    expect(parseCondition('a = 3')).toEqual({ field: 'a', operation: 'exact_number', param1: 3 });
    expect(parseCondition('a="3"')).toEqual({ field: 'a', operation: 'exact_string', param1: '3' });
    expect(parseCondition('a!=x')).toEqual({ field: 'a', operation: '~exact_string', param1: 'x' });
    expect(parseCondition('a>=1e3')).toEqual({ field: 'a', operation: 'greaterthaneq', param1: 1000 });
    expect(parseCondition('a~^e=p')).toEqual({ field: 'a', operation: 'regexp', param1: '^e=p' });
    expect(parseCondition('base.name')).toEqual({ field: 'base.name', operation: 'hasfield' });
    expect(() => parseCondition('=3')).toThrow('no condition');
    expect(() => parseCondition('a>b')).toThrow('is no number');
  });
});
