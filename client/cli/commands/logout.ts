/** `ndi-courier logout` */
import { z } from 'zod';
import { option } from '../../options.ts';
import { defineCommand, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { jsonShape } from '../shared-options.ts';

export const command = defineCommand({
  name: 'logout',
  summary: 'Forget a login.',
  description:
    'Removes the account and its password from this computer. Runs that need it will wait for a login.',
  options: z
    .object({
      profile: option(z.string().optional(), {
        help: 'The account to forget.',
        value: 'NAME',
        defaultText: 'the default one',
      }),
      ...jsonShape,
    })
    .strict(),
  run: async (invocation, _args, { profile, json }) =>
    withCourier(invocation, async ({ accounts }) => {
      const removed = await accounts.logout(profile);
      if (json) invocation.out.json({ removed });
      else invocation.out.print(removed ? 'Forgotten.' : 'There was no such login.');
      return EXIT.done;
    }),
});
