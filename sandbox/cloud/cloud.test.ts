import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  fetchReply,
  makeDataset,
  type TestClient,
  type TestSandbox,
  testSandbox,
  until,
} from '../testing.ts';

let held: TestSandbox;
let lab: TestClient;
let admin: TestClient;

beforeAll(async () => {
  held = await testSandbox();
  lab = await held.login('lab@sandbox.test');
  admin = await held.login('admin@sandbox.test');
});
afterAll(() => held.close());

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

describe('auth', () => {
  it('login answers a JWT with the claims that clients read, and the user with organizations', async () => {
    const { status, body } = await held.anonymous.call('POST', '/auth/login', {
      email: 'both@sandbox.test',
      password: 'both-sandbox-5',
    });
    expect(status).toBe(200);
    const claims = claimsOf(body.token);
    expect(claims.email).toBe('both@sandbox.test');
    expect(claims.sub).toBe(body.user.id);
    expect(claims.exp - claims.iat).toBe(3600);
    expect(body.user.organizations).toHaveLength(2);
    expect(Object.keys(body.user.organizations[0])).toEqual(['id', 'name', 'canUploadDataset']);
  });

  it('wrong password, unknown user, bad token and expired token are told apart', async () => {
    const login = (email: string, password: string) =>
      held.anonymous.call('POST', '/auth/login', { email, password });
    expect((await login('lab@sandbox.test', 'nope')).status).toBe(401);
    expect((await login('nobody@sandbox.test', 'nope')).status).toBe(404);
    expect((await lab.call('GET', '/users/me', undefined, { authorization: 'Bearer x.y.z' })).status).toBe(
      401,
    );
    expect((await held.anonymous.call('GET', '/users/me')).status).toBe(401);
    // A bad token is not taken for no token, even where none is needed.
    const published = await lab.call('GET', '/datasets/published', undefined, {
      authorization: 'Bearer x.y.z',
    });
    expect(published.status).toBe(401);
  });

  it('tokens expire by the clock and by command; a new login works', async () => {
    const user = await held.login('second@sandbox.test');
    held.sandbox.knobs.clockOffsetMs = 3_601_000;
    const late = await user.call('GET', '/users/me');
    held.sandbox.knobs.clockOffsetMs = 0;
    expect([late.status, late.body]).toEqual([401, { error: 'token expired' }]);
    expect((await user.call('GET', '/users/me')).status).toBe(200);
    held.sandbox.expireTokens();
    expect((await user.call('GET', '/users/me')).status).toBe(401);
    lab = await held.login('lab@sandbox.test');
    admin = await held.login('admin@sandbox.test');
    expect((await lab.call('GET', '/users/me')).status).toBe(200);
  });

  it('an account is signed up and verified, and its password is reset', async () => {
    const anonymous = held.anonymous;
    const email = 'new@sandbox.test';
    const signUp = { email, name: 'New', password: 'new-sandbox-1' };
    expect((await anonymous.call('POST', '/users', { ...signUp, password: 'x' })).body).toEqual({
      code: 'InvalidPasswordException',
    });
    const made = await anonymous.call('POST', '/users', signUp);
    expect([made.status, made.body.isValidated, made.body.organizations.length]).toEqual([200, false, 1]);
    expect((await anonymous.call('POST', '/users', signUp)).body).toEqual({
      code: 'UsernameExistsException',
    });
    const login = (password: string) => anonymous.call('POST', '/auth/login', { email, password });
    expect((await login('new-sandbox-1')).status).toBe(400);
    const codeOf = async () => {
      const { body } = await fetchReply(`${held.sandbox.controlUrl}/users`);
      return body.users.find((u: { email: string }) => u.email === email).code;
    };
    const wrong = await anonymous.call('POST', '/auth/verify', { email, confirmationCode: 'no' });
    expect([wrong.status, wrong.body]).toEqual([400, { code: 'CodeMismatchException' }]);
    expect(
      (await anonymous.call('POST', '/auth/verify', { email, confirmationCode: await codeOf() })).status,
    ).toBe(200);
    expect((await login('new-sandbox-1')).status).toBe(200);
    expect((await anonymous.call('POST', '/auth/password/forgot', { email })).status).toBe(200);
    const confirm = (confirmationCode: string) =>
      anonymous.call('POST', '/auth/password/confirm', {
        email,
        confirmationCode,
        newPassword: 'new-sandbox-2',
      });
    const refused = await confirm('no');
    expect([refused.status, refused.body.code]).toEqual([200, 'CodeMismatchException']);
    expect((await confirm(await codeOf())).body).toEqual({});
    expect((await login('new-sandbox-2')).status).toBe(200);
  });
});

it('a user is found as me and by id, and has a licence', async () => {
  const me = (await lab.call('GET', '/users/me')).body;
  expect(Object.keys(me).sort()).toEqual(
    ['bookmarkedDatasetIds', 'email', 'id', 'isAdmin', 'isValidated', 'name', 'organizations'].sort(),
  );
  expect((await lab.call('GET', `/users/${me.id}`)).body.id).toBe(me.id);
  const license = '/users/me/matlab-license';
  expect((await lab.call('GET', license)).body.mode).toBeNull();
  expect((await lab.call('POST', license)).status).toBe(201);
  expect((await lab.call('POST', license)).status).toBe(200);
  expect((await lab.call('PUT', license, { dedicatedLicenseFile: 'junk', release: 'R2024b' })).status).toBe(
    400,
  );
  const put = await lab.call('PUT', license, {
    licenseFile: 'INCREMENT MATLAB',
    mode: 'dedicated',
    release: 'R2024b',
  });
  expect(put.body.files).toEqual([{ release: 'R2024b' }]);
  expect((await lab.call('DELETE', `${license}?release=R2024b`)).status).toBe(204);
});

describe('datasets', () => {
  it('create answers 201 with both id fields; the record has the keys of the real one', async () => {
    const { status, body } = await lab.call('POST', `/organizations/${lab.user.organizationId}/datasets`, {
      name: 'shape',
      description: 'dropped',
      contributors: { firstName: 'A', lastName: 'B', orchid: 'dropped' },
      funding: { source: 'X, Y' },
    });
    expect(status).toBe(201);
    expect(body._id).toBe(body.id);
    const record = (await lab.call('GET', `/datasets/${body.id}`)).body;
    for (const key of [
      '_id',
      'name',
      'branchName',
      'organizationId',
      'createdAt',
      'updatedAt',
      'isSubmitted',
    ]) {
      expect(record).toHaveProperty(key);
    }
    expect(record.publishProgress).toEqual({ total: 0, completed: 0, failed: 0 });
    expect([record.files, record.documents]).toEqual([[], []]);
    expect(record.contributors).toEqual([{ firstName: 'A', lastName: 'B' }]);
    expect(record.funding).toEqual([{ source: 'X, Y' }]);
    expect(record).not.toHaveProperty('description');
    expect(record.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('the same name twice is two datasets; a name is needed', async () => {
    expect(await makeDataset(lab, 'twice')).not.toBe(await makeDataset(lab, 'twice'));
    expect((await lab.call('POST', `/organizations/${lab.user.organizationId}/datasets`, {})).status).toBe(
      400,
    );
  });

  it('a list has the newest first, and leaves out what the real rows omit', async () => {
    const id = await makeDataset(lab, 'newest');
    const { body } = await lab.call(
      'GET',
      `/organizations/${lab.user.organizationId}/datasets?page=1&pageSize=2`,
    );
    expect(Object.keys(body)).toEqual(['totalNumber', 'page', 'pageSize', 'datasets']);
    expect(body.datasets).toHaveLength(2);
    expect(body.datasets[0].id).toBe(id);
    for (const key of ['species', 'isSubmitted', 'files', 'documents'])
      expect(body.datasets[0]).not.toHaveProperty(key);
    expect(Object.keys((await held.anonymous.call('GET', '/datasets/published')).body)).toEqual([
      'totalNumber',
      'datasets',
    ]);
  });

  it('an unknown id is 404, a malformed one 500, a foreign one 403, and an anonymous request 401', async () => {
    const id = await makeDataset(lab);
    const second = await held.login('second@sandbox.test');
    const both = await held.login('both@sandbox.test');
    expect((await lab.call('GET', `/datasets/${'0'.repeat(24)}`)).status).toBe(404);
    const malformed = await lab.call('GET', '/datasets/not-an-id');
    expect([malformed.status, malformed.text]).toEqual([500, 'An error occured.  Please check the logs.']);
    expect((await second.call('GET', `/datasets/${id}`)).status).toBe(403);
    expect((await held.anonymous.call('GET', `/datasets/${id}`)).status).toBe(401);
    expect((await both.call('GET', `/datasets/${id}`)).status).toBe(200);
    expect((await admin.call('GET', `/datasets/${id}`)).status).toBe(200);
    const reader = await held.login('reader@sandbox.test');
    const refused = await reader.call('POST', `/organizations/${reader.user.organizationId}/datasets`, {
      name: 'x',
    });
    expect(refused.status).toBe(400);
  });

  it('a deleted dataset is listed and comes back; a hard delete is final; `when` has a grammar', async () => {
    const id = await makeDataset(lab);
    await lab.call('POST', `/datasets/${id}/documents`, { base: { name: 'stays' } });
    expect((await lab.call('DELETE', `/datasets/${id}?when=tomorrow`)).status).toBe(400);
    const soft = await lab.call('DELETE', `/datasets/${id}?when=30m`);
    expect(soft.body.message).toMatch(/deleted/);
    expect((await lab.call('GET', `/datasets/${id}`)).status).toBe(404);
    const deleted = (await lab.call('GET', '/datasets/deleted?page=1&pageSize=100')).body;
    const row = deleted.datasets.find((d: { id: string }) => d.id === id);
    expect(Date.parse(row.deleteOccurrenceTime) - Date.parse(row.deleteCommandTime)).toBe(30 * 60_000);
    expect((await lab.call('POST', `/datasets/${id}/undelete`)).status).toBe(200);
    await until(
      () => lab.call('GET', `/datasets/${id}`),
      (reply) => reply.status === 200,
    );
    expect((await lab.call('GET', `/datasets/${id}/document-count`)).body).toEqual({
      datasetId: id,
      count: 1,
    });
    expect((await lab.call('DELETE', `/datasets/${id}?when=now`)).status).toBe(200);
    expect((await lab.call('POST', `/datasets/${id}/undelete`)).status).toBe(404);
  });

  it('a soft-deleted dataset is gone when its time has come', async () => {
    const id = await makeDataset(lab);
    await lab.call('DELETE', `/datasets/${id}?when=1d`);
    held.sandbox.knobs.clockOffsetMs = 86_400_001;
    const fresh = await held.login('lab@sandbox.test');
    const late = await fresh.call('POST', `/datasets/${id}/undelete`);
    held.sandbox.knobs.clockOffsetMs = 0;
    expect(late.status).toBe(404);
  });

  it('a dataset is published and unpublished by administrators only, later, and then does not change', async () => {
    const id = await makeDataset(lab);
    await lab.call('POST', `/datasets/${id}/documents`, { base: { name: 'x' } });
    expect((await lab.call('POST', `/datasets/${id}/submit`)).status).toBe(200);
    const pile = (await lab.call('GET', '/datasets/unpublished?pageSize=100')).body;
    expect(pile.datasets.map((d: { id: string }) => d.id)).toContain(id);
    expect((await lab.call('POST', `/datasets/${id}/publish`)).status).toBe(403);
    expect((await admin.call('POST', `/datasets/${id}/publish`)).status).toBe(200);
    const published = await until(
      () => held.anonymous.call('GET', `/datasets/${id}`),
      (reply) => reply.status === 200,
    );
    expect(published.body).toMatchObject({
      isPublished: true,
      isPublishing: false,
      documents: [],
      files: [],
    });
    expect((await lab.call('POST', `/datasets/${id}/documents`, {})).status).toBe(400);
    expect((await lab.call('POST', `/datasets/${id}`, { doi: '10.1/x' })).status).toBe(200);
    expect((await admin.call('POST', `/datasets/${id}/unpublish`)).status).toBe(200);
    await until(
      () => held.anonymous.call('GET', `/datasets/${id}`),
      (reply) => reply.status === 401,
    );
  });

  it('a dataset has no branches at first; a branch has its documents, and its files live in the source', async () => {
    const id = await makeDataset(lab);
    expect((await lab.call('GET', `/datasets/${id}/branches`)).body).toEqual({ branches: [], datasets: [] });
    await lab.call('POST', `/datasets/${id}/documents`, { base: { name: 'x' } });
    const url = (await lab.call('GET', `/datasets/${lab.user.organizationId}/${id}/files/u1`)).body.url;
    await fetch(url, { method: 'PUT', body: 'bytes' });
    const branch = (await lab.call('POST', `/datasets/${id}/branch`)).body;
    expect(branch.branchOf).toBe(id);
    expect((await lab.call('GET', `/datasets/${branch.id}/document-count`)).body.count).toBe(1);
    const detail = (await lab.call('GET', `/datasets/${branch.id}/files/u1/detail`)).body;
    expect(detail.sourceDatasetId).toBe(id);
    expect((await fetchReply(detail.downloadUrl)).text).toBe('bytes');
  });

  it('class counts have leaf names, `unknown` for none, and add up to the count', async () => {
    const id = await makeDataset(lab);
    await lab.call('POST', `/datasets/${id}/documents`, { document_class: { class_name: 'subject' } });
    await lab.call('POST', `/datasets/${id}/documents`, {});
    expect((await lab.call('GET', `/datasets/${id}/document-class-counts`)).body).toEqual({
      datasetId: id,
      totalDocuments: 2,
      classCounts: { subject: 1, unknown: 1 },
    });
  });

  it('a dataset is bookmarked, and found by the public search', async () => {
    const id = '668b0539f13096e04f1feccd';
    expect((await lab.call('POST', `/datasets/${id}/bookmark`)).status).toBe(200);
    const me = (await lab.call('GET', '/users/me')).body;
    expect(me.bookmarkedDatasetIds).toEqual([id]);
    const { body } = await lab.call('GET', `/datasets/user/${me.id}/bookmarks`);
    expect(body.datasets[0].id).toBe(id);
    await lab.call('DELETE', `/datasets/${id}/bookmark`);
    const found = (await held.anonymous.call('POST', '/datasets/search', { query: 'carbon fibre' })).body;
    expect(found.datasets.map((d: { id: string }) => d.id)).toEqual([id]);
  });
});

it('a new sandbox has two public datasets with fixed ids, the first larger, sessions in both', async () => {
  const count = async (id: string) =>
    (await held.anonymous.call('GET', `/datasets/${id}/document-count`)).body.count;
  const [large, small] = [await count('682e7772cdf3f24938176fac'), await count('668b0539f13096e04f1feccd')];
  expect(large).toBeGreaterThan(small);
  expect(small).toBeGreaterThanOrEqual(5);
  const { body } = await held.anonymous.call('POST', '/ndiquery', {
    scope: 'public',
    searchstructure: [{ operation: 'isa', param1: 'session' }],
  });
  expect(body.number_matches).toBe(2);
});

it('a path that nobody serves gets the HTML of Express; older paths answer, too', async () => {
  const lost = await lab.call('POST', `/datasets/${lab.user.organizationId}/${'0'.repeat(24)}/files/bulk`);
  expect(lost.status).toBe(404);
  expect(lost.text).toContain('Cannot POST');
  expect((await lab.call('GET', '/datasets')).body.datasets.length).toBeGreaterThan(0);
  expect((await held.anonymous.call('GET', '/datasets/search?q=elegans')).body.datasets).toHaveLength(2);
  expect((await lab.call('GET', `/organizations/${lab.user.organizationId}`)).body.name).toBe('Sandbox Lab');
});

it('answers are gzipped where the client takes it, and a body above 6 MiB is refused', async () => {
  const id = await makeDataset(lab);
  await lab.call('POST', `/datasets/${id}/documents`, { base: { name: 'x'.repeat(20_000) } });
  const reply = await lab.call('GET', `/datasets/${id}/documents`, undefined, { 'accept-encoding': 'gzip' });
  expect(reply.headers.get('content-encoding')).toBe('gzip');
  expect(reply.body.documents[0].name).toHaveLength(20_000);
  const long = await lab.call('POST', `/datasets/${id}/documents`, { v: 'x'.repeat(6 * 1024 * 1024) });
  expect(long.status).toBe(413);
});

it('an answer above 6 MiB does not come: the gateway says 502, whatever gzip could make of it', async () => {
  const id = await makeDataset(lab);
  const ids: string[] = [];
  for (let n = 0; n < 2; n++) {
    const { body } = await lab.call('POST', `/datasets/${id}/documents`, {
      v: 'x'.repeat(3.5 * 1024 * 1024),
    });
    ids.push(body.id);
  }
  const fetching = (...documentIds: string[]) =>
    lab.call('POST', `/datasets/${id}/documents/bulk-fetch`, { documentIds }, { 'accept-encoding': 'gzip' });
  const both = await fetching(...ids);
  expect([both.status, both.body]).toEqual([502, { message: 'Internal server error' }]);
  expect((await fetching(ids[0]!)).status).toBe(200);
});

it('an account is renamed and deleted on older paths by its owner or an administrator', async () => {
  const sign = { email: 'leaving@sandbox.test', name: 'Lea', password: 'leaving-sandbox' };
  const { id } = (await held.anonymous.call('POST', '/users', sign)).body;
  expect((await lab.call('PUT', `/users/${id}`, { name: 'x' })).status).toBe(403);
  expect((await lab.call('DELETE', `/users/${id}`)).status).toBe(403);
  expect((await admin.call('PUT', `/users/${id}`, { name: 'Lena' })).body.name).toBe('Lena');
  expect((await admin.call('DELETE', `/users/${id}`)).body.message).toMatch(/deleted/);
  expect((await admin.call('GET', `/users/${id}`)).status).toBe(404);
  expect((await held.anonymous.call('POST', '/auth/login', sign)).status).toBe(404);
});
