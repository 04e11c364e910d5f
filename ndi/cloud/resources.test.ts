/** What the sandbox does not do: the odd shapes of older, newer and broken servers. */
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { type CourierError, isCourierError } from '../../errors/index.ts';
import { answer, type Handler, startTestServer, type TestServer } from '../../test/setup/http-server.ts';
import { createCloudClient, type FullCloudClient } from './index.ts';
import type { FileRow } from './types.ts';

const DATASET = '682e7772cdf3f24938176fac';
const A = 'aaaaaaaaaaaaaaaaaaaaaaaa';
const B = 'bbbbbbbbbbbbbbbbbbbbbbbb';
const page = { page: 1, pageSize: 10 };

const open: Array<{ server: TestServer; client: FullCloudClient }> = [];
afterEach(async () => {
  for (const { server, client } of open.splice(0)) {
    await client.close();
    await server[Symbol.asyncDispose]();
  }
});
async function start(handler: Handler) {
  const server = await startTestServer(handler);
  const tokens = { get: async () => 'token', invalidate: () => undefined, describe: () => 'test' };
  const client = createCloudClient({ baseUrl: server.baseUrl, tokens });
  open.push({ server, client });
  return { server, client };
}
/** A server that says this to everything. */
const saying = async (body: unknown, status = 200) =>
  (await start((_request, response) => answer(response, status, body))).client;
const caught = async (work: Promise<unknown>): Promise<CourierError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (isCourierError(error)) return error;
  throw new Error(`expected a CourierError, got ${inspect(error)}`);
};
async function listed(client: FullCloudClient): Promise<FileRow[][]> {
  const pages: FileRow[][] = [];
  for await (const rows of client.files.list(DATASET)) pages.push([...rows]);
  return pages;
}

describe('shapes', () => {
  it('of a user have organisations as object, array or nothing', async () => {
    const organization = { id: A, name: 'Lab', canUploadDataset: true };
    for (const [organizations, count] of [
      [organization, 1],
      [[organization], 1],
      [null, 0],
      [undefined, 0],
    ] as const) {
      expect((await (await saying({ id: 'u', organizations })).me()).organizations).toHaveLength(count);
    }
    expect((await caught((await saying({ id: 'u' })).organizationId())).code).toBe('NDI_E_NO_ORGANIZATION');
  });

  it('of a dataset may have `_id`, missing and odd fields, rows of files that differ; the record is kept as it came', async () => {
    const record = {
      _id: DATASET,
      name: 'n',
      isPublished: 'true',
      documentCount: '7',
      totalSize: '__NDI__NaN__',
      surprise: [1],
      files: [{ uid: 'a', uploaded: false }, { uid: 'b', size: 12, extra: 1 }, { size: 1 }, 'c', null],
    };
    const got = await (await saying(record)).datasets.get(DATASET);
    expect(got).toMatchObject({ id: DATASET, isPublished: true, isSubmitted: false, documentCount: 7 });
    expect(got.totalSizeBytes).toBeUndefined();
    expect(got.files).toEqual([
      { uid: 'a', uploaded: false, sizeBytes: undefined },
      { uid: 'b', uploaded: undefined, sizeBytes: 12 },
      { uid: 'c', uploaded: undefined, sizeBytes: undefined },
    ]);
    expect(got.raw).toEqual({ ...record, totalSize: Number.NaN });
    expect(
      (await (await saying('{"_id":"x","totalSize":NaN}')).datasets.get(DATASET)).totalSizeBytes,
    ).toBeUndefined();
  });

  it('of a page may have three names of the total, a lone row as object, rows without NDI id', async () => {
    const row = { _id: A, name: 'd' };
    for (const total of ['number_matches', 'totalItems', 'totalNumber']) {
      const got = await (await saying({ documents: row, [total]: 41 })).documents.list(DATASET, page);
      expect(got).toEqual({
        rows: [{ id: A, ndiId: '', name: 'd', className: '' }],
        ...page,
        totalNumber: 41,
      });
    }
  });

  it('that nobody has seen yet may be bare lists, nothing, or one instead of many', async () => {
    for (const body of [{ datasets: [{ id: A }], totalNumber: 1 }, [{ _id: A }]]) {
      const { rows } = await (await saying(body)).discovery.bookmarks('u', page);
      expect(rows.map((row) => row.id)).toEqual([A]);
    }
    for (const body of ['', 'started', {}])
      expect(await (await saying(body)).discovery.branch(DATASET)).toBeUndefined();
    for (const body of [[{ id: 's' }], { sessions: [{ sessionId: 's' }] }, { sessions: { _id: 's' } }])
      expect((await (await saying(body)).compute.list()).map((one) => one.sessionId)).toEqual(['s']);
    expect((await caught((await saying({})).compute.get('s'))).code).toBe('NDI_E_BAD_ANSWER');
    const license = { mode: '', files: ['R2024b', { release: 'R2023a' }, { name: 'x' }] };
    expect(await (await saying(license)).account.matlabLicense()).toMatchObject({
      mode: undefined,
      releases: ['R2024b', 'R2023a'],
    });
    const tiers = { state: 'thawing', errors: { uid: 'u' } };
    expect((await (await saying(tiers)).fileTiers.job('j')).errors).toEqual(['{"uid":"u"}']);
    expect(await (await saying({ heldBy: 'me' })).writeLock.get(DATASET)).toMatchObject({ heldBy: 'me' });
    expect(await (await saying({})).writeLock.get(DATASET)).toBeUndefined();
    const oldSet = { files: { u: 'ftp://x/' } };
    expect((await caught((await saying(oldSet)).signedUrls.page(DATASET, A))).code).toBe('NDI_E_BAD_ANSWER');
  });

  it('of branches and bulk jobs are read', async () => {
    for (const body of [{ branches: [{ _id: A }] }, { datasets: { id: A } }, [{ id: A }]]) {
      const branches = await (await saying(body)).datasets.branches(DATASET);
      expect(branches.map((row) => row.id)).toEqual([A]);
    }
    expect(await (await saying('')).datasets.branches(DATASET)).toEqual([]);
    const old = await (await saying({ url: 'http://x/y?z=1', jobId: '' })).files.bulkUploadUrl(A, DATASET);
    expect(old.jobId).toBeUndefined();
    const job = { jobId: 'j', state: 'failed', error: { code: 7 } };
    expect(await (await saying(job)).bulkUploads.get('j')).toEqual({
      jobId: 'j',
      state: 'failed',
      filesExtracted: 0,
      totalFiles: undefined,
      error: '{"code":7}',
    });
  });

  it('that are wrong are NDI_E_BAD_ANSWER, naming the field and not its content', async () => {
    const cases: Array<[unknown, (client: FullCloudClient) => Promise<unknown>, string]> = [
      ['', (c) => c.me(), 'an empty body'],
      ['<html>hi</html>', (c) => c.me(), 'a web page'],
      ['{"id":', (c) => c.me(), 'no JSON'],
      [{}, (c) => c.me(), 'id'],
      [{ name: 'n' }, (c) => c.datasets.get(DATASET), 'id'],
      [{ message: 'ok' }, (c) => c.datasets.create(A, {}), 'id'],
      [{ rows: [] }, (c) => c.documents.list(DATASET, page), 'documents'],
      [{ documents: [{ name: 'x' }] }, (c) => c.documents.list(DATASET, page), 'documents.0.id'],
      [{ count: -1 }, (c) => c.documents.count(DATASET), 'count'],
      [{ count: 'many' }, (c) => c.documents.count(DATASET), 'count'],
      [{ url: 'ftp://h/s3cret' }, (c) => c.documents.bulkUploadUrl(DATASET), 'url'],
      [{ url: '' }, (c) => c.files.uploadUrl(A, DATASET, 'f'), 'url'],
      [{ uid: 'f' }, (c) => c.files.downloadUrl(DATASET, 'f'), 'downloadUrl'],
      [{ jobId: 'j', state: 's3cret' }, (c) => c.bulkUploads.get('j'), 'state'],
      [[1], (c) => c.documents.get(DATASET, A), 'JSON breaks off'],
      [{ data: [] }, (c) => c.documents.bulkFetch(DATASET, [A]), 'documents'],
      ['{"documents":[{"id":"x"', (c) => c.documents.bulkFetch(DATASET, [A]), 'JSON breaks off'],
    ];
    for (const [body, ask, why] of cases) {
      const error = await caught(ask(await saying(body)));
      expect(error.code, why).toBe('NDI_E_BAD_ANSWER');
      expect(error.message).toContain(why);
      expect(error.message).not.toContain('s3cret');
    }
  });
});

describe('document bodies', () => {
  it('come out of bulk-fetch with number text, literals and sentinels untouched', async () => {
    const one = '{"base": {"id" :"n1"},"x":[1.10,9007199254740993,1e400,NaN,-Infinity],"s":"}\\"],"}';
    const two = '{"base":{"id":"n2"},"y":"__NDI__NaN__"}';
    const client = await saying(
      `{"documents" : [{"data":${one}, "id":"${A}","ndiId":"n1"},{"id":"${B}","data":${two}}, {"id":"${B}","data":{}},` +
        `{"id":"cccccccccccccccccccccccc","data":{}},{"id":"dddddddddddddddddddddddd"}]}`,
    );
    const asked = [A, B, 'dddddddddddddddddddddddd'];
    expect(await client.documents.bulkFetch(DATASET, asked)).toEqual([
      { id: A, ndiId: 'n1', text: one },
      { id: B, ndiId: 'n2', text: two },
    ]);
    const lone = await saying(`{"documents":{"id":"${A}","data":${two}}}`);
    expect(await lone.documents.bulkFetch(DATASET, [A])).toEqual([{ id: A, ndiId: 'n2', text: two }]);
  });

  it('lose the cloud id that a single get adds, and nothing else', async () => {
    const get = async (body: string) => (await saying(body)).documents.get(DATASET, A);
    expect(await get(`{"x":1.10,"id":"${A}"}`)).toBe('{"x":1.10}');
    expect(await get(`{"id":"${A}", "x":NaN}`)).toBe('{"x":NaN}');
    expect(await get(`{"_id":"${A}","id":"${A}"}`)).toBe('{}');
    expect(await get('{"id":"its own","x":1}')).toBe('{"id":"its own","x":1}');
  });

  it('are sent as they are, to the dataset and document named', async () => {
    const { server, client } = await start((_request, response) => answer(response, 201, { id: A }));
    const text = '{"x": 1.10, "y": NaN}';
    await client.documents.add(DATASET, text);
    await client.documents.update(DATASET, A, text);
    await client.documents.bulkUploadUrl(DATASET).catch(() => undefined);
    expect(server.seen.map((one) => [one.method, one.path, one.body])).toEqual([
      ['POST', `/datasets/${DATASET}/documents`, text],
      ['POST', `/datasets/${DATASET}/documents/${A}`, text],
      ['POST', `/datasets/${DATASET}/documents/bulk-upload`, ''],
    ]);
  });
});

describe('the listing of files', () => {
  const rows = (...uids: string[]) => uids.map((uid) => ({ uid, uploaded: true, size: 1 }));

  it('follows the cursor, and sends none for the first page', async () => {
    const { server, client } = await start((request, response) =>
      request.path.includes('after=c1')
        ? answer(response, 200, { files: rows('b'), cursor: 'c2', hasMore: false })
        : answer(response, 200, { files: rows('a'), cursor: 'c1', hasMore: true }),
    );
    expect((await listed(client)).map((one) => one.map((row) => row.uid))).toEqual([['a'], ['b']]);
    expect(server.seen.map((one) => one.path)).toEqual([
      `/datasets/${DATASET}/files?limit=1000`,
      `/datasets/${DATASET}/files?limit=1000&after=c1`,
    ]);
  });

  it('stops at a cursor that stands still, but does not pass off a part for the whole', async () => {
    const stuck = (totalNumber?: number) =>
      saying({ files: rows('a'), cursor: 'c1', hasMore: true, totalNumber });
    expect(await listed(await stuck())).toHaveLength(2);
    const error = await caught(listed(await stuck(5)));
    expect(error.code).toBe('NDI_E_BAD_ANSWER');
    expect(error.message).toContain('stopped at 2 of 5 files');
  });

  it('comes from the record where there is no such route, and remembers which it was', async () => {
    for (const status of [404, 405, 501]) {
      const { server, client } = await start((request, response) =>
        request.path.includes('/files')
          ? answer(response, status, { message: 'x' })
          : answer(response, 200, {
              _id: DATASET,
              files: rows(...Array.from({ length: 1001 }, (_, n) => `f${n}`)),
            }),
      );
      expect((await listed(client)).map((one) => one.length)).toEqual([1000, 1]);
      await listed(client);
      expect(server.seen.map((one) => one.path.split('?')[0])).toEqual([
        `/datasets/${DATASET}/files`,
        `/datasets/${DATASET}`,
        `/datasets/${DATASET}`,
      ]);
    }
  });

  it('is an error where it is nowhere, where the dataset is not, and where the server is in trouble', async () => {
    const { server, client } = await start((request, response) =>
      answer(response, request.path.includes('/files') ? 404 : 200, { _id: DATASET }),
    );
    expect((await caught(listed(client))).code).toBe('NDI_E_BAD_ANSWER');
    server.use((_request, response) => answer(response, 404, { message: 'Not found' }));
    expect((await caught(listed(client))).code).toBe('NDI_E_NOT_FOUND');
    server.use((_request, response) => answer(response, 503));
    expect((await caught(listed(client))).code).toBe('NDI_E_CLOUD_UNAVAILABLE');
  });

  it('follows a server that is replaced by a newer or an older one', async () => {
    const { server, client } = await start((_request, response) => answer(response, 500));
    const newer: Handler = (request, response) =>
      request.path.includes('/files')
        ? answer(response, 200, { files: rows('a'), hasMore: false })
        : answer(response, 200, { _id: DATASET, fileCount: 1 });
    const older: Handler = (request, response) =>
      request.path.includes('/files')
        ? answer(response, 404, { message: 'Not Found' })
        : answer(response, 200, { _id: DATASET, files: rows('b', 'c') });
    for (const [serve, uids] of [
      [newer, ['a']],
      [older, ['b', 'c']],
      [newer, ['a']],
    ] as const) {
      server.use(serve);
      expect((await listed(client)).flat().map((row) => row.uid)).toEqual(uids);
    }
  });

  it('is an error where the dataset is gone since the last one', async () => {
    const { server, client } = await start((_request, response) =>
      answer(response, 200, { files: rows('a'), hasMore: false }),
    );
    await listed(client);
    server.use((_request, response) => answer(response, 404, { message: 'no such dataset' }));
    expect((await caught(listed(client))).code).toBe('NDI_E_NOT_FOUND');
  });
});

describe('the client', () => {
  it('refuses malformed ids, times, pages and scopes before anything is sent', async () => {
    const { server, client } = await start((_request, response) => answer(response, 500, 'CastError'));
    const { datasets, documents, files, bulkUploads } = client;
    // Built within the loop: a refusal must be a rejection, never a throw from the call itself.
    const notFound = [
      () => datasets.get('../x'),
      () => datasets.publish(''),
      () => datasets.create('my-lab', {}),
      () => documents.list('x', page),
      () => documents.deleted('x', page),
      () => documents.get(DATASET, '41269713c8f30937_40d3dfe383e33674'),
      () => documents.bulkDelete(DATASET, [A, 'x'], 'now'),
      () => documents.bulkFetch(DATASET, ['x']),
      () => documents.bulkUploadUrl('x'),
      () => files.downloadUrl('x', 'u'),
      () => client.discovery.branch('x'),
    ];
    for (const ask of notFound) {
      const work = ask();
      expect((await caught(work)).code).toBe('NDI_E_NOT_FOUND');
    }
    expect((await caught(client.discovery.bookmarks('a/b', page))).code).toBe('NDI_E_BAD_ID');
    expect((await caught(files.downloadUrl(DATASET, 'a\\b'))).code).toBe('NDI_E_BAD_ID');
    expect((await caught(bulkUploads.get('a/b'))).code).toBe('NDI_E_BAD_ID');
    for (const work of [
      datasets.delete(DATASET, 'tomorrow'),
      documents.list(DATASET, { page: 0, pageSize: 10 }),
      documents.list(DATASET, { page: 1, pageSize: 1001 }),
      client.query('everything', [], page),
      client.query(`${A},x`, [], page),
    ]) {
      expect((await caught(work)).code).toBe('NDI_E_USAGE');
    }
    expect(server.seen).toEqual([]);
  });
});
