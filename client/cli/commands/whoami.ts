/** `ndi-courier whoami` */
import { z } from 'zod';
import { facts } from '../../view/table.ts';
import { defineCommand, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { accountShape, jsonShape } from '../shared-options.ts';

export const command = defineCommand({
  name: 'whoami',
  summary: 'Say who is logged in.',
  options: z.object({ ...accountShape, ...jsonShape }).strict(),
  run: async (invocation, _args, { profile, json }) =>
    withCourier(invocation, async ({ accounts }) => {
      const { user, baseUrl, by } = await accounts.whoami({ profile });
      const { out } = invocation;
      if (json) {
        const { id, email, name, isAdmin, organizations } = user;
        out.json({ id, email, name, isAdmin, organizations, baseUrl, by });
        return EXIT.done;
      }
      out.print(
        facts([
          ['account', user.name === '' ? user.email : `${user.name} <${user.email}>`],
          ['logged in by', by],
          ['cloud', baseUrl],
          ['administrator', user.isAdmin ? 'yes' : undefined],
          ...user.organizations.map(
            ({ id, name, canUploadDataset }) =>
              ['organisation', `${name} (${id})${canUploadDataset ? '' : ', read only'}`] as const,
          ),
        ]),
      );
      return EXIT.done;
    }),
});
