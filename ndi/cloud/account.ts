/**
 * The account's own routes, for people and scripts (NDI Cloud contract §2.1, §2.2): no transfer needs them.
 */
import { readAs } from './answers.ts';
import * as auth from './auth.ts';
import { createLicense, type LicenseRoutes } from './license.ts';
import type { Requester } from './request.ts';
import type { CloudUser } from './types.ts';
import { userAnswer } from './users.ts';

export interface AccountRoutes extends LicenseRoutes {
  logout(signal?: AbortSignal): Promise<void>;
  signUp(person: { email: string; name: string; password: string }): Promise<CloudUser>;
  resendConfirmation(email: string): Promise<void>;
  verify(email: string, confirmationCode: string): Promise<void>;
  changePassword(oldPassword: string, newPassword: string): Promise<void>;
  forgotPassword(email: string): Promise<void>;
  confirmPassword(email: string, confirmationCode: string, newPassword: string): Promise<void>;
}

export function createAccount(requester: Requester): AccountRoutes {
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
    ...createLicense(requester),
  };
}
