import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalText, countedElements, unwrapped } from '../ndi/document/canonical.ts';
import { parseDocument, stringifyDocument } from '../ndi/document/codec.ts';
import { asArray, asText, describeDocument } from '../ndi/document/describe.ts';
import { isMembers } from '../ndi/document/fields.ts';
import type { JsonObject, JsonValue } from '../ndi/document/types.ts';
import { baseBody, type Edits, edited, editsOf, ID } from './merge.test.fixture.ts';
import { mergeDocuments } from './merge.ts';

/** A document with these members besides its base. */
const body = (members: string): JsonObject =>
  parseDocument(`{"base":{"id":"${ID}"}${members === '' ? '' : ','}${members}}`);

const merge = (base: string, local: string, cloud: string) =>
  mergeDocuments(body(base), body(local), body(cloud));

function merged(base: string, local: string, cloud: string): JsonObject {
  const result = merge(base, local, cloud);
  if (result.outcome === 'conflict') throw new Error(`conflict at ${result.fields.map(({ path }) => path)}`);
  return result.body;
}

function conflicts(base: string, local: string, cloud: string): string[] {
  const result = merge(base, local, cloud);
  return result.outcome === 'merged' ? [] : result.fields.map(({ path }) => path);
}

describe('two edits of one document', () => {
  it.each([
    ['different members', '"g":{"a":1,"b":1}', '"g":{"a":2,"b":1}', '"g":{"a":1,"b":2}', '"g":{"a":2,"b":2}'],
    ['a new member each', '"g":{}', '"g":{"a":1}', '"g":{"b":2}', '"g":{"a":1,"b":2}'],
    ['a new group each', '', '"g":{"a":1}', '"h":{"b":2}', '"g":{"a":1},"h":{"b":2}'],
    ['the same new group', '', '"g":{"a":1}', '"g":{"b":2}', '"g":{"a":1,"b":2}'],
    [
      'a removal, and an edit elsewhere',
      '"g":{"a":1,"b":1}',
      '"g":{"b":1}',
      '"g":{"a":1,"b":2}',
      '"g":{"b":2}',
    ],
    ['the same edit', '"g":{"a":1,"b":1}', '"g":{"a":2,"b":1}', '"g":{"a":2.0,"b":3}', '"g":{"a":2,"b":3}'],
    [
      'the same removal',
      '"g":{"a":1,"b":1,"c":1}',
      '"g":{"b":1,"c":2}',
      '"g":{"b":2,"c":1}',
      '"g":{"b":2,"c":2}',
    ],
    ['positions of a list', '"g":[1,2,3]', '"g":[9,2,3]', '"g":[1,2,7]', '"g":[9,2,7]'],
    [
      'rows of a list',
      '"g":[{"a":1,"b":1},{"a":2}]',
      '"g":[{"a":5,"b":1},{"a":2}]',
      '"g":[{"a":1,"b":6},{"a":3}]',
      '"g":[{"a":5,"b":6},{"a":3}]',
    ],
    [
      'a list of one, and its element',
      '"g":{"a":1,"b":1}',
      '"g":[{"a":2,"b":1}]',
      '"g":{"a":1,"b":2}',
      '"g":{"a":2,"b":2}',
    ],
    [
      'a longer list, and an edit elsewhere',
      '"g":[1,2],"h":1',
      '"g":[1,2,3],"h":1',
      '"g":[1,2],"h":2',
      '"g":[1,2,3],"h":2',
    ],
  ])('of %s are one document', (_, base, local, cloud, expected) => {
    expect(canonicalText(merged(base, local, cloud))).toBe(canonicalText(body(expected)));
  });

  it.each([
    ['the same member', '"g":{"a":1}', '"g":{"a":2}', '"g":{"a":3}', 'g.a'],
    ['a member removed here', '"g":{"a":1,"b":1}', '"g":{"b":1}', '"g":{"a":2,"b":1}', 'g.a'],
    ['a member removed there', '"g":{"a":1,"b":1}', '"g":{"a":2,"b":1}', '"g":{"b":1}', 'g.a'],
    ['a group removed here', '"g":{"a":1}', '', '"g":{"a":2}', 'g'],
    ['a new member of one name', '"g":{}', '"g":{"a":1}', '"g":{"a":2}', 'g.a'],
    ['a position of a list', '"g":[1,2]', '"g":[3,2]', '"g":[4,2]', 'g[0]'],
    ['a list of another length', '"g":[1,2]', '"g":[1,2,3]', '"g":[9,2]', 'g'],
    ['two new lists', '"h":1', '"h":1,"g":[1,2]', '"h":1,"g":[1,3]', 'g'],
    ['another type', '"g":{"a":1}', '"g":{"a":2}', '"g":"text"', 'g'],
  ])('of %s are a conflict', (_, base, local, cloud, path) => {
    expect(conflicts(base, local, cloud)).toEqual([path]);
  });

  it('names each field with what all three have of it', () => {
    const result = merge('"g":{"a":1,"b":[1,2]}', '"g":{"a":2,"b":[1,3]}', '"g":{"b":[1,4]}');
    expect(result).toEqual({
      outcome: 'conflict',
      fields: [
        {
          path: 'g.a',
          base: 1,
          local: 2,
          cloud: undefined,
          shown: { base: '1', local: '2', cloud: 'nothing' },
        },
        { path: 'g.b[1]', base: 2, local: 3, cloud: 4, shown: { base: '2', local: '3', cloud: '4' } },
      ],
      moreFields: 0,
    });
  });

  it('lists a hundred fields and counts the others', () => {
    const list = (from: number) => `"g":[${Array.from({ length: 250 }, (_, index) => index + from)}]`;
    const result = merge(list(0), list(1_000), list(2_000));
    expect(result).toMatchObject({ outcome: 'conflict', moreFields: 150 });
    if (result.outcome === 'conflict') expect(result.fields).toHaveLength(100);
  });
});

describe('numbers in a merge', () => {
  it.each([
    ['NaN', 'NaN', 'NaN'],
    ['Infinity', 'Infinity', '-Infinity'],
    ['digits beyond a double', '9007199254740993', '9007199254740992'],
    ['a size beyond a double', '1e400', '1e401'],
  ])('%s is taken as it is written', (_, number, other) => {
    const text = stringifyDocument(
      merged('"g":{"a":1,"b":1}', `"g":{"a":${number},"b":1}`, '"g":{"a":1,"b":2}'),
    );
    expect(text).toContain(`"a":${number}`);
    const both = conflicts('"g":{"a":1}', `"g":{"a":${number}}`, `"g":{"a":${other}}`);
    expect(both).toEqual(number === other ? [] : ['g.a']);
  });

  it.each([
    ['1.10', '1.1'],
    ['-0', '0'],
    ['1e3', '1000'],
    ['"__NDI__NaN__"', 'NaN'],
    ['true', '1'],
    ['[5]', '5'],
    ['[]', 'null'],
  ])('%s and %s are no change', (one, other) => {
    // Neither side changed `a`; what the sides changed is elsewhere.
    const result = merged(
      `"g":{"a":${one},"b":1,"c":1}`,
      `"g":{"a":${other},"b":2,"c":1}`,
      `"g":{"a":${one},"b":1,"c":2}`,
    );
    expect(canonicalText(result)).toBe(canonicalText(body(`"g":{"a":${one},"b":2,"c":2}`)));
  });

  it('keep what null means in a list of numbers', () => {
    const result = merged('"g":[null,1,1]', '"g":[null,2,1]', '"g":[null,1,3]');
    expect(canonicalText(result)).toBe(canonicalText(body('"g":[NaN,2,3]')));
    // Among other values null is an empty value: the cloud changed that position, too.
    const mixed = merged('"g":[null,1,1]', '"g":[null,2,1]', '"g":[null,1,"x"]');
    expect(canonicalText(mixed)).toBe(canonicalText(body('"g":[null,2,"x"]')));
    // An empty value of one side does not become a number between the numbers of the other.
    const empty = merged('"g":["a","a"]', '"g":["a",5]', '"g":[null,"a"]');
    expect(canonicalText(empty)).toBe(canonicalText(body('"g":[[],5]')));
  });
});

describe('what a document is', () => {
  const classOf = (version: number) => `"document_class":{"class_name":"x","class_version":${version}}`;

  it('is the same on both sides, or the document is not merged', () => {
    expect(conflicts(`${classOf(1)},"g":1`, `${classOf(2)},"g":1`, `${classOf(1)},"g":2`)).toEqual([
      'document_class',
    ]);
    expect(conflicts(`${classOf(1)},"g":1`, `${classOf(2)},"g":1`, `${classOf(3)},"g":1`)).toEqual([
      'document_class',
    ]);
    expect(
      conflicts(`${classOf(1)},"g":1,"h":1`, `${classOf(2)},"g":2,"h":1`, `${classOf(2)},"g":1,"h":2`),
    ).toEqual([]);
    // One side stood still: nothing is merged.
    expect(conflicts(`${classOf(1)},"g":1`, `${classOf(2)},"g":3`, `${classOf(1)},"g":1`)).toEqual([]);
  });

  it('never changes its id', () => {
    const other = (members: string) => parseDocument(`{"base":{"id":"b_1"},${members}}`);
    const result = mergeDocuments(body('"g":1,"h":1'), other('"g":2,"h":1'), body('"g":1,"h":2'));
    expect(result).toMatchObject({ outcome: 'conflict', fields: [{ path: 'base.id' }] });
    const gone = mergeDocuments(body('"g":1,"h":1'), parseDocument('{"g":2,"h":1}'), body('"g":1,"h":2'));
    expect(gone).toMatchObject({ outcome: 'conflict', fields: [{ path: '' }] });
  });

  it('is no larger than a document can be', () => {
    const long = 'x'.repeat(9 * 1024 * 1024);
    expect(conflicts('"g":1', `"g":1,"h":"${long}"`, `"g":1,"i":"${long}"`)).toEqual(['']);
  });

  it('is merged in bounded time and memory: a list of very many values is one field', () => {
    const list = (length: number, first: number, last: number) =>
      `"g":[${[first, ...Array.from({ length: length - 2 }, (_, at) => at), last]}]`;
    expect(conflicts(list(10_001, 1, 1), list(10_001, 2, 1), list(10_001, 1, 2))).toEqual(['g']);
    expect(conflicts(list(10_000, 1, 1), list(10_000, 2, 1), list(10_000, 1, 2))).toEqual([]);
    const startedAt = performance.now();
    expect(conflicts(list(900_000, 1, 1), list(900_000, 2, 1), list(900_000, 1, 2))).toEqual(['g']);
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });

  it('does not take over the id of the cloud’s record', () => {
    const result = mergeDocuments(
      body('"g":1,"h":1'),
      body('"g":2,"h":1'),
      body('"id":"c","_id":"d","g":1,"h":2'),
    );
    expect(result).toEqual({ outcome: 'merged', body: body('"g":2,"h":2') });
  });
});

describe('dependencies in a merge', () => {
  const on = (...entries: [string, string][]) =>
    `"depends_on":[${entries.map(([name, value]) => JSON.stringify({ name, value })).join(',')}]`;

  it('are fields by their names', () => {
    const result = merged(
      on(['a', '1'], ['b', '1'], ['c', '1']),
      on(['a', '2'], ['b', '1'], ['c', '1'], ['d', '4']),
      on(['c', '3'], ['a', '1'], ['e', '5']),
    );
    expect(canonicalText(result)).toBe(
      canonicalText(body(on(['a', '2'], ['c', '3'], ['d', '4'], ['e', '5']))),
    );
  });

  it('may stand alone, as MATLAB writes one', () => {
    const alone = '"depends_on":{"name":"a","value":"1"}';
    const result = merged(alone, on(['a', '1'], ['b', '2']), '"depends_on":{"name":"a","value":"3"}');
    expect(canonicalText(result)).toBe(canonicalText(body(on(['a', '3'], ['b', '2']))));
  });

  it('conflict by name, and as a whole where a name is there twice', () => {
    expect(conflicts(on(['a', '1']), on(['a', '2']), on(['a', '3']))).toEqual(['depends_on[a].value']);
    expect(conflicts(on(['a', '1'], ['b', '1']), on(['b', '1']), on(['a', '2'], ['b', '1']))).toEqual([
      'depends_on[a]',
    ]);
    expect(conflicts(on(['a', '1']), on(['a', '1'], ['a', '2']), on(['a', '3']))).toEqual(['depends_on']);
  });
});

describe('files in a merge', () => {
  const files = (...entries: [name: string, uid: string, location?: string][]) =>
    `"files":${JSON.stringify({
      file_list: entries.map(([name]) => name),
      file_info: entries.map(([name, uid, location = `/data/${uid}`]) => ({
        name,
        locations: [{ uid, location, location_type: location.startsWith('/') ? 'file' : 'ndicloud' }],
      })),
    })}`;

  it('may be added by both sides', () => {
    const result = merged(files(['a', '1']), files(['a', '1'], ['b', '2']), files(['a', '1'], ['c', '3']));
    expect(canonicalText(result)).toBe(canonicalText(body(files(['a', '1'], ['b', '2'], ['c', '3']))));
  });

  it('are taken whole: the uid of one side, or a conflict', () => {
    const result = merged(
      `${files(['a', '1'])},"g":1`,
      `${files(['a', '2'])},"g":1`,
      `${files(['a', '1'])},"g":2`,
    );
    expect(canonicalText(result)).toBe(canonicalText(body(`${files(['a', '2'])},"g":2`)));
    expect(conflicts(files(['a', '1']), files(['a', '2']), files(['a', '3']))).toEqual([
      'files.file_info[a]',
    ]);
    expect(
      conflicts(files(['a', '1'], ['b', '1']), files(['b', '1']), files(['a', '2'], ['b', '1'])),
    ).toEqual(['files.file_info[a]']);
  });

  it('lie where the local document says', () => {
    const there = (uid: string) => `ndic://c/${uid}`;
    const base = `${files(['a', '1', there('1')], ['b', '1', there('1')])},"g":1,"h":1`;
    const local = `${files(['a', '1'], ['b', '1'])},"g":2,"h":1`;
    const cloud = `${files(['a', '1', there('1')], ['b', '2', there('2')])},"g":1,"h":2`;
    const expected = `${files(['a', '1'], ['b', '2', there('2')])},"g":2,"h":2`;
    expect(merged(base, local, cloud)).toEqual(body(expected));
    expect(conflicts(base, base.replace('"g":1', '"g":7'), local)).toEqual(['g']);
  });

  it('show nothing of where they lie', () => {
    const result = merge(
      files(['a', '1']),
      files(['a', '2']),
      files(['a', '3', 'https://bucket/3?X-Amz-Signature=s']),
    );
    expect(result.outcome === 'conflict' && result.fields.map(({ shown }) => shown)).toEqual([
      {
        base: '{"locations":{"uid":"1"},"name":"a"}',
        local: '{"locations":{"uid":"2"},"name":"a"}',
        cloud: '{"locations":{"uid":"3"},"name":"a"}',
      },
    ]);
  });
});

/** Each field of a document with what it says; of an object or a list, that it is one. */
function fieldsOf(document: JsonObject): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (given: JsonValue, path: string): void => {
    const value = unwrapped(given);
    if (path === '/depends_on' || path === '/files/file_info') {
      found.set(path, 'list');
      for (const entry of asArray(given)) visit(entry, `${path}#${asText((entry as JsonObject).name)}`);
    } else if (path === '/files/file_list') {
      for (const name of asArray(given)) found.set(`${path}#${asText(name)}`, 'there');
    } else if (Array.isArray(value) && value.length > 0) {
      found.set(path, `array of ${value.length}`);
      for (const [index, element] of countedElements(value).entries()) visit(element, `${path}/${index}`);
    } else if (isMembers(value)) {
      found.set(path, 'object');
      for (const [key, member] of Object.entries(value)) visit(member, `${path}/${key}`);
    } else found.set(path, canonicalText({ value }));
  };
  visit(document, '');
  return found;
}

const worlds = fc.tuple(baseBody, editsOf(), editsOf()).map(([base, here, there]) => ({
  base,
  local: edited(base, here),
  cloud: edited(base, there),
}));

const NUM_RUNS = 3_000;

describe('a merge, for any three documents', () => {
  it('takes each field from the side that changed it, and makes no value up', () => {
    let mergedCount = 0;
    fc.assert(
      fc.property(worlds, ({ base, local, cloud }) => {
        const result = mergeDocuments(base, local, cloud);
        if (result.outcome === 'conflict') return;
        mergedCount += 1;
        const [before, here, there, after] = [base, local, cloud, result.body].map(fieldsOf) as [
          Map<string, string>,
          Map<string, string>,
          Map<string, string>,
          Map<string, string>,
        ];
        for (const path of new Set([before, here, there, after].flatMap((fields) => [...fields.keys()]))) {
          const [b, l, c] = [before.get(path), here.get(path), there.get(path)];
          if (l !== b && c !== b) expect([path, l]).toEqual([path, c]);
          expect([path, after.get(path)]).toEqual([path, l === b ? c : l]);
        }
      }),
      { numRuns: NUM_RUNS },
    );
    // Both outcomes occur.
    expect(mergedCount).toBeGreaterThan(NUM_RUNS / 5);
    expect(mergedCount).toBeLessThan((NUM_RUNS * 49) / 50);
  });

  it('finds conflicts only where all three differ', () => {
    fc.assert(
      fc.property(worlds, ({ base, local, cloud }) => {
        const result = mergeDocuments(base, local, cloud);
        if (result.outcome === 'merged') return;
        expect(result.fields.length).toBeGreaterThan(0);
        for (const field of result.fields) {
          const texts = [field.base, field.local, field.cloud].map((value) =>
            value === undefined ? '' : canonicalText({ value }),
          );
          expect(new Set(texts).size).toBe(3);
        }
      }),
      { numRuns: NUM_RUNS },
    );
  });

  it('treats both sides alike', () => {
    fc.assert(
      fc.property(worlds, ({ base, local, cloud }) => {
        const one = mergeDocuments(base, local, cloud);
        const other = mergeDocuments(base, cloud, local);
        if (one.outcome === 'merged' && other.outcome === 'merged') {
          expect(canonicalText(other.body)).toBe(canonicalText(one.body));
          const hasFiles = [base, local, cloud].some((document) => 'files' in document);
          if (!hasFiles) expect(stringifyDocument(other.body)).toBe(stringifyDocument(one.body));
          return;
        }
        const swapped = (result: typeof one) =>
          result.outcome === 'conflict' &&
          result.fields.map(({ path, local: here, cloud: there }) => ({ path, local: there, cloud: here }));
        expect(swapped(other)).toEqual(
          one.outcome === 'conflict' &&
            one.fields.map(({ path, local: l, cloud: c }) => ({ path, local: l, cloud: c })),
        );
      }),
      { numRuns: NUM_RUNS },
    );
  });

  it('gives the other side exactly where one stood still', () => {
    fc.assert(
      fc.property(worlds, ({ base, local }) => {
        expect(mergeDocuments(base, local, base)).toEqual({ outcome: 'merged', body: local });
        expect(mergeDocuments(base, base, local)).toEqual({ outcome: 'merged', body: local });
        expect(mergeDocuments(base, local, local)).toEqual({ outcome: 'merged', body: local });
        // Written in another order, the base is still the base.
        const rewritten = Object.fromEntries(Object.entries(base).reverse()) as JsonObject;
        expect(mergeDocuments(base, local, rewritten)).toMatchObject({ outcome: 'merged' });
      }),
      { numRuns: NUM_RUNS / 3 },
    );
  });

  it('makes a document that is read back as it is', () => {
    fc.assert(
      fc.property(worlds, ({ base, local, cloud }) => {
        const result = mergeDocuments(base, local, cloud);
        if (result.outcome === 'conflict') return;
        const read = parseDocument(stringifyDocument(result.body));
        expect(canonicalText(read)).toBe(canonicalText(result.body));
        expect(describeDocument(read).id).toBe(ID);
      }),
      { numRuns: NUM_RUNS / 3 },
    );
  });

  it('changes none of the three', () => {
    fc.assert(
      fc.property(worlds, ({ base, local, cloud }) => {
        const before = [base, local, cloud].map(stringifyDocument);
        mergeDocuments(base, local, cloud);
        expect([base, local, cloud].map(stringifyDocument)).toEqual(before);
      }),
      { numRuns: NUM_RUNS / 10 },
    );
  });

  it('is never in conflict over edits in different groups', () => {
    const inGroup = (group: string, edits: Edits): Edits => edits.map((edit) => ({ ...edit, group }));
    fc.assert(
      fc.property(baseBody, editsOf(), editsOf(), (base, here, there) => {
        const local = edited(base, inGroup('g', here));
        const cloud = edited(base, inGroup('h', there));
        const result = mergeDocuments(base, local, cloud);
        expect(result.outcome === 'merged' && canonicalText(result.body)).toBe(
          canonicalText({ ...base, g: local.g as JsonValue, h: cloud.h as JsonValue }),
        );
      }),
      { numRuns: NUM_RUNS / 3 },
    );
  });
});
