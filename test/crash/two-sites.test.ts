/**
 * Two sites that bring copies of one dataset into one cloud dataset: the API cannot keep them apart, and in
 * the end every document is there once, with one link.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { cloudRequest, createCloudDataset, documentsInCloud } from '../support/cloud-state.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';

let first: Lab;
let second: Lab;
beforeAll(async () => {
  first = await createLab();
  second = await createLab({
    env: {
      NDI_CLOUD_URL: first.sandbox.apiUrl,
      NDI_CLOUD_USERNAME: first.sandbox.users[0]!.email,
      NDI_CLOUD_PASSWORD: first.sandbox.users[0]!.password,
    },
  });
});
afterEach(() => first.sandbox.faults.clear());
afterAll(async () => {
  await second?.close();
  await first?.close();
});

let made = 0;
/** Two copies that are not linked yet, and an empty cloud dataset. */
async function copies(): Promise<{ one: string; other: string; cloudDatasetId: string }> {
  made += 1;
  const one = join(first.dir, `one-${made}`);
  const other = join(second.dir, `other-${made}`);
  await makeDataset(one, { documents: 80, files: 3, fileBytes: 2_000, seed: made });
  cpSync(one, other, { recursive: true });
  return { one, other, cloudDatasetId: await createCloudDataset(first, `Both ${made}`) };
}

async function linksIn(cloudDatasetId: string): Promise<number> {
  const { documents } = (await cloudRequest(
    first,
    'GET',
    `/datasets/${cloudDatasetId}/documents?page=1&pageSize=1000`,
  )) as unknown as { documents: { className: string }[] };
  return documents.filter(({ className }) => className === 'dataset_remote').length;
}

const inputs = (cloudDatasetId: string) => {
  const target = { kind: 'to', cloudDatasetId } as const;
  const { cloud } = first.uploadInput(join(first.dir, `one-${made}`));
  return { target, cloud, tuning: { ...TEST_TUNING, importQuietMs: 2_500 } };
};

describe('two sites with copies of one dataset', () => {
  it('one after the other leave one link in the cloud', async () => {
    const { one, other, cloudDatasetId } = await copies();
    const more = inputs(cloudDatasetId);
    const a = await first.upload(one, more);
    const b = await second.upload(other, more);
    expect(a).toMatchObject({ status: 'done', problems: [] });
    expect(b).toMatchObject({ status: 'done', problems: [], bytes: 0 });
    expect(await linksIn(cloudDatasetId)).toBe(1);
    // A later run has nothing to send, either.
    expect(await second.upload(other, more)).toMatchObject({ status: 'done', bytes: 0 });
    expect(await linksIn(cloudDatasetId)).toBe(1);
  });

  it('at the same time leave every document once, and one link', async () => {
    const { one, other, cloudDatasetId } = await copies();
    const more = inputs(cloudDatasetId);
    const [a, b] = await Promise.all([first.upload(one, more), second.upload(other, more)]);
    expect([...a.problems, ...b.problems]).toEqual([]);
    // Whoever comes last sees all that both have sent.
    await first.upload(one, more);
    const state = await documentsInCloud(first, cloudDatasetId);
    expect(state.doubled).toEqual([]);
    expect(await linksIn(cloudDatasetId)).toBe(1);
  });

  it('of which one was cancelled leave doubles that its next run removes', async () => {
    const { one, other, cloudDatasetId } = await copies();
    const more = inputs(cloudDatasetId);
    // The zip of the cancelled run is taken in when the other run is done.
    first.sandbox.faults.set({
      route: 'IMPORT documents',
      kind: 'import-delay',
      count: 1,
      params: { ms: 5_000 },
    });
    const cancelled = await second.startUpload(second.uploadInput(other, more));
    await expect.poll(() => first.sandbox.faults.list()[0]?.fired, { timeout: 10_000 }).toBe(1);
    await cancelled.cancel();
    await cancelled.result().catch(() => {});
    expect(await first.upload(one, more)).toMatchObject({ status: 'done' });
    await expect
      .poll(async () => (await documentsInCloud(first, cloudDatasetId)).doubled.length, { timeout: 15_000 })
      .toBeGreaterThan(70);
    const again = await second.upload(other, more);
    expect(again.problems).toEqual([]);
    expect((await documentsInCloud(first, cloudDatasetId)).doubled).toEqual([]);
    expect(await linksIn(cloudDatasetId)).toBe(1);
  });
});

describe('the write lock of a cloud dataset', () => {
  const lockOf = async (id: string) =>
    (await cloudRequest(first, 'GET', `/datasets/${id}/write-lock`)) as { locked: boolean; reason?: string };

  it('that another account holds makes an upload wait and say for whom; it is taken, and given back', async () => {
    const { one, cloudDatasetId } = await copies();
    const other = first.sandbox.users.find(({ email }) => email.startsWith('both@'))!;
    const login = await fetch(`${first.sandbox.apiUrl}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: other.email, password: other.password }),
    });
    const { token } = (await login.json()) as { token: string };
    const lock = (method: string) =>
      fetch(`${first.sandbox.apiUrl}/datasets/${cloudDatasetId}/write-lock`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(method === 'POST' ? { body: JSON.stringify({ reason: 'migration' }) } : {}),
      });
    expect((await lock('POST')).status).toBe(201);
    const run = await first.startUpload(first.uploadInput(one, inputs(cloudDatasetId)));
    const { waitingFor } = await first.until(run, (progress) => progress.waitingFor !== null);
    expect(waitingFor).toMatchObject({ kind: 'dataset', code: 'NDI_E_WRITE_LOCKED' });
    expect(waitingFor!.sentence).toContain(other.email);
    expect(waitingFor!.sentence).toContain('migration');
    expect((await lock('DELETE')).status).toBe(200);
    await first.until(run, ({ phase }) => phase === 'documents' || phase === 'verifying' || phase === 'done');
    expect(await run.result()).toMatchObject({ status: 'done' });
    expect(await lockOf(cloudDatasetId)).toMatchObject({ locked: false });
  });

  it('is held while a run works, and given back when it is cancelled', async () => {
    const { one, cloudDatasetId } = await copies();
    first.sandbox.faults.set({ route: 'IMPORT documents', kind: 'import-lost' });
    const run = await first.startUpload(first.uploadInput(one, inputs(cloudDatasetId)));
    await first.until(run, ({ phase }) => phase === 'documents');
    expect(await lockOf(cloudDatasetId)).toMatchObject({ locked: true, reason: 'ndi-courier uploads' });
    await run.cancel();
    await run.result().catch(() => {});
    expect(await lockOf(cloudDatasetId)).toMatchObject({ locked: false });
  });

  it('that a person took with the same account stays when a run is done', async () => {
    const { one, cloudDatasetId } = await copies();
    await cloudRequest(first, 'POST', `/datasets/${cloudDatasetId}/write-lock`, { reason: 'by hand' });
    expect(await first.upload(one, inputs(cloudDatasetId))).toMatchObject({ status: 'done' });
    expect(await lockOf(cloudDatasetId)).toMatchObject({ locked: true });
  });

  it('that is out of order keeps no upload from its work', async () => {
    const { one, cloudDatasetId } = await copies();
    first.sandbox.faults.set({ route: 'POST /datasets/:d/write-lock', kind: '5xx', params: { status: 501 } });
    expect(await first.upload(one, inputs(cloudDatasetId))).toMatchObject({ status: 'done' });
  });
});
