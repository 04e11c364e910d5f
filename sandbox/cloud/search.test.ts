import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDataset, type TestClient, type TestSandbox, testSandbox } from '../testing.ts';

let held: TestSandbox;
let lab: TestClient;
let dataset: string;

const DOCUMENTS = {
  subject: {
    document_class: {
      class_name: 'subject',
      superclasses: { definition: '$NDIDOCUMENTPATH/base.json' },
    },
    base: { id: '4126970000000001_40b0000000000000', name: 'Mouse One', session_id: 's1' },
    subject: { local_identifier: 'mouse1@lab.org', weights: [20, 21, 22], tags: ['a', 'b'] },
  },
  spike: {
    document_class: {
      class_name: 'spikes',
      superclasses: [
        { definition: '$NDIDOCUMENTPATH/apps/epochid.json' },
        { definition: '$NDIDOCUMENTPATH/base.json' },
      ],
    },
    base: { id: '4126970000000002_40b0000000000000', name: 'mouse one', session_id: 's1' },
    depends_on: { name: 'subject_id', value: '4126970000000001_40b0000000000000' },
    spikes: {
      rate: 7,
      limit: '__NDI__Infinity__',
      parts: [
        { kind: 'fast', n: 1 },
        { kind: 'slow', n: 2 },
      ],
    },
  },
  bare: { base: { id: '4126970000000003_40b0000000000000', name: 'bare' } },
};
type Name = keyof typeof DOCUMENTS;

beforeAll(async () => {
  held = await testSandbox();
  lab = await held.login('lab@sandbox.test');
  dataset = await makeDataset(lab);
  for (const body of Object.values(DOCUMENTS)) await lab.call('POST', `/datasets/${dataset}/documents`, body);
});
afterAll(() => held.close());

const ask = (searchstructure: unknown, scope = dataset, client = lab, page = '') =>
  client.call('POST', `/ndiquery${page}`, { scope, searchstructure });
const found = async (...elements: object[]): Promise<Name[]> => {
  const { status, body } = await ask(elements);
  expect(status).toBe(200);
  const names = Object.keys(DOCUMENTS) as Name[];
  return body.documents.map((row: { ndiId: string }) =>
    names.find((n) => DOCUMENTS[n].base.id === row.ndiId),
  );
};

describe('operations', () => {
  it.each<[string, object, Name[]]>([
    ['isa leaf', { operation: 'isa', param1: 'spikes' }, ['spike']],
    ['isa superclass', { operation: 'isa', param1: 'base' }, ['subject', 'spike']],
    ['isa in a folder', { operation: 'isa', param1: 'epochid' }, ['spike']],
    ['~isa', { operation: '~isa', param1: 'base' }, ['bare']],
    [
      'depends_on name',
      { operation: 'depends_on', param1: 'subject_id', param2: DOCUMENTS.subject.base.id },
      ['spike'],
    ],
    ['depends_on *', { operation: 'depends_on', param1: '*', param2: DOCUMENTS.subject.base.id }, ['spike']],
    ['depends_on other', { operation: 'depends_on', param1: 'other', param2: DOCUMENTS.subject.base.id }, []],
    ['exact_string', { operation: 'exact_string', field: 'base.name', param1: 'mouse one' }, ['spike']],
    [
      '~exact_string',
      { operation: '~exact_string', field: 'base.name', param1: 'mouse one' },
      ['subject', 'bare'],
    ],
    [
      'anycase',
      { operation: 'exact_string_anycase', field: 'base.name', param1: 'MOUSE ONE' },
      ['subject', 'spike'],
    ],
    [
      'contains_string',
      { operation: 'contains_string', field: 'subject.local_identifier', param1: '@lab' },
      ['subject'],
    ],
    ['regexp', { operation: 'regexp', field: 'base.name', param1: '^[Mm]ouse \\w+$' }, ['subject', 'spike']],
    ['exact_number', { operation: 'exact_number', field: 'spikes.rate', param1: 7 }, ['spike']],
    [
      'exact_number array',
      { operation: 'exact_number', field: 'subject.weights', param1: [20, 21, 22] },
      ['subject'],
    ],
    ['exact_number other size', { operation: 'exact_number', field: 'subject.weights', param1: 20 }, []],
    ['lessthan', { operation: 'lessthan', field: 'spikes.rate', param1: 7 }, []],
    ['lessthaneq', { operation: 'lessthaneq', field: 'spikes.rate', param1: 7 }, ['spike']],
    ['greaterthan all', { operation: 'greaterthan', field: 'subject.weights', param1: 19 }, ['subject']],
    ['greaterthan not all', { operation: 'greaterthan', field: 'subject.weights', param1: 20 }, []],
    [
      'greaterthaneq Infinity',
      { operation: 'greaterthaneq', field: 'spikes.limit', param1: 1e300 },
      ['spike'],
    ],
    ['hasfield', { operation: 'hasfield', field: 'subject.tags' }, ['subject']],
    ['~hasfield', { operation: '~hasfield', field: 'document_class' }, ['bare']],
    ['hasmember', { operation: 'hasmember', field: 'subject.tags', param1: 'b' }, ['subject']],
    [
      'subfield contains',
      { operation: 'hasanysubfield_contains_string', field: 'spikes.parts', param1: 'kind', param2: 'low' },
      ['spike'],
    ],
    [
      'subfield exact',
      { operation: 'hasanysubfield_exact_string', field: 'spikes.parts', param1: 'kind', param2: 'low' },
      [],
    ],
    ['through a list', { operation: 'exact_string', field: 'spikes.parts.kind', param1: 'slow' }, ['spike']],
    [
      'class_name',
      { operation: 'exact_string', field: 'document_class.class_name', param1: 'spikes' },
      ['spike'],
    ],
    [
      'or',
      {
        operation: 'or',
        param1: { operation: 'isa', param1: 'spikes' },
        param2: [{ operation: 'exact_string', field: 'base.name', param1: 'bare' }],
      },
      ['spike', 'bare'],
    ],
  ])('%s finds what it should', async (_name, element, names) => {
    expect(await found(element)).toEqual(names);
  });

  it('a structure of one element may come bare; several members are asked for in one element', async () => {
    const { body } = await ask({ operation: 'isa', param1: 'spikes' });
    expect(body.documents.map((row: { className: string }) => row.className)).toEqual(['spikes']);
    const parts = (kind: string, n: number) => ({
      operation: 'hasanysubfield_exact_string',
      field: 'spikes.parts',
      param1: ['kind', 'n'],
      param2: [kind, n],
    });
    expect(await found(parts('slow', 2))).toEqual(['spike']);
    expect(await found(parts('slow', 1))).toEqual([]);
  });

  it('elements are AND-ed; a search by id goes through the index', async () => {
    expect(
      await found({ operation: 'isa', param1: 'base' }, { operation: 'hasfield', field: 'spikes' }),
    ).toEqual(['spike']);
    const byId = { operation: 'exact_string', field: 'base.id', param1: DOCUMENTS.bare.base.id };
    expect(await found(byId)).toEqual(['bare']);
    expect(await found({ ...byId, param1: 'none' })).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['~or', [{ operation: '~or', param1: [], param2: [] }]],
    ['an unknown operation', [{ operation: 'looks_like', field: 'a', param1: 'b' }]],
    ['a broken regexp', [{ operation: 'regexp', field: 'a', param1: '(' }]],
    ['what is no structure', 'isa base'],
  ])('%s is refused with 400', async (_name, structure) => {
    expect((await ask(structure)).status).toBe(400);
  });
});

describe('scope and pages', () => {
  const all = [{ operation: '~isa', param1: 'nothing' }];

  it('rows carry the dataset; both totals are there; 20 to a page', async () => {
    const { body } = await ask(all, 'all', lab, '?page=2&pageSize=2');
    expect(Object.keys(body)).toEqual(['documents', 'number_matches', 'totalItems', 'page', 'pageSize']);
    expect([body.documents.length, body.page, body.pageSize]).toEqual([2, 2, 2]);
    expect(body.number_matches).toBe(57);
    expect(Object.keys(body.documents[0])).toEqual(['id', 'ndiId', 'name', 'className', 'datasetId']);
    expect((await ask(all, 'all')).body.documents).toHaveLength(20);
  });

  it('a scope is public, private or a list of ids; what one may not read is dropped silently', async () => {
    expect((await ask(all, 'private')).body.number_matches).toBe(3);
    expect((await ask(all, 'public', held.anonymous)).body.number_matches).toBe(54);
    expect((await ask(all, 'all', held.anonymous)).body.number_matches).toBe(54);
    const list = `${dataset},668b0539f13096e04f1feccd`;
    expect((await ask(all, list)).body.number_matches).toBe(16);
    const second = await held.login('second@sandbox.test');
    expect((await ask(all, list, second)).body.number_matches).toBe(13);
    expect((await ask(all, 'mine')).status).toBe(400);
  });
});
