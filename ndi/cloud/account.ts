/**
 * Routes that no transfer needs, for people and scripts: the account's own (NDI Cloud contract §2.1, §2.2), bookmarks and public
 * search (§2.4 D13, D15, D18, §2.5 E11), and the MATLAB licence (U4–U7). Their answers are in no client's use, so they are
 * handed on as they come.
 */
import { CourierError } from '../../errors/index.ts';
import { readAs, readLoosely, userAnswer } from './answers.ts';
import * as auth from './auth.ts';
import { cloudId, segment } from './ids.ts';
import type { ApiCall, Requester } from './request.ts';
import type { CloudUser } from './types.ts';

/** U6: clients disagree about the body; the server is given MATLAB's, which was written against it. */
export type MatlabLicense =
  | { readonly networkLicenseFile: string }
  | { readonly dedicatedLicenseFile: string; readonly release: string };

export interface AccountRoutes {
  logout(signal?: AbortSignal): Promise<void>;
  signUp(person: { email: string; name: string; password: string }): Promise<CloudUser>;
  resendConfirmation(email: string): Promise<void>;
  verify(email: string, confirmationCode: string): Promise<void>;
  changePassword(oldPassword: string, newPassword: string): Promise<void>;
  forgotPassword(email: string): Promise<void>;
  confirmPassword(email: string, confirmationCode: string, newPassword: string): Promise<void>;
  matlabLicense(): Promise<unknown>;
  registerMatlabLicense(): Promise<unknown>;
  setMatlabLicense(license: MatlabLicense): Promise<unknown>;
  /** Without a release, all of it. */
  removeMatlabLicense(release?: string): Promise<unknown>;
}

export interface DiscoveryRoutes {
  bookmarks(userId: string): Promise<unknown>;
  setBookmark(datasetId: string, on: boolean): Promise<void>;
  /** Body and meaning are unknown (§10 no. 33): not for transfers. */
  branch(datasetId: string, body?: object): Promise<unknown>;
  /** Published datasets only; the server ignores who asks. */
  searchDatasets(body: object): Promise<unknown>;
  searchDocuments(body: object): Promise<unknown>;
}

export function createAccount(requester: Requester): AccountRoutes {
  const license = async (method: ApiCall['method'], more: Partial<ApiCall> = {}): Promise<unknown> => {
    const path = ['users', 'me', 'matlab-license'];
    return readLoosely(
      await requester.send({ method, path, kind: 'account', what: 'the MATLAB licence', ...more }),
    );
  };
  return {
    logout: (signal) => auth.requestLogout(requester, signal),
    async signUp(person) {
      const what = `create the account ${person.email}`;
      const { email, name, password } = person;
      const answer = await requester.send({
        method: 'POST',
        path: ['users'],
        json: { email, name, password },
        kind: 'account',
        auth: 'none',
        what,
        secrets: [password],
      });
      return readAs(answer, userAnswer);
    },
    resendConfirmation: (email) => auth.resendConfirmation(requester, email),
    verify: (email, code) => auth.verifyAccount(requester, email, code),
    changePassword: (before, after) => auth.changePassword(requester, before, after),
    forgotPassword: (email) => auth.forgotPassword(requester, email),
    confirmPassword: (email, code, password) => auth.confirmPassword(requester, email, code, password),
    matlabLicense: () => license('GET'),
    registerMatlabLicense: () => license('POST'),
    setMatlabLicense: (file) => license('PUT', { json: file, secrets: Object.values(file) }),
    removeMatlabLicense: (release) => license('DELETE', release === undefined ? {} : { query: { release } }),
  };
}

export function createDiscovery(requester: Requester): DiscoveryRoutes {
  const send = async (call: Omit<ApiCall, 'kind'>): Promise<unknown> =>
    readLoosely(await requester.send({ kind: 'read', ...call }));
  return {
    async bookmarks(userId) {
      return send({
        method: 'GET',
        path: ['datasets', 'user', segment('user id', userId), 'bookmarks'],
        what: 'bookmarks',
      });
    },
    async setBookmark(datasetId, on) {
      const path = ['datasets', cloudId('dataset', datasetId), 'bookmark'];
      await send({ method: on ? 'POST' : 'DELETE', path, what: `bookmark of dataset ${datasetId}` });
    },
    async branch(datasetId, body) {
      const path = ['datasets', cloudId('dataset', datasetId), 'branch'];
      const json = body === undefined ? {} : { json: body };
      return send({ method: 'POST', path, what: `branch dataset ${datasetId}`, ...json });
    },
    searchDatasets: (body) => search(['datasets', 'search'], body),
    searchDocuments: (body) => search(['documents', 'search'], body),
  };

  async function search(path: readonly string[], body: object): Promise<unknown> {
    if (Array.isArray(body)) throw new CourierError('NDI_E_USAGE', { detail: 'A search is an object.' });
    return send({ method: 'POST', path, json: body, auth: 'optional', what: path.join(' ') });
  }
}
