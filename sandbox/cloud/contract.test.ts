/**
 * Every path of the contract's tables (§2) is served: the answer may be any, but not Express's page for a
 * path that is not there.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestClient, type TestSandbox, testSandbox } from '../testing.ts';

const ROUTES = `
A1 POST /auth/login
A2 POST /auth/logout
A3 POST /auth/confirmation/resend
A4 POST /auth/verify
A5 POST /auth/password
A6 POST /auth/password/forgot
A7 POST /auth/password/confirm
U1 POST /users
U2 GET /users/me
U3 GET /users/:user
U4 GET /users/me/matlab-license
U5 POST /users/me/matlab-license
U6 PUT /users/me/matlab-license
U7 DELETE /users/me/matlab-license
D1 POST /organizations/:org/datasets
D2 GET /organizations/:org/datasets
D3 GET /datasets/:d
D4 POST /datasets/:d
D5 DELETE /datasets/:d
D6 POST /datasets/:d/undelete
D7 GET /datasets/deleted
D8 GET /datasets/published
D9 GET /datasets/unpublished
D10 POST /datasets/:d/submit
D11 POST /datasets/:d/publish
D12 POST /datasets/:d/unpublish
D13 POST /datasets/:d/branch
D14 GET /datasets/:d/branches
D15 GET /datasets/user/:user/bookmarks
D15 POST /datasets/:d/bookmark
D15 DELETE /datasets/:d/bookmark
D16 GET /datasets/:d/document-count
D17 GET /datasets/:d/document-class-counts
D18 POST /datasets/search
E1 GET /datasets/:d/documents
E2 POST /datasets/:d/documents
E3 GET /datasets/:d/documents/:doc
E4 POST /datasets/:d/documents/:doc
E5 DELETE /datasets/:d/documents/:doc
E6 GET /datasets/:d/documents/deleted
E7 POST /datasets/:d/documents/bulk-delete
E8 POST /datasets/:d/documents/bulk-fetch
E9 POST /datasets/:d/documents/bulk-upload
E10 POST /datasets/:d/documents/bulk-download
E11 POST /documents/search
Q POST /ndiquery
F1 GET /datasets/:org/:d/files/:uid
F2 GET /datasets/:org/:d/files/bulk
F3 GET /datasets/:d/files/:uid/detail
J1 GET /bulk-uploads/:job
J2 GET /datasets/:d/bulk-uploads
§2.9 POST /compute/start
§2.9 GET /compute
§2.9 GET /compute/:job
§2.9 DELETE /compute/:job
§2.9 POST /compute/:job/stage/:uid
§2.9 POST /compute/:job/advance
§2.11 GET /datasets/:d/files
§2.11 GET /datasets/:d/documents/:doc/signed-url-set
§2.11 GET /datasets/:d/ndi-documents/:doc/signed-url-set
§2.11 POST /datasets/:d/documents/:doc/signed-url-set-jobs
§2.11 POST /datasets/:d/ndi-documents/:doc/signed-url-set-jobs
§2.11 GET /signed-url-set-jobs/:job
§2.11 POST /datasets/:d/file-tier-jobs
§2.11 GET /file-tier-jobs/:job
§2.11 POST /datasets/:d/write-lock
§2.11 GET /datasets/:d/write-lock
§2.11 PUT /datasets/:d/write-lock
§2.11 DELETE /datasets/:d/write-lock
§2.13 POST /auth/verify-email
§2.13 POST /auth/change-password
§2.13 POST /auth/forgot-password
§2.13 POST /auth/reset-password
§2.13 PUT /users/:user
§2.13 DELETE /users/:user
§2.13 GET /datasets
§2.13 POST /datasets
§2.13 PUT /datasets/:d
§2.13 PUT /datasets/:d/documents/:doc
§2.13 GET /datasets/:d/bookmark
§2.13 GET /datasets/search
§2.13 GET /datasets/:d/documents/search
§2.13 GET /datasets/:d/files/upload-url
§2.13 POST /datasets/:d/files/bulk-upload
§2.13 GET /datasets/:d/files/:uid/download-url
§2.13 POST /organizations
§2.13 GET /organizations/:org
§2.13 PUT /organizations/:org
§2.13 POST /organizations/:org/users
`;

/** Well-formed, and of nothing that exists: what is asked for here changes nothing. */
const UNKNOWN: Readonly<Record<string, string>> = {
  ':d': '0'.repeat(24),
  ':doc': '0'.repeat(24),
  ':org': '0'.repeat(24),
  ':user': '0'.repeat(24),
  ':uid': 'uid-1',
  ':job': 'job-1',
};

let held: TestSandbox;
let lab: TestClient;
beforeAll(async () => {
  held = await testSandbox();
  lab = await held.login('lab@sandbox.test');
});
afterAll(() => held.close());

describe('the sandbox’s API', () => {
  it('each route of the contract is there', async () => {
    const missing: string[] = [];
    for (const line of ROUTES.trim().split('\n')) {
      const [, method = '', path = ''] = line.split(' ');
      const filled = path.replace(/:\w+/g, (name) => UNKNOWN[name] ?? 'x');
      const reply = await lab.call(method, filled);
      if (/^Cannot |<pre>Cannot /.test(reply.text)) missing.push(line);
    }
    expect(missing).toEqual([]);
    expect((await lab.call('GET', '/no/such/route')).text, 'what is looked for').toContain('<pre>Cannot GET');
  });
});
