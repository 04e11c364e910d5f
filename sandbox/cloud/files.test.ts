import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  fetchReply,
  makeDataset,
  type TestClient,
  type TestSandbox,
  testSandbox,
  until,
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
beforeEach(async () => {
  dataset = await makeDataset(lab);
});

const filesOf = async () => (await lab.call('GET', `/datasets/${dataset}`)).body.files;
const bulk = async (): Promise<{ url: string; jobId: string }> =>
  (await lab.call('GET', `/datasets/${lab.user.organizationId}/${dataset}/files/bulk`)).body;
const job = async (jobId: string) => (await lab.call('GET', `/bulk-uploads/${jobId}`)).body;
const done = (jobId: string) =>
  until(
    () => job(jobId),
    (j) => j.state === 'complete' || j.state === 'failed',
  );

describe('files of the sandbox', () => {
  it('the row of a file is there with its URL, and uploaded after the PUT', async () => {
    const one = `/datasets/${lab.user.organizationId}/${dataset}/files/pytest-test-file-uid`;
    const { url } = (await lab.call('GET', one)).body;
    expect(await filesOf()).toEqual([
      { uid: 'pytest-test-file-uid', uploaded: false, sourceDatasetId: dataset },
    ]);
    expect((await fetchReply(url, { method: 'PUT', body: 'hello' })).status).toBe(200);
    const row = { uid: 'pytest-test-file-uid', uploaded: true, size: 5, sourceDatasetId: dataset };
    expect(await filesOf()).toEqual([row]);
    const detail = (await lab.call('GET', `/datasets/${dataset}/files/pytest-test-file-uid/detail`)).body;
    expect(detail).toMatchObject({ ...row, datasetId: dataset });
    expect((await lab.call('GET', `/datasets/${dataset}`)).body).toMatchObject({
      totalSize: 5,
      fileCount: 1,
    });
    expect((await lab.call('GET', `/datasets/${dataset}/files/other/detail`)).status).toBe(404);
    const foreign = `/datasets/${'6500000000000000000000a2'}/${dataset}/files/x`;
    expect((await lab.call('GET', foreign)).status).toBe(404);
  });

  it('a zip of files has a job that goes from queued to complete, and its entries are files', async () => {
    const { url, jobId } = await bulk();
    expect(await job(jobId)).toMatchObject({ jobId, datasetId: dataset, state: 'queued', filesExtracted: 0 });
    const active = (await lab.call('GET', `/datasets/${dataset}/bulk-uploads`)).body;
    expect([active.datasetId, active.jobs.map((j: { jobId: string }) => j.jobId)]).toEqual([
      dataset,
      [jobId],
    ]);
    const big = Buffer.alloc(6_000_000, 'abcdefg');
    const zip = await zipOf({ u1: 'one', u2: new Uint8Array(big), u3: '', 'folder/u4': 'skipped' });
    await fetch(url, { method: 'PUT', body: zip });
    expect(await done(jobId)).toMatchObject({
      state: 'complete',
      totalFiles: 3,
      filesExtracted: 3,
      error: null,
    });
    const detail = (await lab.call('GET', `/datasets/${dataset}/files/u2/detail`)).body;
    expect(detail.size).toBe(big.length);
    const bytes = Buffer.from(await (await fetch(detail.downloadUrl)).arrayBuffer());
    expect(bytes.equals(big)).toBe(true);
    expect((await lab.call('GET', `/datasets/${dataset}/bulk-uploads?state=active`)).body.jobs).toEqual([]);
    expect((await lab.call('GET', `/datasets/${dataset}/bulk-uploads?state=all`)).body.jobs).toHaveLength(1);
    expect((await lab.call('GET', `/datasets/${dataset}/bulk-uploads?state=odd`)).status).toBe(400);
  });

  it('a broken zip fails its job with a reason; an unknown job is 404', async () => {
    const { url, jobId } = await bulk();
    await fetch(url, { method: 'PUT', body: 'no zip' });
    expect(await done(jobId)).toMatchObject({ state: 'failed', error: 'not a zip archive' });
    expect((await lab.call('GET', '/bulk-uploads/unknown')).status).toBe(404);
  });

  it('a damaged entry fails its job', async () => {
    const { url, jobId } = await bulk();
    const zip = await zipOf({ u1: 'some bytes that are to be damaged' });
    zip[38] = (zip[38] ?? 0) ^ 0xff;
    await fetch(url, { method: 'PUT', body: zip });
    expect((await done(jobId)).state).toBe('failed');
  });

  it('the keyset listing pages in order of insertion and ends; an older server has none', async () => {
    for (const uid of ['c', 'a', 'b']) {
      await lab.call('GET', `/datasets/${lab.user.organizationId}/${dataset}/files/${uid}`);
    }
    const page = async (query: string) => (await lab.call('GET', `/datasets/${dataset}/files?${query}`)).body;
    const first = await page('limit=2');
    expect(first).toMatchObject({ datasetId: dataset, limit: 2, count: 2, hasMore: true, totalNumber: 3 });
    const second = await page(`limit=2&after=${first.cursor}`);
    expect([...first.files, ...second.files].map((f: { uid: string }) => f.uid)).toEqual(['c', 'a', 'b']);
    expect(second.hasMore).toBe(false);
    held.sandbox.knobs.fileListing = 'embedded';
    const older = (await lab.call('GET', `/datasets/${dataset}`)).body;
    expect([older.files.length, older.fileCount]).toEqual([3, undefined]);
    expect((await lab.call('GET', `/datasets/${dataset}/files`)).status).toBe(404);
    held.sandbox.knobs.fileListing = 'keyset';
    const newer = (await lab.call('GET', `/datasets/${dataset}`)).body;
    expect([newer.files, newer.fileCount]).toEqual([undefined, 3]);
    held.sandbox.knobs.fileListing = 'both';
  });

  it('an extraction under way goes on after a restart', async () => {
    const { url, jobId } = await bulk();
    held.sandbox.knobs.importDelayMs = 150;
    await fetch(url, { method: 'PUT', body: await zipOf({ u1: 'one', u2: 'two' }) });
    await held.restart();
    held.sandbox.knobs.importDelayMs = 20;
    // The token of before the restart is still good.
    expect(await done(jobId)).toMatchObject({ state: 'complete', filesExtracted: 2 });
    const detail = (await lab.call('GET', `/datasets/${dataset}/files/u1/detail`)).body;
    expect((await fetchReply(detail.downloadUrl)).text).toBe('one');
  });
});
