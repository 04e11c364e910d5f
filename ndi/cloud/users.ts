/** Users (NDI Cloud contract §2.2). */
import { readAs, userAnswer } from './answers.ts';
import { segment } from './ids.ts';
import type { Requester } from './request.ts';
import type { CloudClient } from './types.ts';

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
