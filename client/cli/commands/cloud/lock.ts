/** `ndi-courier cloud lock …` (NDI Cloud contract §2.11): the write lock of a dataset. */
import { z } from 'zod';
import { option } from '../../../options.ts';
import { defineCommand } from '../../command.ts';
import { about, call, callShape, DATASET } from './call.ts';

const ttlShape = {
  ttl: option(z.coerce.number().int().min(1).max(86_400).optional(), {
    help: 'Seconds until it ends by itself.',
    value: 'SECONDS',
    defaultText: 'the cloud’s, about half an hour',
  }),
};

const acquire = defineCommand({
  name: 'acquire',
  summary: 'Take the lock: others cannot write until it is released or ends by itself.',
  args: [DATASET],
  options: z
    .object({
      reason: option(z.string().min(1), { help: 'What for; others get to see it.', value: 'TEXT' }),
      ...ttlShape,
      ...callShape,
    })
    .strict(),
  run: (invocation, [dataset], { reason, ttl, profile }) =>
    call(invocation, profile, (cloud, signal) =>
      cloud.writeLock.acquire(dataset, { reason, ttlSeconds: ttl }, signal),
    ),
});

const refresh = defineCommand({
  name: 'refresh',
  summary: 'Keep a lock of yours for longer.',
  args: [DATASET],
  options: z.object({ ...ttlShape, ...callShape }).strict(),
  run: (invocation, [dataset], { ttl, profile }) =>
    call(invocation, profile, (cloud, signal) => cloud.writeLock.refresh(dataset, ttl, signal)),
});

export const lock = defineCommand({
  name: 'lock',
  summary: 'The write lock of a dataset, where the cloud has one.',
  subcommands: [
    acquire,
    about('get', 'Who holds it.', DATASET, async (cloud, id, signal) => {
      const held = await cloud.writeLock.get(id, signal);
      return held === undefined ? { locked: false } : { locked: true, ...held };
    }),
    refresh,
    about('release', 'Let go of it.', DATASET, (cloud, id, signal) => cloud.writeLock.release(id, signal)),
  ],
});
