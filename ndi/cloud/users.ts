/** Users (NDI Cloud contract §2.2). */
import { listOf, optionalFlag, readAs, text, withId } from './answers.ts';
import { segment } from './ids.ts';
import type { Requester } from './request.ts';
import type { CloudClient, CloudUser, Organization } from './types.ts';

const organization = withId({ name: text, canUploadDataset: optionalFlag }).transform(
  (row): Organization => ({ id: row.id, name: row.name, canUploadDataset: row.canUploadDataset === true }),
);

export const userAnswer = withId({
  email: text,
  name: text,
  isAdmin: optionalFlag,
  organizations: listOf(organization),
}).transform(
  (user): CloudUser => ({
    id: user.id,
    email: user.email,
    name: user.name,
    isAdmin: user.isAdmin === true,
    organizations: user.organizations,
  }),
);

export function createUsers(requester: Requester): Pick<CloudClient, 'me' | 'user'> {
  return {
    async me(signal) {
      const what = 'the account that is logged in';
      return readAs(
        await requester.send({ method: 'GET', path: ['users', 'me'], kind: 'account', what, signal }),
        userAnswer,
      );
    },
    async user(userId, signal) {
      const id = segment('user id', userId);
      return readAs(
        await requester.send({
          method: 'GET',
          path: ['users', id],
          kind: 'account',
          what: `user ${id}`,
          signal,
        }),
        userAnswer,
      );
    },
  };
}
