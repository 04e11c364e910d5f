import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  fetchReply,
  makeDataset,
  ndiBody,
  type TestClient,
  type TestSandbox,
  testSandbox,
  until,
} from '../testing.ts';

let held: TestSandbox;
let lab: TestClient;
let dataset: string;
let ids: string[];

const withFiles = (n: number, ...uids: string[]) =>
  ndiBody(n, 'demo', { files: { file_info: uids.map((uid) => ({ name: uid, locations: [{ uid }] })) } });
const put = async (uid: string): Promise<void> => {
  const { url } = (await lab.call('GET', `/datasets/${lab.user.organizationId}/${dataset}/files/${uid}`))
    .body;
  await fetch(url, { method: 'PUT', body: uid });
};
const move = (targetTier: string, ...selected: string[]) =>
  lab.call('POST', `/datasets/${dataset}/file-tier-jobs`, {
    targetTier,
    documentSelectors: selected.map((id) => ({ id })),
  });
const job = async (jobId: string) => (await lab.call('GET', `/file-tier-jobs/${jobId}`)).body;
const done = (jobId: string) =>
  until(
    () => job(jobId),
    ({ state }) => state !== 'queued' && state !== 'running',
  );
const read = async (uid: string) =>
  fetchReply((await lab.call('GET', `/datasets/${dataset}/files/${uid}/detail`)).body.downloadUrl);

beforeAll(async () => {
  held = await testSandbox();
  lab = await held.login('lab@sandbox.test');
  dataset = await makeDataset(lab);
  for (const uid of ['own', 'shared']) await put(uid);
  ids = [];
  for (const document of [withFiles(1, 'own', 'shared', 'never-sent'), withFiles(2, 'shared'), ndiBody(3)])
    ids.push((await lab.call('POST', `/datasets/${dataset}/documents`, document)).body.id);
});
afterAll(() => held.close());

describe('storage tiers of the sandbox', () => {
  it('files in a cold tier exist and cannot be read until they are moved back', async () => {
    const fetchDocument = async () =>
      (await lab.call('POST', `/datasets/${dataset}/documents/bulk-fetch`, { documentIds: [ids[0]] })).body
        .documents[0];
    expect(await fetchDocument()).not.toHaveProperty('filesTier');
    // By NDI id: selectors take either.
    const started = (await move('DEEP_ARCHIVE', ndiBody(1).base.id)).body;
    expect(started).toMatchObject({
      fileCount: 3,
      resolvedDocumentCount: 1,
      collateralDocumentIds: [ids[1]],
    });
    await held.restart();
    expect(await done(started.jobId)).toMatchObject({
      state: 'completed',
      targetTier: 'DEEP_ARCHIVE',
      filesDone: 2,
      filesFailed: 1,
      perPhaseCounts: { pending: 0, moved: 2, failed: 1 },
      errors: [`${dataset}/never-sent: no such file`],
    });
    const refused = await read('shared');
    expect([refused.status, refused.text]).toEqual([
      403,
      expect.stringContaining('<StorageClass>DEEP_ARCHIVE<'),
    ]);
    expect((await fetchDocument()).filesTier).toMatchObject({
      counts: { DEEP_ARCHIVE: 2, STANDARD: 1 },
      dominant: 'DEEP_ARCHIVE',
    });
    await done((await move('STANDARD', ids[1]!)).body.jobId);
    expect((await read('shared')).text).toBe('shared');
    expect((await read('own')).status).toBe(403);
    await done((await move('GLACIER_IR', ids[0]!)).body.jobId);
    expect((await read('own')).text, 'this tier answers at once').toBe('own');
  });

  it('a file that is sent anew is readable', async () => {
    await done((await move('GLACIER', ids[0]!)).body.jobId);
    expect((await read('own')).status).toBe(403);
    await put('own');
    expect((await read('own')).text).toBe('own');
  });

  it('a later job takes over; one fails on demand; what is malformed is refused', async () => {
    held.sandbox.knobs.jobDelayMs = 300;
    const first = (await move('GLACIER', ids[0]!)).body.jobId;
    const second = (await move('STANDARD', ids[0]!)).body.jobId;
    expect((await job(first)).state).toBe('superseded');
    held.sandbox.knobs.jobDelayMs = 20;
    expect((await done(second)).state).toBe('completed');
    held.sandbox.faults.set({
      route: 'MOVE tiers',
      kind: 'import-lost',
      params: { jobState: 'failed' },
      count: 1,
    });
    const failed = await done((await move('GLACIER', ids[1]!)).body.jobId);
    expect(failed).toMatchObject({ state: 'failed', filesFailed: 1 });
    expect((await move('WARM', ids[0]!)).status).toBe(400);
    expect((await move('GLACIER')).status).toBe(400);
    expect((await lab.call('GET', '/file-tier-jobs/none')).status).toBe(404);
  });
});
