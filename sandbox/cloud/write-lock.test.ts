import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDataset, ndiBody, type TestClient, type TestSandbox, testSandbox } from '../testing.ts';

let held: TestSandbox;
let lab: TestClient;
let both: TestClient;

beforeAll(async () => {
  held = await testSandbox();
  lab = await held.login('lab@sandbox.test');
  both = await held.login('both@sandbox.test');
});
afterAll(() => held.close());

describe('the write lock of the sandbox', () => {
  it('it has one holder; others get 409 for the lock and 423 for writes, and read as before', async () => {
    const dataset = await makeDataset(lab);
    const path = `/datasets/${dataset}/write-lock`;
    expect((await lab.call('GET', path)).body).toEqual({ datasetId: dataset, locked: false });
    const taken = await lab.call('POST', path, { reason: 'migration' });
    expect(taken.status).toBe(201);
    expect(taken.body).toMatchObject({ heldBy: 'lab@sandbox.test', reason: 'migration' });
    const seconds = (Date.parse(taken.body.heldUntil) - Date.now()) / 1000;
    expect(seconds, 'about half an hour').toBeGreaterThan(1790);

    const refused = await both.call('POST', path, { reason: 'mine' });
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ heldBy: 'lab@sandbox.test', reason: 'migration' });
    const writes = [
      await both.call('POST', `/datasets/${dataset}/documents`, ndiBody(1)),
      await both.call('POST', `/datasets/${dataset}`, { name: 'x' }),
      await both.call('GET', `/datasets/${lab.user.organizationId}/${dataset}/files/bulk`),
      await both.call('DELETE', `/datasets/${dataset}`),
    ];
    expect(writes.map(({ status }) => status)).toEqual([423, 423, 423, 423]);
    expect(writes[0]?.body).toMatchObject({ heldBy: 'lab@sandbox.test', reason: 'migration' });
    for (const read of ['', '/documents', '/documents/deleted', '/write-lock'])
      expect((await both.call('GET', `/datasets/${dataset}${read}`)).status, read).toBe(200);

    expect((await lab.call('POST', `/datasets/${dataset}/documents`, ndiBody(1))).status).toBe(200);
    expect((await both.call('DELETE', path)).status).toBe(409);
    expect((await lab.call('DELETE', path)).status).toBe(200);
    expect((await both.call('POST', `/datasets/${dataset}/documents`, ndiBody(2))).status).toBe(200);
  });

  it('it is refreshed by its holder, ends by itself, and survives a restart', async () => {
    const dataset = await makeDataset(lab);
    const path = `/datasets/${dataset}/write-lock`;
    expect((await lab.call('PUT', path, {})).status).toBe(404);
    await lab.call('POST', path, { reason: 'a', ttlSeconds: 60 });
    const again = await lab.call('POST', path, { ttlSeconds: 120 });
    expect([again.status, again.body.reason]).toEqual([200, 'a']);
    const until = async (): Promise<number> => Date.parse((await lab.call('GET', path)).body.heldUntil);
    const before = await until();
    expect((await lab.call('PUT', path, { ttlSeconds: 600 })).status).toBe(200);
    expect((await both.call('POST', `${path}/refresh`, {})).status).toBe(409);
    expect(await until()).toBeGreaterThan(before + 400_000);
    expect((await lab.call('POST', path, { ttlSeconds: -1 })).status).toBe(400);
    await held.restart();
    expect((await both.call('POST', path, {})).status).toBe(409);
    held.sandbox.knobs.clockOffsetMs = 601_000;
    const late = await both.call('POST', path, { reason: 'mine' });
    held.sandbox.knobs.clockOffsetMs = 0;
    expect(late.status).toBe(201);
  });
});
