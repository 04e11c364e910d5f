/** Facts, canonical form, edits of locations, new documents, order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalHash, canonicalText } from './canonical.ts';
import { CLASSES, type ClassName, newDocument } from './classes.ts';
import { parseDocument, stringifyDocument } from './codec.ts';
import { dehydrate, toLocal, toNdic } from './dehydrate.ts';
import { describeDocument } from './describe.ts';
import { rankDocuments } from './order.ts';
import type { JsonObject, JsonValue } from './types.ts';

const ID = '4126970000000005_40b0000000000000';
const SESSION = '41269700000000a1_3fd0000000000001';
const UID = '4126970000000099_40b0000000000000';

const demo = (): JsonObject =>
  newDocument('demoNDI', {
    id: ID,
    sessionId: SESSION,
    name: 'doc1',
    createdAt: Date.UTC(2025, 11, 12, 12, 15, 4, 788),
    values: { demoNDI: { value: 7 } },
    files: [{ name: 'filename1.ext', uid: UID, location: '/data/.ndi/files/x' }],
  });

/** As MATLAB stores it: arrays of one object lose their brackets. */
function unwrapped(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.length === 1 ? unwrapped(value[0]!) : value.map(unwrapped);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, unwrapped(member)]));
}

describe('facts', () => {
  it('are the same for both writers', () => {
    const facts = describeDocument(demo());
    expect(facts).toEqual({
      id: ID,
      sessionId: SESSION,
      className: 'demoNDI',
      name: 'doc1',
      datestamp: '2025-12-12T12:15:04.788Z',
      superclasses: ['base'],
      dependsOn: [],
      files: [
        {
          name: 'filename1.ext',
          locations: [{ uid: UID, location: '/data/.ndi/files/x', locationType: 'file' }],
        },
      ],
    });
    expect(describeDocument(unwrapped(demo()) as JsonObject)).toEqual(facts);
  });

  it('dependencies may be one object or none, with empty values', () => {
    const epoch = newDocument('element_epoch', { sessionId: SESSION, dependsOn: { element_id: ID } });
    expect(describeDocument(epoch).dependsOn).toEqual([{ name: 'element_id', value: ID }]);
    expect(describeDocument({ ...epoch, depends_on: { name: 'element_id', value: '' } }).dependsOn).toEqual([
      { name: 'element_id', value: '' },
    ]);
    expect(describeDocument({ ...epoch, depends_on: [] }).dependsOn).toEqual([]);
  });

  it.each([
    ['no base', {}],
    ['an id with a separator', { base: { id: '../../etc/passwd' } }],
    ['a number for an id', { base: { id: ['a', 'b'] } }],
    [
      'a uid with a separator',
      { base: { id: ID }, files: { file_info: { name: 'a', locations: { uid: '../x' } } } },
    ],
  ] satisfies [string, JsonObject][])('%s is refused', (_what, document) => {
    expect(() => describeDocument(document)).toThrow(expect.objectContaining({ code: 'NDI_E_BAD_ID' }));
  });

  it.each(['a/b', '../a', 'a\0', 'n'.repeat(300)])('the file name %j is carried', (name) => {
    const files = { file_info: { name, locations: { uid: UID } }, series_info: { name } };
    const facts = describeDocument({ base: { id: ID }, files });
    expect(facts.files).toMatchObject([{ name, locations: [{ uid: UID }] }]);
    expect(facts.series).toEqual([name]);
  });
});

describe('canonical form', () => {
  it('does not depend on key order, whitespace, unwrapping or where the file lies', () => {
    const hash = canonicalHash(demo());
    const reversed = Object.fromEntries(Object.entries(demo()).reverse());
    expect(canonicalHash(reversed)).toBe(hash);
    expect(canonicalHash(parseDocument(JSON.stringify(demo(), undefined, 2)))).toBe(hash);
    expect(canonicalHash(unwrapped(demo()) as JsonObject)).toBe(hash);
    expect(
      canonicalHash({ ...demo(), id: '682e7772cdf3f24938176fac', _id: '682e7772cdf3f24938176fac' }),
    ).toBe(hash);
    expect(canonicalHash(toNdic(demo(), '682e7772cdf3f24938176fac'))).toBe(hash);
    expect(canonicalHash(toLocal(demo(), (uid) => `/elsewhere/${uid}`))).toBe(hash);
  });

  it.each([
    ['a value', { demoNDI: { value: 8 } }],
    ['a new member', { extra: 1 }],
    [
      'the uid',
      {
        files: {
          file_list: ['filename1.ext'],
          file_info: [{ name: 'filename1.ext', locations: [{ uid: 'x' }] }],
        },
      },
    ],
    [
      'the file name',
      { files: { file_list: ['filename1.ext'], file_info: [{ name: 'other', locations: [{ uid: UID }] }] } },
    ],
  ] satisfies [string, JsonObject][])('changes with %s', (_what, change) => {
    expect(canonicalHash({ ...demo(), ...change })).not.toBe(canonicalHash(demo()));
  });

  it('members that only locations may lose count elsewhere', () => {
    expect(canonicalText({ stimulus_bath: { location: 'a' } })).not.toBe(
      canonicalText({ stimulus_bath: { location: 'b' } }),
    );
    expect(canonicalText({ parameters: 1 })).toBe('{"parameters":1}');
    expect(canonicalText({ base: { id: 'a' } })).not.toBe(canonicalText({ base: { id: 'b' } }));
  });

  it('numbers count as the doubles they are to MATLAB', () => {
    const same = (a: string, b: string): void =>
      expect(canonicalText(parseDocument(a))).toBe(canonicalText(parseDocument(b)));
    same('{"a":1.10}', '{"a":1.1}');
    same('{"a":1000000000000000000000000}', '{"a":1e24}');
    same('{"a":123456789012345683968}', '{"a":123456789012345680000}');
    const other = (a: string, b: string): void =>
      expect(canonicalText(parseDocument(a))).not.toBe(canonicalText(parseDocument(b)));
    other('{"a":9007199254740993}', '{"a":9007199254740992}');
    other('{"a":1e400}', '{"a":Infinity}');
    same('{"a":-0}', '{"a":0.0}');
    same('{"a":[1,null]}', '{"a":[1,NaN]}');
    same('{"a":[null,[null]]}', '{"a":[null,null]}');
    same('{"a":[1,[[null]]]}', '{"a":[1,NaN]}');
    same('{"a":"__NDI__NaN__"}', '{"a":NaN}');
    same('{"a":null}', '{"a":[]}');
    same('{"a":[[7]]}', '{"a":7}');
    same('{"a":true}', '{"a":1}');
    expect(canonicalText({ a: ['x', null] })).toBe('{"a":["x",[]]}');
    expect(canonicalText({ a: '' })).not.toBe(canonicalText({ a: [] }));
    expect(canonicalText({ a: '1' })).not.toBe(canonicalText({ a: 1 }));
    expect(canonicalText({ a: [1, 2] })).not.toBe(canonicalText({ a: [2, 1] }));
  });

  it('is stable over any number of round trips and unwrappings', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const document = value as JsonObject;
        const text = canonicalText(document);
        expect(canonicalText(parseDocument(stringifyDocument(document)))).toBe(text);
        expect(canonicalText(unwrapped(document) as JsonObject)).toBe(text);
      }),
    );
  });

  it('different strings never meet, whatever is in them', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(canonicalText({ a, b: 1 }) === canonicalText({ a: b, b: 1 })).toBe(a === b);
      }),
    );
  });
});

describe('edits of locations', () => {
  const signed = 'https://bucket.s3.amazonaws.com/x/y?X-Amz-Signature=abc&X-Amz-Expires=900';

  const hydrated = (location: JsonObject): JsonObject => ({
    id: '682e7772cdf3f24938176fac',
    base: { id: ID },
    files: { file_list: ['f'], file_info: { name: 'f', locations: location } },
  });

  it('what the cloud added goes, the rest stays', () => {
    const document = dehydrate(hydrated({ uid: UID, location: signed, location_type: 'ndicloud', other: 1 }));
    expect(JSON.stringify(document)).not.toContain('amazonaws');
    expect(document.id).toBeUndefined();
    expect(describeDocument(document).files[0]?.locations[0]).toEqual({
      uid: UID,
      location: '',
      locationType: 'ndicloud',
    });
    expect(JSON.stringify(document)).toContain('"other":1');
  });

  it('an author’s own address stays unless it carries a signature; so does an id that is not the cloud’s', () => {
    const own = { uid: UID, location: 'https://lab.edu/raw.bin', location_type: 'url' };
    expect(JSON.stringify(dehydrate(hydrated(own)))).toContain('https://lab.edu/raw.bin');
    expect(JSON.stringify(dehydrate(hydrated({ ...own, location: signed })))).not.toContain('X-Amz');
    expect(dehydrate({ id: 'mine' })).toEqual({ id: 'mine' });
  });

  it('a local location gets the given path and all six members; without a path it stays', () => {
    const document = toLocal(
      hydrated({ uid: UID, location: signed }),
      (uid, name) => `/d/.ndi/files/${uid}.${name}`,
    );
    const info = (document.files as JsonObject).file_info as JsonObject;
    expect(info.locations).toEqual([
      {
        delete_original: 0,
        uid: UID,
        location: `/d/.ndi/files/${UID}.f`,
        parameters: '',
        location_type: 'file',
        ingest: 1,
      },
    ]);
    const absent = toLocal(
      hydrated({ uid: UID, location: 'ndic://1/2', location_type: 'ndicloud' }),
      () => undefined,
    );
    expect(describeDocument(absent).files[0]?.locations[0]?.location).toBe('ndic://1/2');
  });

  it('every location with a uid becomes hybrid; the original is not touched', () => {
    const before = demo();
    const after = toNdic(before, '682e7772cdf3f24938176fac');
    expect(before).toEqual(demo());
    expect(describeDocument(after).files[0]?.locations[0]).toEqual({
      uid: UID,
      location: `ndic://682e7772cdf3f24938176fac/${UID}`,
      locationType: 'ndicloud',
    });
    expect(toNdic({ base: { id: ID } }, 'x')).toEqual({ base: { id: ID } });
  });
});

describe('document classes', () => {
  it('every known class makes a document that can be described and written', () => {
    for (const className of Object.keys(CLASSES) as ClassName[]) {
      const document = newDocument(className, { sessionId: SESSION });
      const facts = describeDocument(document);
      expect(facts.className).toBe(className);
      if (className !== 'base') expect(facts.superclasses).toContain('base');
      expect(parseDocument(stringifyDocument(document))).toEqual(document);
    }
  });

  it('defaults of a class are not shared between documents', () => {
    const first = newDocument('treatment', { sessionId: SESSION });
    ((first.treatment as JsonObject).numeric_value as JsonValue[]).push(1);
    expect((newDocument('treatment', { sessionId: SESSION }).treatment as JsonObject).numeric_value).toEqual(
      [],
    );
  });
});

describe('order', () => {
  const graph = fc
    .integer({ min: 1, max: 30 })
    .chain((size) =>
      fc.array(fc.array(fc.nat({ max: size + 2 }), { maxLength: 4 }), { minLength: size, maxLength: size }),
    );

  it('every document comes after what it depends on, unless a reported cycle forbids it', () => {
    fc.assert(
      fc.property(graph, (edges) => {
        const documents = edges.map((targets, id) => ({
          id: `d${id}`,
          dependsOn: targets.map((target) => `d${target}`),
        }));
        const { ranks, cycles, maxRank } = rankDocuments(documents);
        expect([...ranks.keys()].sort()).toEqual(documents.map(({ id }) => id).sort());
        expect(Math.max(...ranks.values())).toBe(maxRank);
        const inCycle = new Set(cycles.flat());
        for (const { id, dependsOn } of documents) {
          for (const target of dependsOn) {
            if (!ranks.has(target) || inCycle.has(id)) continue;
            expect(ranks.get(id)!).toBeGreaterThan(ranks.get(target)!);
          }
        }
        for (const cycle of cycles) {
          for (const [at, id] of cycle.entries()) {
            const next = cycle[(at + 1) % cycle.length]!;
            expect(documents.find((document) => document.id === id)?.dependsOn).toContain(next);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('a document’s rank is its longest path; unknown, empty and doubled dependencies do no harm', () => {
    const { ranks, cycles } = rankDocuments([
      { id: 'c', dependsOn: ['a', 'b', 'b', '', 'unknown'] },
      { id: 'b', dependsOn: [{ value: 'a' }] },
      { id: 'a', dependsOn: [] },
      { id: 'a', dependsOn: [] },
    ]);
    expect(Object.fromEntries(ranks)).toEqual({ a: 0, b: 1, c: 2 });
    expect(cycles).toEqual([]);
  });

  it('cycles are broken and named, once each', () => {
    const { ranks, cycles } = rankDocuments([
      { id: 'a', dependsOn: ['a'] },
      { id: 'b', dependsOn: ['c'] },
      { id: 'c', dependsOn: ['b'] },
      { id: 'd', dependsOn: ['c'] },
    ]);
    expect(cycles).toEqual([['a'], ['b', 'c']]);
    expect(ranks.get('d')).toBe(2);
  });

  it('a hundred thousand self-references and a long chain are no trouble', () => {
    const selves = function* (): Generator<{ id: string; dependsOn: string[] }> {
      for (let at = 0; at < 100_000; at += 1)
        yield { id: `s${at}`, dependsOn: [`s${at}`, at > 0 ? `s${at - 1}` : ''] };
    };
    const { cycles, maxRank } = rankDocuments(selves());
    expect(cycles).toHaveLength(100_000);
    expect(maxRank).toBe(99_999);
  });
});
