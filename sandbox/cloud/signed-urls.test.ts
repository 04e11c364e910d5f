import { gunzipSync } from 'node:zlib';
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
let document: string;
let paths: string[];
const body = ndiBody(1, 'demo', {
  files: {
    file_info: [
      { name: 'seg_2', locations: [{ uid: 'u2' }] },
      { name: 'seg_1', locations: { uid: 'u1' } },
      { name: 'list.bin', locations: [{ uid: 'u3' }, { location: 'nowhere' }] },
    ],
  },
});

beforeAll(async () => {
  held = await testSandbox();
  lab = await held.login('lab@sandbox.test');
  dataset = await makeDataset(lab);
  for (const uid of ['u1', 'u2', 'u3']) {
    const { url } = (await lab.call('GET', `/datasets/${lab.user.organizationId}/${dataset}/files/${uid}`))
      .body;
    await fetch(url, { method: 'PUT', body: `bytes of ${uid}` });
  }
  document = (await lab.call('POST', `/datasets/${dataset}/documents`, body)).body.id;
  paths = [
    `/datasets/${dataset}/documents/${document}`,
    `/datasets/${dataset}/ndi-documents/${body.base.id}`,
  ];
});
afterAll(() => held.close());

describe('signed URLs of the sandbox', () => {
  it('a set has the URLs of all files in order of uid, by either id; an id of the other kind is a 404', async () => {
    for (const path of paths) {
      const { status, body: set } = await lab.call('GET', `${path}/signed-url-set`);
      expect(status).toBe(200);
      expect(set).toMatchObject({ datasetId: dataset, documentId: document, totalCount: 3, pageCount: 3 });
      expect(set).not.toHaveProperty('nextCursor');
      expect(Object.keys(set.files)).toEqual(['u1', 'u2', 'u3']);
      expect((await fetchReply(set.files.u2)).text).toBe('bytes of u2');
      const hours = (Date.parse(set.expiresAt) - Date.now()) / 3_600_000;
      expect(Math.round(hours)).toBe(24);
    }
    const crossed = [
      `/datasets/${dataset}/documents/${body.base.id}/signed-url-set`,
      `/datasets/${dataset}/ndi-documents/${document}/signed-url-set`,
    ];
    for (const path of crossed) expect((await lab.call('GET', path)).status, path).toBe(404);
  });

  it('a set comes in pages, and for one series alone', async () => {
    const path = `${paths[0]}/signed-url-set`;
    const first = (await lab.call('GET', `${path}?limit=2`)).body;
    expect([Object.keys(first.files), first.totalCount, first.pageCount]).toEqual([['u1', 'u2'], 3, 2]);
    const second = (await lab.call('GET', `${path}?limit=2&cursor=${first.nextCursor}`)).body;
    expect([Object.keys(second.files), second.nextCursor]).toEqual([['u3'], undefined]);
    const series = (await lab.call('GET', `${path}?fileSeries=${encodeURIComponent('seg_#')}`)).body;
    expect(Object.keys(series.files)).toEqual(['u1', 'u2']);
  });

  it('a job makes one gzipped object of them, and survives a restart', async () => {
    const started = await lab.call('POST', `${paths[1]}/signed-url-set-jobs`, {});
    expect(started.status).toBe(202);
    const { jobId } = started.body;
    expect(started.body).toMatchObject({ datasetId: dataset, documentId: document, pollAfterSec: 1 });
    await held.restart();
    const job = await until(
      async () => (await lab.call('GET', `/signed-url-set-jobs/${jobId}`)).body,
      ({ state }) => state === 'ready' || state === 'failed',
    );
    expect(job).toMatchObject({ state: 'ready', signedCount: 3, totalCount: 3, error: null });
    const packed = Buffer.from(await (await fetch(job.resultUrl)).arrayBuffer());
    expect(packed.length).toBe(job.resultByteSize);
    const result = JSON.parse(gunzipSync(packed).toString());
    expect(result).toMatchObject({ jobId, fileCount: 3 });
    expect((await fetchReply(result.files.u3)).text).toBe('bytes of u3');
    expect((await lab.call('GET', '/signed-url-set-jobs/none')).status).toBe(404);
  });

  it('a job fails on demand; others may not look', async () => {
    const params = { jobState: 'failed' };
    held.sandbox.faults.set({ route: 'SIGN urls', kind: 'import-lost', count: 1, params });
    const { jobId } = (await lab.call('POST', `${paths[0]}/signed-url-set-jobs?fileSeries=seg_%23`, {})).body;
    const job = await until(
      async () => (await lab.call('GET', `/signed-url-set-jobs/${jobId}`)).body,
      ({ state }) => state !== 'queued' && state !== 'running',
    );
    expect(job).toMatchObject({ state: 'failed', resultUrl: null, error: 'Signing failed' });
    const second = await held.login('second@sandbox.test');
    expect((await second.call('GET', `/signed-url-set-jobs/${jobId}`)).status).toBe(403);
    expect((await second.call('GET', `${paths[0]}/signed-url-set`)).status).toBe(403);
  });
});
