import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  fetchReply,
  makeDataset,
  ndiBody,
  type TestClient,
  type TestSandbox,
  testSandbox,
  until,
  unzipOne,
  zipOf,
} from '../testing.ts';

let held: TestSandbox;
let lab: TestClient;
let dataset: string;

beforeAll(async () => {
  held = await testSandbox();
  lab = await held.login('lab@sandbox.test');
});
afterAll(() => held.close());

const add = async (body: unknown): Promise<string> =>
  (await lab.call('POST', `/datasets/${dataset}/documents`, body)).body.id;
const count = async (): Promise<number> =>
  (await lab.call('GET', `/datasets/${dataset}/document-count`)).body.count;
const listed = async (query = '') => (await lab.call('GET', `/datasets/${dataset}/documents${query}`)).body;
const rows = async (query = '?pageSize=1000'): Promise<{ id: string; ndiId: string }[]> =>
  (await listed(query)).documents;
const fresh = async (): Promise<void> => {
  dataset = await makeDataset(lab);
};

async function upload(entries: Record<string, string | Uint8Array>): Promise<void> {
  const { url } = (await lab.call('POST', `/datasets/${dataset}/documents/bulk-upload`)).body;
  const put = await fetchReply(url, { method: 'PUT', body: await zipOf(entries) });
  expect(put.status).toBe(200);
}

async function download(documentIds?: string[]): Promise<unknown[]> {
  const { status, body } = await lab.call('POST', `/datasets/${dataset}/documents/bulk-download`, {
    documentIds,
  });
  expect(status).toBe(200);
  const zip = await until(
    async () =>
      fetch(body.url).then(async (r) => ({ status: r.status, bytes: new Uint8Array(await r.arrayBuffer()) })),
    (r) => r.status === 200,
  );
  return JSON.parse(unzipOne(zip.bytes));
}

describe('single documents', () => {
  beforeAll(fresh);

  it('any object is taken, and twice is two; rows always have the same keys', async () => {
    const first = await add(ndiBody(1));
    const second = await add(ndiBody(1));
    await add({ document_class: { class_name: 'x' }, base: { name: 'n' } });
    await add({});
    expect(first).not.toBe(second);
    expect(await count()).toBe(4);
    for (const row of await rows()) expect(Object.keys(row)).toEqual(['id', 'ndiId', 'name', 'className']);
    expect((await lab.call('POST', `/datasets/${dataset}/documents`, [1])).status).toBe(400);
  });

  it('the body comes back hoisted with an id; a number text and unknown keys survive', async () => {
    const id = await add({ ...ndiBody(2), values: [1.5, 2], odd: { a: null }, id: 'own' });
    const { body } = await lab.call('GET', `/datasets/${dataset}/documents/${id}`);
    expect(body).toEqual({ ...ndiBody(2), values: [1.5, 2], odd: { a: null }, id });
    expect((await lab.call('GET', `/datasets/${dataset}/documents/${ndiBody(2).base.id}`)).status).toBe(500);
  });

  it('NaN and Infinity are taken under any content type, and come as literals on get and fetch, as sentinels in the zip', async () => {
    const text = '{"base":{"id":"4126970000000009_40b0000000000000"},"v":[NaN,-Infinity,Infinity]}';
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const { body } = await lab.call('POST', `/datasets/${dataset}/documents`, text, form);
    const got = await lab.call('GET', `/datasets/${dataset}/documents/${body.id}`);
    expect(got.text).toContain('"v":[NaN,-Infinity,Infinity]');
    const fetched = await lab.call('POST', `/datasets/${dataset}/documents/bulk-fetch`, {
      documentIds: [body.id],
    });
    expect(fetched.text).toContain('"v":[NaN,-Infinity,Infinity]');
    expect(await download([body.id])).toEqual([
      {
        base: { id: '4126970000000009_40b0000000000000' },
        v: ['__NDI__NaN__', '__NDI__-Infinity__', '__NDI__Infinity__'],
      },
    ]);
  });

  it('an update replaces the body', async () => {
    const id = await add(ndiBody(3, 'a'));
    expect((await lab.call('POST', `/datasets/${dataset}/documents/${id}`, ndiBody(4, 'b'))).status).toBe(
      200,
    );
    const { body } = await lab.call('GET', `/datasets/${dataset}/documents/${id}`);
    expect(body).toEqual({ id, ...ndiBody(4, 'b') });
    expect((await rows()).find((row) => row.id === id)?.ndiId).toBe(ndiBody(4).base.id);
  });

  it('file locations are replaced by URLs on get and fetch, and are as they came in the zip', async () => {
    const locations = { uid: 'u1', location: '/local/path', location_type: 'file' };
    const id = await add(
      ndiBody(5, 'f', { files: { file_list: ['a'], file_info: { name: 'a', locations } } }),
    );
    const { url } = (await lab.call('GET', `/datasets/${lab.user.organizationId}/${dataset}/files/u1`)).body;
    await fetch(url, { method: 'PUT', body: 'content' });
    const { body } = await lab.call('GET', `/datasets/${dataset}/documents/${id}`);
    expect((await fetchReply(body.files.file_info.locations.location)).text).toBe('content');
    const fetched = await lab.call('POST', `/datasets/${dataset}/documents/bulk-fetch`, {
      documentIds: [id],
    });
    expect(fetched.body.documents[0].data.files.file_info.locations.location).toMatch(/^http/);
    expect(await download([id])).toMatchObject([
      { files: { file_info: { locations: { location: '/local/path' } } } },
    ]);
  });
});

describe('deletion', () => {
  beforeAll(fresh);

  it('the default is soft: not counted, listed as deleted; now is final', async () => {
    const [soft, hard] = [await add(ndiBody(1)), await add(ndiBody(2))];
    const softly = await lab.call('DELETE', `/datasets/${dataset}/documents/${soft}`);
    expect(softly.body.message).toMatch(/delet/);
    await lab.call('DELETE', `/datasets/${dataset}/documents/${hard}?when=now`);
    expect(await count()).toBe(0);
    const deleted = await listed('/deleted');
    expect(deleted).toMatchObject({ totalNumber: 1, page: 1 });
    expect(deleted.documents.map((d: { id: string }) => d.id)).toEqual([soft]);
    const all = await lab.call('GET', `/datasets/${dataset}/document-count?includeDeleted=true`);
    expect(all.body.count).toBe(1);
    expect((await lab.call('GET', `/datasets/${dataset}/documents/${soft}`)).status).toBe(404);
    expect((await lab.call('DELETE', `/datasets/${dataset}/documents/${hard}?when=now`)).status).toBe(404);
  });

  it('it takes many at once, and passes over unknown ids', async () => {
    const ids = await Promise.all([5, 6, 7].map((n) => add(ndiBody(n))));
    const documentIds = [...ids.slice(0, 2), 'f'.repeat(24)];
    const reply = await lab.call('POST', `/datasets/${dataset}/documents/bulk-delete`, {
      documentIds,
      when: '7d',
    });
    expect(reply.status).toBe(200);
    expect((await rows()).map((row) => row.id)).toEqual(ids.slice(2));
    expect((await lab.call('POST', `/datasets/${dataset}/documents/bulk-delete`, {})).status).toBe(400);
  });
});

it('a bulk fetch takes 1 to 500 well-formed ids, leaves out what is missing, and gives six keys', async () => {
  await fresh();
  const id = await add(ndiBody(1));
  const fetchIds = (documentIds: unknown) =>
    lab.call('POST', `/datasets/${dataset}/documents/bulk-fetch`, { documentIds });
  const { body } = await fetchIds([id, 'f'.repeat(24), id]);
  expect(body.documents).toHaveLength(1);
  expect(Object.keys(body.documents[0])).toEqual(['id', 'ndiId', 'name', 'className', 'datasetId', 'data']);
  expect(body.documents[0].data).toEqual(ndiBody(1));
  for (const bad of [[], ['x'], 'all', Array(501).fill(id)]) {
    const reply = await fetchIds(bad);
    expect([reply.status, reply.text.includes('bulk-download')]).toEqual([400, true]);
  }
});

it('pages are in order of arrival, disjoint, short at the end, and of 1000 rows at most', async () => {
  await fresh();
  await upload({ 'a.json': JSON.stringify(Array.from({ length: 1005 }, (_, n) => ndiBody(n))) });
  await until(count, (n) => n === 1005);
  const figures = { totalNumber: 1005, page: 1, pageSize: 1000 };
  expect(await listed('?page=1&pageSize=5000')).toMatchObject(figures);
  const first = await rows('?page=1&pageSize=5000');
  const second = await rows('?page=2&pageSize=5000');
  expect([first.length, second.length]).toEqual([1000, 5]);
  expect(new Set([...first, ...second].map((row) => row.id)).size).toBe(1005);
  expect((await rows('?page=3&pageSize=1000')).length).toBe(0);
});

describe('imports', () => {
  beforeEach(fresh);

  it('an array in one entry and an object per entry; what is no document is dropped silently', async () => {
    await upload({
      'all.json': `[${JSON.stringify(ndiBody(1))}, 7, null, "x"\n,{"base":{"id":"x"},"v":NaN}]`,
      'one.json': JSON.stringify(ndiBody(2), null, 2),
      'broken.json': `[${JSON.stringify(ndiBody(3))}, {"a":`,
      'notes.txt': JSON.stringify(ndiBody(4)),
    });
    await until(count, (n) => n === 3);
    expect((await rows()).map((row) => row.ndiId)).toEqual([ndiBody(1).base.id, 'x', ndiBody(2).base.id]);
  });

  it('a zip that is none brings nothing and tells nobody', async () => {
    const { url } = (await lab.call('POST', `/datasets/${dataset}/documents/bulk-upload`)).body;
    expect((await fetchReply(url, { method: 'PUT', body: 'no zip' })).status).toBe(200);
    await until(
      async () => held.sandbox.stats().pendingTasks,
      (n) => n === 0,
    );
    expect(await count()).toBe(0);
  });

  it('the same zip sent twice is imported twice', async () => {
    const zip = await zipOf({ 'a.json': JSON.stringify([ndiBody(1)]) });
    const { url } = (await lab.call('POST', `/datasets/${dataset}/documents/bulk-upload`)).body;
    for (let i = 0; i < 2; i++) await fetch(url, { method: 'PUT', body: zip });
    await until(count, (n) => n === 2);
  });

  it('an import under way survives a restart, neither lost nor doubled', async () => {
    held.sandbox.knobs.importDelayMs = 0;
    const bodies = Array.from({ length: 4000 }, (_, n) => ndiBody(n));
    await upload({ 'a.json': JSON.stringify(bodies) });
    await until(count, (n) => n > 0);
    await held.restart();
    expect(await count()).toBeLessThan(4000);
    await until(count, (n) => n === 4000);
    await until(
      async () => held.sandbox.stats().pendingTasks,
      (n) => n === 0,
    );
    const ids = await Promise.all([1, 2, 3, 4].map((page) => rows(`?page=${page}&pageSize=1000`)));
    expect(new Set(ids.flat().map((row) => row.ndiId)).size).toBe(4000);
    held.sandbox.knobs.importDelayMs = 20;
  });
});

it('a bulk download without ids brings all, in order; an id twice comes twice; no key is added', async () => {
  await fresh();
  const ids = [await add(ndiBody(1)), await add(ndiBody(2))];
  expect(await download()).toEqual([ndiBody(1), ndiBody(2)]);
  expect(await download([])).toEqual([ndiBody(1), ndiBody(2)]);
  expect(await download([ids[1] as string, ids[1] as string])).toEqual([ndiBody(2), ndiBody(2)]);
  const bad = await lab.call('POST', `/datasets/${dataset}/documents/bulk-download`, {
    documentIds: ['', ''],
  });
  expect(bad.status).toBe(400);
  const { url } = (await lab.call('POST', `/datasets/${dataset}/documents/bulk-download`, {})).body;
  expect((await fetchReply(url)).text).toContain('<Code>NoSuchKey</Code>');
});
