import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FaultSpec } from './server.ts';
import {
  fetchReply,
  makeDataset,
  ndiBody,
  type TestClient,
  type TestSandbox,
  testSandbox,
  until,
  zipOf,
} from './testing.ts';

let held: TestSandbox;
let lab: TestClient;
let dataset: string;

beforeAll(async () => {
  held = await testSandbox();
  lab = await held.login('lab@sandbox.test');
  dataset = await makeDataset(lab);
});
afterAll(() => held.close());
afterEach(() => held.sandbox.faults.clear());

const set = (spec: FaultSpec): string => held.sandbox.faults.set(spec);
const me = () => lab.call('GET', '/users/me');
const names = async (): Promise<string[]> =>
  (
    await lab.call('GET', `/organizations/${lab.user.organizationId}/datasets?pageSize=1000`)
  ).body.datasets.map((d: { name: string }) => d.name);
const putUrl = async (uid: string): Promise<string> =>
  (await lab.call('GET', `/datasets/${lab.user.organizationId}/${dataset}/files/${uid}`)).body.url;
const detail = async (uid: string) =>
  (await lab.call('GET', `/datasets/${dataset}/files/${uid}/detail`)).body;
const put = async (uid: string, body: string): Promise<string> => {
  await fetch(await putUrl(uid), { method: 'PUT', body });
  return (await detail(uid)).downloadUrl;
};
const CREATE = 'POST /organizations/:org/datasets';

describe('switches', () => {
  it('skip, count and probability decide when one fires', async () => {
    const id = set({ route: 'GET /users/me', kind: '5xx', skip: 1, count: 2, params: { status: 502 } });
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await me()).status);
    expect(statuses).toEqual([200, 502, 502, 200, 200]);
    expect(held.sandbox.faults.list()).toMatchObject([{ id, seen: 5, fired: 2, origin: 'api' }]);
    held.sandbox.faults.clear(id);
    set({ route: 'GET /users/me', kind: '5xx', probability: 0 });
    expect((await me()).status).toBe(200);
  });

  it('a route may be a pattern with other parameter names, a regexp or all', async () => {
    for (const route of ['GET /users/:x', '/^GET .users.me$/', '*']) {
      set({ route: route === 'GET /users/:x' ? 'GET /users/me' : route, kind: '5xx', count: 1 });
      expect((await me()).status).toBe(500);
      held.sandbox.faults.clear();
    }
    set({ route: 'GET /datasets/:anything', kind: '5xx', count: 1 });
    expect((await held.anonymous.call('GET', '/datasets/published')).status).toBe(200);
    expect((await lab.call('GET', `/datasets/${dataset}`)).status).toBe(500);
  });

  it('a typo is refused, in process and over HTTP', async () => {
    expect(() => set({ route: 'GET /nowhere', kind: '5xx' })).toThrow(/no such route/);
    const reply = await fetchReply(`${held.sandbox.controlUrl}/faults`, {
      method: 'POST',
      body: JSON.stringify({ route: '*', kind: 'explode' }),
    });
    expect([reply.status, reply.body.message.includes('explode')]).toEqual([400, true]);
  });

  it('the control endpoint sets, lists and clears; counters tell what happened', async () => {
    const control = held.sandbox.controlUrl;
    await fetchReply(`${control}/requests/reset`, { method: 'POST' });
    const made = await fetchReply(`${control}/faults`, {
      method: 'POST',
      body: JSON.stringify([
        { route: 'GET /users/me', kind: '429', count: 1, params: { retryAfterSeconds: 7 } },
      ]),
    });
    expect(made.status).toBe(201);
    const slow = await me();
    expect([slow.status, slow.headers.get('retry-after')]).toEqual([429, '7']);
    await me();
    const { body } = await fetchReply(`${control}/requests`);
    expect(body.routes['GET /users/me']).toEqual({ count: 2, statuses: { 200: 1, 429: 1 } });
    expect(body.recent[0]).toMatchObject({ path: '/users/me', status: 429, faults: ['429'] });
    expect((await fetchReply(`${control}/faults`)).body.faults[0].fired).toBe(1);
    expect((await fetchReply(`${control}/faults/${made.body.id}`, { method: 'DELETE' })).body).toEqual({
      cleared: 1,
    });
  });
});

describe('on the wire', () => {
  it('a 504 after the work leaves the dataset there', async () => {
    set({ route: CREATE, kind: '504-after-work', count: 1 });
    const path = `/organizations/${lab.user.organizationId}/datasets`;
    const reply = await lab.call('POST', path, { name: 'made behind a 504' });
    expect([reply.status, reply.body]).toEqual([504, { message: 'Endpoint request timed out' }]);
    expect(await names()).toContain('made behind a 504');
  });

  it('a reset comes before or after the work', async () => {
    const path = `/organizations/${lab.user.organizationId}/datasets`;
    set({ route: CREATE, kind: 'reset-before', count: 1 });
    await expect(lab.call('POST', path, { name: 'reset before' })).rejects.toThrow();
    set({ route: CREATE, kind: 'reset-after', count: 1 });
    await expect(lab.call('POST', path, { name: 'reset after' })).rejects.toThrow();
    const there = await names();
    expect([there.includes('reset before'), there.includes('reset after')]).toEqual([false, true]);
  });

  it('a reset after a PUT stores the object', async () => {
    const url = await putUrl('reset-after');
    set({ route: 'PUT object', kind: 'reset-after', count: 1 });
    await expect(fetch(url, { method: 'PUT', body: 'stored' })).rejects.toThrow();
    const { downloadUrl } = await until(
      () => detail('reset-after'),
      (d) => d.uploaded,
    );
    expect((await fetchReply(downloadUrl)).text).toBe('stored');
  });

  it('a reset during a PUT stores nothing, and the bytes are counted', async () => {
    const url = await putUrl('reset-during');
    set({ route: 'PUT object', kind: 'reset-during', count: 1, params: { afterBytes: 1000 } });
    await expect(fetch(url, { method: 'PUT', body: 'x'.repeat(1_000_000) })).rejects.toThrow();
    expect((await detail('reset-during')).uploaded).toBe(false);
    set({ route: 'PUT object', kind: 'reset-during', count: 1, params: { afterBytes: 3 } });
    await expect(fetch(url, { method: 'PUT', body: 'a body in one piece' })).rejects.toThrow();
    expect((await detail('reset-during')).uploaded).toBe(false);
    const { objects } = held.sandbox.faults.requests();
    expect(objects[`${dataset}/reset-during`]?.puts).toBe(2);
    expect(objects[`${dataset}/reset-during`]?.bytesReceived).toBeGreaterThanOrEqual(1000);
  });

  it('a truncated GET ends early; a silent one looks whole', async () => {
    const url = await put('truncated', '0123456789');
    set({ route: 'GET object', kind: 'truncated-get', count: 1, params: { afterBytes: 4 } });
    await expect(fetch(url).then((r) => r.text())).rejects.toThrow();
    held.sandbox.faults.clear();
    set({ route: 'GET object', kind: 'truncated-get', count: 1, params: { fraction: 0.3, silent: true } });
    const reply = await fetchReply(url);
    expect([reply.status, reply.text]).toEqual([200, '012']);
    expect((await fetchReply(url)).text).toBe('0123456789');
  });

  it('a corrupt GET has one byte wrong, a corrupt PUT stores one', async () => {
    const url = await put('corrupt', 'aaaa');
    set({ route: 'GET object', kind: 'corrupt-get', count: 1, params: { atByte: 1 } });
    expect([...new Uint8Array(await (await fetch(url)).arrayBuffer())]).toEqual([97, 158, 97, 97]);
    set({ route: 'PUT object', kind: 'corrupt-put', count: 1, params: { atByte: 0 } });
    const stored = await put('corrupt', 'aaaa');
    expect([...new Uint8Array(await (await fetch(stored)).arrayBuffer())]).toEqual([158, 97, 97, 97]);
  });

  it('a slow body takes its time, up and down; a stalled one stops', async () => {
    const url = await put('slow', 'x'.repeat(3000));
    set({ route: 'GET object', kind: 'slow-body', count: 1, params: { bytesPerSecond: 20_000 } });
    let startedMs = performance.now();
    expect((await fetchReply(url)).text).toHaveLength(3000);
    expect(performance.now() - startedMs).toBeGreaterThan(120);
    set({ route: 'PUT object', kind: 'slow-body', count: 1, params: { bytesPerSecond: 20_000 } });
    startedMs = performance.now();
    await put('slow', 'y'.repeat(3000));
    expect(performance.now() - startedMs).toBeGreaterThan(120);
    set({ route: 'GET object', kind: 'stalled-body', count: 1, params: { afterBytes: 10 } });
    const stalled = fetch(url, { signal: AbortSignal.timeout(150) }).then((r) => r.text());
    await expect(stalled).rejects.toThrow(/timeout|aborted/);
  });

  it('faults reach answers of the API, too, as slow and truncated JSON', async () => {
    set({ route: 'GET /users/me', kind: 'truncated-get', count: 1 });
    await expect(me()).rejects.toThrow();
    set({ route: 'GET /users/me', kind: 'slow-body', count: 1, params: { bytesPerSecond: 5000 } });
    expect((await me()).body.email).toBe('lab@sandbox.test');
    set({ route: 'GET /users/me', kind: 'latency', count: 1, params: { ms: 60 } });
    const startedMs = performance.now();
    await me();
    expect(performance.now() - startedMs).toBeGreaterThan(50);
  });

  it('requests are refused for an expired token, a lock, a busy store, a store error, an archived object', async () => {
    set({ route: '*', kind: 'expired-token', count: 1 });
    expect((await me()).body).toEqual({ error: 'token expired' });
    set({ route: '*', kind: '423', count: 1 });
    expect((await me()).status).toBe(423);
    const url = await put('refused', 'x');
    const get = async (kind: FaultSpec['kind'], params = {}): Promise<[number, string]> => {
      set({ route: 'GET object', kind, count: 1, params });
      const { status, text } = await fetchReply(url);
      return [status, /<Code>(\w+)/.exec(text)?.[1] ?? ''];
    };
    expect(await get('429')).toEqual([503, 'SlowDown']);
    expect(await get('5xx', { status: 500 })).toEqual([500, 'InternalError']);
    expect(await get('archived')).toEqual([403, 'InvalidObjectState']);
    expect(await get('expired-url')).toEqual([403, 'AccessDenied']);
  });
});

describe('in the routes', () => {
  it('expired-url on the API gives a URL that is dead on arrival', async () => {
    set({ route: 'GET /datasets/:org/:d/files/:uid', kind: 'expired-url', count: 1 });
    expect((await fetch(await putUrl('dead'), { method: 'PUT', body: 'x' })).status).toBe(403);
    expect((await fetch(await putUrl('dead'), { method: 'PUT', body: 'x' })).status).toBe(200);
  });

  it('replica lag shows bulk upload jobs as they were: first unknown, then queued', async () => {
    const own = await makeDataset(lab);
    const bulk = `/datasets/${lab.user.organizationId}/${own}/files/bulk`;
    const { url, jobId } = (await lab.call('GET', bulk)).body;
    const one = `/bulk-uploads/${jobId}`;
    const list = `/datasets/${own}/bulk-uploads?state=all`;
    const created = Date.parse((await lab.call('GET', one)).body.createdAt);
    await new Promise((resolve) => setTimeout(resolve, 100));
    // Just after the job was made, well before its zip came.
    const sinceCreation = (): number => Date.now() - created - 30;
    await fetch(url, { method: 'PUT', body: await zipOf({ u1: 'x' }) });
    await until(
      async () => (await lab.call('GET', one)).body,
      ({ state }) => state === 'complete',
    );
    const lagging = async (ms: number, path: string) => {
      const ids = ['GET /bulk-uploads/:jobId', 'GET /datasets/:d/bulk-uploads'].map((route) =>
        set({ route, kind: 'replica-lag', params: { ms } }),
      );
      const reply = await lab.call('GET', path);
      for (const id of ids) held.sandbox.faults.clear(id);
      return reply;
    };
    expect((await lagging(60_000, one)).status).toBe(404);
    const before = {
      state: 'queued',
      startedAt: null,
      completedAt: null,
      totalFiles: null,
      filesExtracted: 0,
    };
    expect((await lagging(sinceCreation(), one)).body).toMatchObject(before);
    expect((await lagging(sinceCreation(), list)).body.jobs).toMatchObject([before]);
    expect((await lagging(sinceCreation(), list.replace('all', 'complete'))).body.jobs).toEqual([]);
    expect((await lagging(0, one)).body).toMatchObject({ state: 'complete', filesExtracted: 1 });
  });

  it('replica lag hides the new and shows the deleted', async () => {
    const own = await makeDataset(lab);
    const path = `/datasets/${own}/documents`;
    const ids: string[] = [];
    for (let n = 0; n < 2; n++) ids.push((await lab.call('POST', path, ndiBody(n))).body.id);
    set({ route: 'GET /datasets/:d/documents', kind: 'replica-lag', params: { ms: 60_000 } });
    set({ route: 'GET /datasets/:d/document-count', kind: 'replica-lag', params: { ms: 60_000 } });
    expect((await lab.call('GET', path)).status).toBe(404);
    held.sandbox.faults.clear();
    await new Promise((resolve) => setTimeout(resolve, 120));
    await lab.call('DELETE', `${path}/${ids[0]}?when=now`);
    await lab.call('POST', path, ndiBody(9));
    set({ route: 'GET /datasets/:d/documents', kind: 'replica-lag', params: { ms: 100 } });
    const lagging = (await lab.call('GET', path)).body.documents.map((d: { id: string }) => d.id);
    expect(lagging).toEqual(ids);
  });

  it('unstable page order makes pages overlap and miss rows', async () => {
    const own = await makeDataset(lab);
    const path = `/datasets/${own}/documents`;
    for (let n = 0; n < 12; n++) await lab.call('POST', path, ndiBody(n));
    set({ route: 'GET /datasets/:d/documents', kind: 'unstable-order' });
    const seen = new Set<string>();
    for (let i = 0; i < 6; i++) {
      const { documents } = (await lab.call('GET', `${path}?pageSize=12`)).body;
      seen.add(documents.map((d: { id: string }) => d.id).join());
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  it('a duplicate insert makes two records of one call', async () => {
    const own = await makeDataset(lab);
    set({ route: 'POST /datasets/:d/documents', kind: 'duplicate-insert', count: 1 });
    await lab.call('POST', `/datasets/${own}/documents`, ndiBody(1));
    expect((await lab.call('GET', `/datasets/${own}/document-count`)).body.count).toBe(2);
    set({ route: CREATE, kind: 'duplicate-insert', count: 1 });
    await makeDataset(lab, 'double');
    expect((await names()).filter((name) => name === 'double')).toHaveLength(2);
  });
});

describe('in the background', () => {
  const importInto = async (own: string, n: number): Promise<void> => {
    const { url } = (await lab.call('POST', `/datasets/${own}/documents/bulk-upload`)).body;
    const bodies = Array.from({ length: n }, (_, i) => ndiBody(i));
    await fetch(url, { method: 'PUT', body: await zipOf({ 'a.json': JSON.stringify(bodies) }) });
  };
  const settle = () =>
    until(
      async () => held.sandbox.stats().pendingTasks,
      (n) => n === 0,
    );
  const count = async (own: string) => (await lab.call('GET', `/datasets/${own}/document-count`)).body.count;

  it('a lost import brings nothing, a partly lost one its share, a duplicating one more', async () => {
    const own = await makeDataset(lab);
    set({ route: 'IMPORT documents', kind: 'import-lost', count: 1 });
    await importInto(own, 10);
    await settle();
    expect(await count(own)).toBe(0);
    set({ route: 'IMPORT documents', kind: 'import-lost', count: 1, params: { fraction: 0.3 } });
    await importInto(own, 10);
    await settle();
    expect(await count(own)).toBe(7);
    set({
      route: 'PUT object',
      kind: 'duplicate-insert',
      count: 1,
      params: { key: 'bulk-documents', fraction: 0.5 },
    });
    await importInto(own, 10);
    await settle();
    expect(await count(own)).toBe(22);
  });

  it('a delayed import comes later', async () => {
    const own = await makeDataset(lab);
    set({ route: 'IMPORT documents', kind: 'import-delay', count: 1, params: { ms: 250 } });
    await importInto(own, 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await count(own)).toBe(0);
    await until(
      () => count(own),
      (n) => n === 1,
    );
  });

  it('file zips are lost whole (queued for ever, or failed), in part, or uploaded before they can be read', async () => {
    const own = await makeDataset(lab);
    const send = async (spec: Partial<FaultSpec>): Promise<Record<string, unknown>> => {
      set({ route: 'IMPORT files', kind: 'import-lost', count: 1, ...spec });
      const { url, jobId } = (await lab.call('GET', `/datasets/${lab.user.organizationId}/${own}/files/bulk`))
        .body;
      await fetch(url, { method: 'PUT', body: await zipOf({ u1: '1', u2: '2', u3: '3', u4: '4' }) });
      await settle();
      return (await lab.call('GET', `/bulk-uploads/${jobId}`)).body;
    };
    expect(await send({})).toMatchObject({ state: 'queued', filesExtracted: 0 });
    expect(await send({ params: { jobState: 'failed' } })).toMatchObject({ state: 'failed' });
    const part = await send({ params: { fraction: 0.25 } });
    expect(part).toMatchObject({ state: 'complete', totalFiles: 4, filesExtracted: 3 });
    await send({ kind: 'uploaded-before-readable', params: { ms: 200 } });
    const { body } = await lab.call('GET', `/datasets/${own}/files/u1/detail`);
    expect(body.uploaded).toBe(true);
    expect((await fetch(body.downloadUrl)).status).toBe(404);
    await until(
      async () => (await fetch(body.downloadUrl)).status,
      (status) => status === 200,
    );
  });

  it('a download zip can be made never to come', async () => {
    set({ route: 'MAKE download', kind: 'import-lost', count: 1 });
    const { body } = await lab.call('POST', `/datasets/${dataset}/documents/bulk-download`, {});
    await settle();
    expect((await fetch(body.url)).status).toBe(404);
  });
});
