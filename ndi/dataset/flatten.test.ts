import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { D, exampleDocuments, IDS, T } from '../../test/fixtures/dataset.ts';
import { newDocument } from '../document/classes.ts';
import { parseDocument, stringifyDocument } from '../document/codec.ts';
import type { JsonObject } from '../document/types.ts';
import { flattenDocument, jsonName } from './flatten.ts';

const pairs = (document: JsonObject): [string, unknown][] =>
  flattenDocument(document).map(({ field, value }) => [field, value]);

const withGroup = (group: JsonObject): JsonObject => ({ base: { id: IDS.demo }, group });
const groupRows = (group: JsonObject): Record<string, unknown> =>
  Object.fromEntries(pairs(withGroup(group)).filter(([field]) => field.startsWith('group.')));

describe('flattening', () => {
  it('the documents of the worked example give its rows, in its order', () => {
    const [session, subject, demo] = exampleDocuments('/abs');
    const meta = (name: string): [string, unknown][] => [
      ['meta.class', name],
      ['meta.superclass', 'base'],
      ['meta.datestamp', T],
      ['meta.creation', null],
      ['meta.deletion', null],
      ['meta.depends_on', null],
    ];
    const base = (id: string, name: string | null): [string, unknown][] => [
      ['base.id', id],
      ['base.session_id', D],
      ['base.name', name],
      ['base.datestamp', T],
    ];
    expect(pairs(session)).toEqual([
      ...meta('session'),
      ...base(IDS.session, null),
      ['session.reference', 'ts_ds'],
    ]);
    expect(pairs(subject)).toEqual([
      ...meta('subject'),
      ...base(IDS.subject, null),
      ['subject.local_identifier', 'mouse1@lab.org'],
      ['subject.description', 'a mouse'],
    ]);
    expect(pairs(demo)).toEqual([...meta('demoNDI'), ...base(IDS.demo, 'doc1'), ['demoNDI.value', 7]]);
  });

  it('superclasses are unique and sorted, dependencies keep empty values', () => {
    const epoch = newDocument('daqreader_mfdaq_epochdata_ingested', {
      sessionId: D,
      dependsOn: { daqreader_id: IDS.subject },
    });
    const fields = Object.fromEntries(pairs(epoch));
    expect(fields['meta.superclass']).toBe('base, daqreader_epochdata_ingested, epochid');
    expect(fields['meta.depends_on']).toBe(`daqreader_id,${IDS.subject};`);
    const element = newDocument('element', { sessionId: D, dependsOn: { subject_id: IDS.subject } });
    expect(Object.fromEntries(pairs(element))['meta.depends_on']).toBe(
      `underlying_element_id,;subject_id,${IDS.subject};`,
    );
  });

  it('numbers stay, booleans are 0 and 1, empty is NULL, and arrays are JSON text', () => {
    expect(
      groupRows({
        n: 5,
        t: true,
        f: false,
        s: 'x',
        e: '',
        z: [],
        nil: null,
        a: [1, 2],
        one: [3],
        cell: ['x'],
        deep: { x: { y: 1 } },
      }),
    ).toEqual({
      'group.n': 5,
      'group.t': 1,
      'group.f': 0,
      'group.s': 'x',
      'group.e': null,
      'group.z': null,
      'group.nil': null,
      'group.a': '[1,2]',
      'group.one': 3,
      'group.cell': '["x"]',
      'group.deep.x.y': 1,
    });
    expect(groupRows(parseDocument('{"a":[NaN,1.10],"b":1e400,"c":2.50}'))).toEqual({
      'group.a': '[NaN,1.10]',
      'group.b': Number.POSITIVE_INFINITY,
      'group.c': 2.5,
    });
  });

  it('a group in a group of the same name loses the repeated part; doc_id is skipped; an array of one object is that object', () => {
    const document: JsonObject = {
      base: { id: IDS.demo },
      dataset_session_info: { dataset_session_info: [{ session_id: D }] },
      group: { doc_id: 1, list: [{ a: 1 }, { a: 2 }] },
      scalar: 7,
    };
    expect(pairs(document).slice(7)).toEqual([
      ['dataset_session_info.session_id', D],
      ['group.list', '[{"a":1},{"a":2}]'],
    ]);
  });

  it('json_name has no dots and no spaces', () => {
    expect(jsonName('a.b c.d')).toBe('a___b_c___d');
  });

  it('any document flattens to values that SQLite takes', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const document = { ...(value as JsonObject), base: { id: IDS.demo } };
        for (const { value: field } of flattenDocument(parseDocument(stringifyDocument(document)))) {
          expect(field === null || typeof field === 'string' || typeof field === 'number').toBe(true);
        }
      }),
    );
  });
});
