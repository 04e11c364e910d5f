/** The cloud client against the sandbox: every route, what faults become, and logging in. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CourierError, isCourierError } from '../errors/index.ts';
import {
  type Connection,
  connectCloud,
  createProfileStore,
  login,
  logout,
  whoami,
} from '../ndi/auth/index.ts';
import type { FullCloudClient } from '../ndi/cloud/index.ts';
import { type Sandbox, type SandboxUser, startSandbox } from '../sandbox/server.ts';

const LARGE = '682e7772cdf3f24938176fac';
const UNKNOWN = '000000000000000000000000';

let home: string;
let sandbox: Sandbox;
let lab: Connection;
let client: FullCloudClient;
const connections: Connection[] = [];

const user = (email: string): SandboxUser => {
  const found = sandbox.users.find((one) => one.email === `${email}@sandbox.test`);
  if (found === undefined) throw new Error(`no user ${email}`);
  return found;
};
function connect(email?: string, env: Record<string, string> = {}): Connection {
  const who = email === undefined ? undefined : user(email);
  const login = who === undefined ? {} : { NDI_CLOUD_USERNAME: who.email, NDI_CLOUD_PASSWORD: who.password };
  const homeDir = join(home, 'no-profiles');
  const connection = connectCloud({
    homeDir,
    env: { NDI_CLOUD_URL: sandbox.apiUrl, NDI_PREFDIR: homeDir, COURIER_KEYRING: 'off', ...login, ...env },
    timeouts: { headersMs: 1_000, bodyMs: 1_000 },
  });
  connections.push(connection);
  return connection;
}
const caught = async (work: Promise<unknown>): Promise<CourierError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (isCourierError(error)) return error;
  throw new Error(`expected a CourierError, got ${inspect(error)}`);
};
async function eventually<Value>(ask: () => Promise<Value | undefined>): Promise<Value> {
  for (let tries = 0; tries < 100; tries += 1) {
    const value = await ask();
    if (value !== undefined) return value;
    await sleep(20);
  }
  throw new Error('it did not happen');
}
const newDataset = async (): Promise<string> =>
  (await client.datasets.create(user('lab').organizationId, { name: 'A test' })).id;
const ndiId = (n: number): string => `41269713c8f30937_${String(n).padStart(16, '0')}`;
const body = (n: number, more = ''): string =>
  `{"base":{"id":"${ndiId(n)}","name":"d${n}","session_id":"${ndiId(0)}","datestamp":"2025-01-01T00:00:00.000Z"},` +
  `"document_class":{"class_name":"demo","class_version":1,"superclasses":[]}${more}}`;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'courier-cloud-'));
  sandbox = await startSandbox({
    stateDir: join(home, 'sandbox'),
    importDelayMs: 10,
    bulkDownloadDelayMs: 10,
  });
  Object.assign(sandbox.knobs, { lifecycleDelayMs: 10, jobDelayMs: 10 });
  lab = connect('lab');
  client = lab.client;
});
afterEach(() => sandbox.faults.clear());
afterAll(async () => {
  await Promise.all(connections.map((one) => one.client.close()));
  await sandbox.close();
  rmSync(home, { recursive: true, force: true });
});

describe('users and organisations', () => {
  it('says who is logged in, and finds others by id', async () => {
    const me = await client.me();
    expect(me).toMatchObject({ email: user('lab').email, isAdmin: false });
    expect(me.organizations).toEqual([
      { id: user('lab').organizationId, name: 'Sandbox Lab', canUploadDataset: true },
    ]);
    expect((await client.user(me.id)).id).toBe(me.id);
    expect(await whoami(lab)).toMatchObject({ user: me, baseUrl: sandbox.apiUrl });
  });

  it('takes the only organisation, never the first of several', async () => {
    expect(await client.organizationId()).toBe(user('lab').organizationId);
    const error = await caught(connect('both').client.organizationId());
    expect(error.code).toBe('NDI_E_CHOOSE_ORGANIZATION');
    expect(error.message).toContain(`${user('lab').organizationId} (Sandbox Lab)`);
    const chosen = connect('both', { NDI_CLOUD_ORGANIZATION_ID: user('lab').organizationId });
    expect(await chosen.client.organizationId()).toBe(user('lab').organizationId);
    const byName = connect('both', { NDI_CLOUD_ORGANIZATION_ID: 'Second Lab' });
    expect(await byName.client.organizationId()).toBe(user('second').organizationId);
  });
});

describe('datasets', () => {
  it('are created, read, changed, listed, deleted and brought back', async () => {
    const organizationId = user('lab').organizationId;
    const id = await newDataset();
    expect(id).toMatch(/^[0-9a-f]{24}$/);
    expect(await client.datasets.get(id)).toMatchObject({
      id,
      name: 'A test',
      organizationId,
      isPublished: false,
    });
    await client.datasets.update(id, { name: 'Another name' });
    const page = await client.datasets.list({ page: 1, pageSize: 1000 });
    expect(page.rows.find((row) => row.id === id)?.name).toBe('Another name');
    expect(page.totalNumber).toBe(page.rows.length);
    expect(await client.datasets.branches(id)).toEqual([]);
    await client.datasets.delete(id, '1d');
    expect((await caught(client.datasets.get(id))).code).toBe('NDI_E_NOT_FOUND');
    const deleted = await client.datasets.deleted({ page: 1, pageSize: 1000 });
    expect(deleted.rows.map((row) => row.id)).toContain(id);
    await client.datasets.undelete(id);
    await eventually(() => client.datasets.get(id).catch(() => undefined));
    await client.datasets.delete(id, 'now');
    expect((await caught(client.datasets.undelete(id))).code).toBe('NDI_E_NOT_FOUND');
  });

  it('are submitted, published and unpublished by an administrator, and do not change in between', async () => {
    const admin = connect('admin').client;
    const id = await newDataset();
    await client.datasets.submit(id);
    expect((await client.datasets.get(id)).isSubmitted).toBe(true);
    const review = await admin.datasets.unpublished({ page: 1, pageSize: 100 });
    expect(review.rows.map((row) => row.id)).toContain(id);
    expect((await caught(client.datasets.publish(id))).code).toBe('NDI_E_FORBIDDEN');
    await admin.datasets.publish(id);
    await eventually(async () => ((await client.datasets.get(id)).isPublished ? true : undefined));
    expect((await caught(client.documents.add(id, body(1)))).code).toBe('NDI_E_DATASET_PUBLISHED');
    expect((await caught(client.datasets.delete(id, 'now'))).code).toBe('NDI_E_DATASET_PUBLISHED');
    await admin.datasets.unpublish(id);
    await eventually(async () => ((await client.datasets.get(id)).isPublished ? undefined : true));
  });

  it('that are public can be read without a login', async () => {
    const nobody = connect().client;
    const page = await nobody.datasets.published({ page: 1, pageSize: 20 });
    expect(page.rows.map((row) => row.id)).toContain(LARGE);
    const rows = (await nobody.documents.list(LARGE, { page: 1, pageSize: 1000 })).rows;
    expect(rows).toHaveLength(await nobody.documents.count(LARGE));
    const counts = await nobody.documents.classCounts(LARGE);
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(rows.length);
    const found = await nobody.query(
      'public',
      [{ field: '', operation: 'isa', param1: 'session', param2: '' }],
      {
        page: 1,
        pageSize: 20,
      },
    );
    expect(found.rows.length).toBeGreaterThan(0);
    expect(found.totalNumber).toBeGreaterThanOrEqual(found.rows.length);
    expect(found.rows[0]?.datasetId).toMatch(/^[0-9a-f]{24}$/);
    expect((await caught(nobody.me())).code).toBe('NDI_E_NO_CREDENTIALS');
    const closed = await newDataset();
    expect((await caught(nobody.datasets.get(closed))).code).toBe('NDI_E_NO_CREDENTIALS');
  });

  it('of others, unknown or misspelt are told apart', async () => {
    const id = await newDataset();
    expect((await caught(connect('second').client.datasets.get(id))).code).toBe('NDI_E_FORBIDDEN');
    expect((await caught(client.datasets.get(UNKNOWN))).code).toBe('NDI_E_NOT_FOUND');
    sandbox.faults.resetRequests();
    const misspelt = await caught(client.datasets.get('asdjjdsf'));
    expect(misspelt.code).toBe('NDI_E_NOT_FOUND');
    expect(misspelt.message).toContain('24 hexadecimal digits');
    const reader = connect('reader').client;
    const refused = await caught(reader.datasets.create(user('reader').organizationId, { name: 'x' }));
    expect(refused.code).toBe('NDI_E_FORBIDDEN');
  });
});

describe('documents', () => {
  it('are added, read as text, changed and deleted, one by one', async () => {
    const dataset = await newDataset();
    const text = body(1, ',"values":[1,NaN,-Infinity],"note":"é \\" }"');
    const { id } = await client.documents.add(dataset, text);
    expect((await client.documents.list(dataset, { page: 1, pageSize: 10 })).rows).toEqual([
      { id, ndiId: ndiId(1), name: 'd1', className: 'demo' },
    ]);
    const back = await client.documents.get(dataset, id);
    expect(back).toMatch(/\[\s*1,\s*NaN,\s*-Infinity\s*\]/);
    expect(JSON.parse(back.replace('NaN', 'null').replace('-Infinity', 'null'))).toEqual(
      JSON.parse(text.replace('NaN', 'null').replace('-Infinity', 'null')),
    );
    await client.documents.update(dataset, id, body(1, ',"changed":true'));
    expect(await client.documents.get(dataset, id)).toContain('"changed":true');
    await client.documents.delete(dataset, id, '1d');
    expect(await client.documents.count(dataset)).toBe(0);
    const deleted = await client.documents.deleted(dataset, { page: 1, pageSize: 10 });
    expect(deleted.rows.map((row) => row.id)).toEqual([id]);
    expect((await caught(client.documents.get(dataset, id))).code).toBe('NDI_E_NOT_FOUND');
  });

  it('are fetched and deleted many at a time, with unknown ones left out', async () => {
    const dataset = await newDataset();
    const ids: string[] = [];
    for (let n = 1; n <= 5; n += 1) ids.push((await client.documents.add(dataset, body(n, ',"x":NaN'))).id);
    const fetched = await client.documents.bulkFetch(dataset, [...ids, UNKNOWN, ids[0]!]);
    expect(fetched.map((one) => one.ndiId).toSorted()).toEqual([1, 2, 3, 4, 5].map(ndiId));
    for (const one of fetched) {
      expect(ids).toContain(one.id);
      expect(one.text).toMatch(/^\{[\s\S]*"x":\s*NaN[\s\S]*\}$/);
      expect(JSON.parse(one.text.replace('NaN', '0'))).toMatchObject({ base: { id: one.ndiId }, x: 0 });
    }
    expect(await client.documents.bulkFetch(dataset, [ids[0]!]), 'a single one').toHaveLength(1);
    expect(await client.documents.bulkFetch(dataset, [])).toEqual([]);
    expect((await caught(client.documents.bulkFetch(dataset, Array(501).fill(UNKNOWN)))).code).toBe(
      'NDI_E_USAGE',
    );
    await client.documents.bulkDelete(dataset, ids.slice(0, 4), 'now');
    await client.documents.bulkDelete(dataset, [], 'now');
    expect(await client.documents.count(dataset)).toBe(1);
  });

  it('have addresses for zips in both directions', async () => {
    const dataset = await newDataset();
    const { id } = await client.documents.add(dataset, body(1));
    const upload = await client.documents.bulkUploadUrl(dataset);
    expect(upload.startsWith(`${sandbox.objectsUrl}/`)).toBe(true);
    const download = await client.documents.bulkDownloadUrl(dataset, [id]);
    const zip = await eventually(async () => {
      const { statusCode, body: bytes } = await request(download);
      const buffer = Buffer.from(await bytes.arrayBuffer());
      return statusCode === 200 ? buffer : undefined;
    });
    expect(zip.subarray(0, 2).toString()).toBe('PK');
    expect((await caught(client.documents.bulkDownloadUrl(dataset, []))).code).toBe('NDI_E_USAGE');
  });
});

describe('files', () => {
  it('are sent and fetched by address and listed by keyset, or from the record of an older server', async () => {
    const dataset = await newDataset();
    const organizationId = user('lab').organizationId;
    const bytes = Buffer.from('some bytes');
    for (const uid of ['file-1', 'file-2', 'file-3']) {
      const url = await client.files.uploadUrl(organizationId, dataset, uid);
      expect((await request(url, { method: 'PUT', body: bytes })).statusCode).toBe(200);
    }
    const all = async (using: FullCloudClient) => {
      const rows = [];
      for await (const page of using.files.list(dataset)) rows.push(...page);
      return rows.toSorted((a, b) => a.uid.localeCompare(b.uid));
    };
    const expected = ['file-1', 'file-2', 'file-3'].map((uid) => ({
      uid,
      uploaded: true,
      sizeBytes: bytes.length,
    }));
    await eventually(async () => ((await all(client)).every((row) => row.uploaded) ? true : undefined));
    for (const fileListing of ['keyset', 'embedded', 'both'] as const) {
      sandbox.knobs.fileListing = fileListing;
      const fresh = connect('lab').client;
      expect(await all(fresh), fileListing).toEqual(expected);
      expect(await all(fresh), `${fileListing} again`).toEqual(expected);
    }
    const url = await client.files.downloadUrl(dataset, 'file-2');
    expect(await (await request(url)).body.text()).toBe('some bytes');
    expect((await caught(client.files.downloadUrl(dataset, 'nothing'))).code).toBe('NDI_E_NOT_FOUND');
    for (const uid of ['', '..', 'a/b', 'bulk']) {
      expect((await caught(client.files.uploadUrl(organizationId, dataset, uid))).code, uid).toBe(
        'NDI_E_BAD_ID',
      );
    }
    expect((await caught(all(connect('second').client))).code).toBe('NDI_E_FORBIDDEN');
    expect((await caught(all(connect().client))).code).toBe('NDI_E_NO_CREDENTIALS');
  });

  it('have jobs for zips', async () => {
    const dataset = await newDataset();
    expect(await client.bulkUploads.list(dataset, 'all')).toEqual([]);
    const { url, jobId } = await client.files.bulkUploadUrl(user('lab').organizationId, dataset);
    expect(url.startsWith(`${sandbox.objectsUrl}/`)).toBe(true);
    expect(await client.bulkUploads.get(jobId!)).toMatchObject({ jobId, state: 'queued', filesExtracted: 0 });
    for (const state of ['active', 'queued', 'all']) {
      expect((await client.bulkUploads.list(dataset, state)).map((job) => job.jobId)).toEqual([jobId]);
    }
    for (const state of ['extracting', 'complete', 'failed']) {
      expect(await client.bulkUploads.list(dataset, state)).toEqual([]);
    }
    expect((await caught(client.bulkUploads.list(dataset, 'done'))).code).toBe('NDI_E_USAGE');
    expect((await caught(client.bulkUploads.get('no-such-job'))).code).toBe('NDI_E_NOT_FOUND');
  });
});

describe('the account', () => {
  it('signs up, confirms, changes and resets its password', async () => {
    const nobody = connect().client.account;
    const email = 'new@sandbox.test';
    expect(await nobody.signUp({ email, name: 'New', password: 'first-password' })).toMatchObject({ email });
    await nobody.resendConfirmation(email);
    const wrongCode = await caught(nobody.verify(email, 'wrong-code'));
    expect(wrongCode.code).toBe('NDI_E_BAD_REQUEST');
    expect(wrongCode.message).not.toContain('wrong-code');
    await nobody.forgotPassword(email);
    const refused = await caught(nobody.confirmPassword(email, 'wrong-code', 'second-password'));
    expect(refused.message).toContain('CodeMismatchException');
    const account = connect('second').client.account;
    await account.changePassword(user('second').password, 'another-password');
    await account.changePassword('another-password', user('second').password);
    expect((await caught(account.changePassword('wrong-one', 'x'))).message).not.toContain('wrong-one');
    await account.logout();
  });

  it('has a MATLAB licence', async () => {
    const { account } = connect('second').client;
    expect(await account.matlabLicense()).toMatchObject({ mode: undefined, releases: [] });
    const registered = await account.registerMatlabLicense();
    expect(registered).toMatchObject({ mode: 'dedicated', macAddress: expect.stringMatching(/^02:/) });
    const file = { dedicatedLicenseFile: 'INCREMENT MATLAB', release: 'R2024b' };
    expect((await account.setMatlabLicense(file)).releases).toEqual(['R2024b']);
    const refused = await caught(account.setMatlabLicense({ ...file, dedicatedLicenseFile: 'secret words' }));
    expect([refused.code, refused.message.includes('secret')]).toEqual(['NDI_E_BAD_REQUEST', false]);
    await account.setMatlabLicense({ ...file, release: 'R2023a' });
    expect((await account.removeMatlabLicense('R2024b')).releases).toEqual(['R2023a']);
    expect((await account.removeMatlabLicense()).mode).toBeUndefined();
  });
});

describe('looking around', () => {
  const first = { page: 1, pageSize: 10 };

  it('bookmarks, and searches what is public', async () => {
    const { discovery, me } = connect('second').client;
    await discovery.setBookmark(LARGE, true);
    const { id } = await me();
    const marked = await discovery.bookmarks(id, first);
    expect(marked.rows.map((row) => row.id)).toEqual([LARGE]);
    await discovery.setBookmark(LARGE, false);
    expect((await discovery.bookmarks(id, first)).rows).toEqual([]);
    const nobody = connect().client.discovery;
    const found = await nobody.searchDatasets({ query: 'C. elegans' }, first);
    expect(found.rows.map((row) => row.id)).toContain(LARGE);
    const documents = await nobody.searchDocuments({ query: 'subject 0' }, first);
    expect(documents).toMatchObject({ page: 1, pageSize: 10, totalNumber: documents.rows.length });
    expect(documents.rows.map((row) => row.datasetId)).toContain(LARGE);
    expect((await caught(nobody.searchDatasets([], first))).code).toBe('NDI_E_USAGE');
  });

  it('branches a dataset', async () => {
    const dataset = await newDataset();
    const made = await client.discovery.branch(dataset, { branchName: 'b' });
    expect(made?.raw).toMatchObject({ branchOf: dataset, branchName: 'b' });
    expect((await client.datasets.branches(dataset)).map((row) => row.id)).toEqual([made?.id]);
  });
});

describe('what newer clouds have', () => {
  const withFile = async () => {
    const dataset = await newDataset();
    const url = await client.files.uploadUrl(user('lab').organizationId, dataset, 'uid-1');
    await request(url, { method: 'PUT', body: 'bytes' });
    await eventually(() => client.files.downloadUrl(dataset, 'uid-1').catch(() => undefined));
    const files = ',"files":{"file_info":{"name":"a_1","locations":{"uid":"uid-1"}}}';
    return { dataset, document: (await client.documents.add(dataset, body(1, files))).id };
  };

  it('signs all files of a document, by pages or by a job', async () => {
    const { dataset, document } = await withFile();
    for (const name of [document, ndiId(1)]) {
      const set = await client.signedUrls.page(dataset, name, { limit: 5, fileSeries: 'a_#' });
      expect(set).toMatchObject({ documentId: document, totalCount: 1, nextCursor: undefined });
      expect(await (await request(set.urls['uid-1']!)).body.text()).toBe('bytes');
    }
    const { jobId, pollAfterMs } = await client.signedUrls.start(dataset, document);
    expect(pollAfterMs).toBe(1000);
    const job = await eventually(async () => {
      const now = await client.signedUrls.job(jobId);
      return now.state === 'ready' ? now : undefined;
    });
    expect(job).toMatchObject({ signedCount: 1, totalCount: 1, error: undefined });
    const packed = Buffer.from(await (await request(job.resultUrl!)).body.arrayBuffer());
    expect(JSON.parse(gunzipSync(packed).toString())).toMatchObject({ jobId, fileCount: 1 });
    expect((await caught(client.signedUrls.job('none'))).code).toBe('NDI_E_NOT_FOUND');
    expect((await caught(client.signedUrls.page(dataset, document, { limit: 0 }))).code).toBe('NDI_E_USAGE');
  });

  it('moves files to another tier', async () => {
    const { dataset, document } = await withFile();
    const started = await client.fileTiers.start(dataset, 'GLACIER', [document]);
    expect(started).toMatchObject({ fileCount: 1, resolvedDocumentCount: 1, collateralDocumentIds: [] });
    const job = await eventually(async () => {
      const now = await client.fileTiers.job(started.jobId);
      return now.state === 'completed' ? now : undefined;
    });
    expect(job).toMatchObject({ jobId: started.jobId, filesDone: 1, filesFailed: 0, errors: [] });
    const cold = await request(await client.files.downloadUrl(dataset, 'uid-1'));
    expect([cold.statusCode, await cold.body.text()]).toEqual([403, expect.stringContaining('GLACIER')]);
  });

  it('locks a dataset against other writers', async () => {
    const dataset = await newDataset();
    const other = connect('both').client;
    expect(await client.writeLock.get(dataset)).toBeUndefined();
    const lock = await client.writeLock.acquire(dataset, { reason: 'tests', ttlSeconds: 600 });
    expect(lock).toMatchObject({ heldBy: user('lab').email, reason: 'tests' });
    expect(await other.writeLock.get(dataset)).toEqual(lock);
    for (const refused of [
      await caught(other.writeLock.acquire(dataset, { reason: 'mine' })),
      await caught(other.documents.add(dataset, body(1))),
    ]) {
      expect(refused.code).toBe('NDI_E_LOCKED');
      expect(refused.retryAfterMs).toBeGreaterThan(590_000);
    }
    const longer = await client.writeLock.refresh(dataset, 1200);
    expect(Date.parse(longer.heldUntil!)).toBeGreaterThan(Date.parse(lock.heldUntil!));
    await client.writeLock.release(dataset);
    await other.documents.add(dataset, body(1));
  });

  it('computes', async () => {
    const { compute } = client;
    const { sessionId } = await compute.start('hello-world-v1', { name: 'x' });
    await eventually(async () => ((await compute.get(sessionId)).status === 'COMPLETED' ? true : undefined));
    const zombie = await compute.start('zombie-test-v1');
    expect(zombie).toMatchObject({ pipelineId: 'zombie-test-v1', status: 'RUNNING' });
    await compute.runStage(zombie.sessionId, 'wait');
    await compute.abort(zombie.sessionId);
    const listed = await compute.list();
    expect(listed.find((one) => one.sessionId === zombie.sessionId)?.status).toBe('ABORTED');
    const another = await compute.start('zombie-test-v1');
    await compute.advance(another.sessionId);
    expect((await compute.get(another.sessionId)).status).toBe('COMPLETED');
    const refused = await caught(compute.start('hello-matlab-v1'));
    expect(refused.code).toBe('NDI_E_BAD_REQUEST');
    expect(refused.message).toContain('MATLAB_LICENSE_REQUIRED');
  });
});

describe('faults', () => {
  const GET = 'GET /datasets/:d';
  const CREATE = 'POST /organizations/:org/datasets';

  it('become the error that says what to do', async () => {
    const cases = [
      [{ kind: '5xx', params: { status: 500 } }, 'NDI_E_CLOUD_UNAVAILABLE'],
      [{ kind: '5xx', params: { status: 502 } }, 'NDI_E_CLOUD_UNAVAILABLE'],
      [{ kind: '5xx', params: { status: 503 } }, 'NDI_E_CLOUD_UNAVAILABLE'],
      [{ kind: '5xx', params: { status: 504 } }, 'NDI_E_GATEWAY_TIMEOUT'],
      [{ kind: '429', params: { retryAfterSeconds: 7 } }, 'NDI_E_RATE_LIMITED'],
      [{ kind: '423' }, 'NDI_E_LOCKED'],
      [{ kind: 'reset-before' }, 'NDI_E_NETWORK'],
      [{ kind: 'reset-after' }, 'NDI_E_NETWORK'],
      [{ kind: 'truncated-get' }, 'NDI_E_NETWORK'],
      [{ kind: 'stalled-body' }, 'NDI_E_STALLED'],
      [{ kind: 'latency', params: { ms: 2_500 } }, 'NDI_E_STALLED'],
    ] as const;
    for (const [fault, code] of cases) {
      sandbox.faults.set({ route: GET, count: 1, ...fault });
      const error = await caught(client.datasets.get(LARGE)).catch((reason: unknown) => {
        throw new Error(`${fault.kind} was not noticed`, { cause: reason });
      });
      expect(error.code, fault.kind).toBe(code);
      expect(error.class).toBe('retryable');
      expect(error.requestId, fault.kind).toMatch(/^[\w-]+$/);
      if (fault.kind === '429') expect(error.retryAfterMs).toBe(7_000);
      if (fault.kind === '423') expect(error.retryAfterMs).toBeGreaterThan(1_000_000);
      sandbox.faults.clear();
    }
    expect((await client.datasets.get(LARGE)).id).toBe(LARGE);
  });

  it('never make the client repeat a create by itself', async () => {
    const before = (await client.datasets.list({ page: 1, pageSize: 1000 })).rows.length;
    sandbox.faults.set({ route: CREATE, kind: '504-after-work', count: 1 });
    expect((await caught(newDataset())).code).toBe('NDI_E_GATEWAY_TIMEOUT');
    sandbox.faults.set({ route: CREATE, kind: 'reset-after', count: 1 });
    expect((await caught(newDataset())).code).toBe('NDI_E_NETWORK');
    expect((await client.datasets.list({ page: 1, pageSize: 1000 })).rows).toHaveLength(before + 2);
  });

  it('renew an expired token unseen, for a create as well', async () => {
    await client.me();
    sandbox.expireTokens();
    sandbox.faults.resetRequests();
    const all = await Promise.all([newDataset(), client.me(), client.datasets.get(LARGE), newDataset()]);
    expect(new Set([all[0], all[3]]).size).toBe(2);
    sandbox.faults.set({ route: GET, kind: 'expired-token', count: 1 });
    expect((await client.datasets.get(LARGE)).id).toBe(LARGE);
    sandbox.faults.set({ route: GET, kind: 'expired-token' });
    expect((await caught(client.datasets.get(LARGE))).code).toBe('NDI_E_LOGIN_EXPIRED');
  });

  it('that refuse a token amid many requests cost one login, and no request', async () => {
    await client.me();
    // Some answers are late: their 401 comes when the new token is already there.
    sandbox.faults.set({ route: GET, kind: 'latency', probability: 0.5, params: { ms: 60 } });
    sandbox.expireTokens();
    sandbox.faults.resetRequests();
    const got = await Promise.all(Array.from({ length: 40 }, () => client.datasets.get(LARGE)));
    expect(new Set(got.map((record) => record.id))).toEqual(new Set([LARGE]));
    expect(sandbox.faults.requests().routes['POST /auth/login']?.count).toBe(1);
  });

  it('at login are no wrong password', async () => {
    const fresh = connect('lab');
    sandbox.faults.set({ route: 'POST /auth/login', kind: '5xx', params: { status: 503 } });
    expect((await caught(fresh.client.me())).class).toBe('retryable');
    sandbox.faults.clear();
    expect((await fresh.client.me()).email).toBe(user('lab').email);
  });
});

describe('profiles', () => {
  const storeIn = (name: string) => {
    const homeDir = join(home, name);
    const env = { COURIER_KEYRING: 'off', NDI_PREFDIR: join(home, 'none') };
    return { homeDir, env, store: createProfileStore({ homeDir, env }) };
  };

  it('log in, are used by a running worker, changed under it, and log out', async () => {
    const { homeDir, env, store } = storeIn('state');
    const worker = connectCloud({ homeDir, env, baseUrl: sandbox.apiUrl, profile: 'rig' });
    connections.push(worker);
    const unknown = await caught(worker.client.me());
    expect([unknown.code, unknown.class]).toEqual(['NDI_E_NO_CREDENTIALS', 'needs-login']);
    expect(unknown.message).toContain('"rig"');

    const { email, password, organizationId } = user('lab');
    const done = await login({ store, env, email, password, profile: 'rig', baseUrl: sandbox.apiUrl });
    expect(done).toMatchObject({
      organization: { id: organizationId },
      profile: { name: 'rig', isDefault: true },
    });
    expect((await worker.client.me()).email).toBe(email);
    expect(await worker.client.organizationId()).toBe(organizationId);

    const other = user('second');
    await login({ store, env, email: other.email, password: other.password, profile: 'rig' });
    expect((await worker.client.me()).email, 'at the next request').toBe(other.email);
    expect(await worker.client.organizationId()).toBe(other.organizationId);
    expect(await logout(store, 'rig')).toBe(true);
    expect((await caught(worker.client.me())).code).toBe('NDI_E_NO_CREDENTIALS');
  });

  it('are not stored for a wrong password or an undecided organisation', async () => {
    const { env, store } = storeIn('refused');
    const { email, password } = user('both');
    const base = { store, env, email, baseUrl: sandbox.apiUrl };
    const wrong = await caught(login({ ...base, password: 'wr0ng-pass' }));
    expect([wrong.code, wrong.class]).toEqual(['NDI_E_WRONG_PASSWORD', 'needs-login']);
    expect(inspect(wrong, { depth: 9 })).not.toContain('wr0ng-pass');
    expect((await caught(login({ ...base, email: 'nobody@sandbox.test', password }))).code).toBe(
      'NDI_E_WRONG_PASSWORD',
    );
    expect((await caught(login({ ...base, password }))).code).toBe('NDI_E_CHOOSE_ORGANIZATION');
    expect((await caught(login({ ...base, password, organizationId: UNKNOWN }))).code).toBe(
      'NDI_E_CHOOSE_ORGANIZATION',
    );
    expect(store.list()).toEqual([]);
    const byName = await login({ ...base, password, organizationId: 'Sandbox Lab' });
    expect(byName.organization.id).toBe(user('lab').organizationId);
  });

  it('send no password to another cloud than their own', async () => {
    const { homeDir, env, store } = storeIn('elsewhere');
    await store.save(
      {
        name: 'prod',
        email: 'me@example.org',
        baseUrl: 'https://api.ndi-cloud.com/v1',
        organizationId: undefined,
      },
      'p',
    );
    for (const profile of [undefined, 'prod']) {
      const worker = connectCloud({ homeDir, env, baseUrl: sandbox.apiUrl, profile });
      connections.push(worker);
      sandbox.faults.resetRequests();
      expect((await caught(worker.client.me())).code).toBe('NDI_E_NO_CREDENTIALS');
      expect(JSON.stringify(sandbox.faults.requests())).not.toContain('/auth/login');
    }
  });
});
