/** `ndi-courier profile …` */
import { CourierError } from '../../../errors/index.ts';
import { table } from '../../view/table.ts';
import { defineCommand, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { jsonOptions } from '../shared-options.ts';
import { command as login } from './login.ts';

const list = defineCommand({
  name: 'list',
  summary: 'All accounts of this computer, those of MATLAB and Python NDI included.',
  options: jsonOptions,
  run: async (invocation, _args, { json }) =>
    withCourier(invocation, async ({ accounts }) => {
      const { out } = invocation;
      const own = await accounts.profiles();
      const theirs = await accounts.ndiProfiles();
      if (json) {
        out.json({
          profiles: own,
          ndiProfiles: theirs.map(({ uid, nickname, email, baseUrl, isDefault }) => ({
            uid,
            nickname,
            email,
            baseUrl,
            isDefault,
          })),
        });
        return EXIT.done;
      }
      if (own.length === 0 && theirs.length === 0) {
        out.print('There are no accounts yet. Make one with: ndi-courier login');
        return EXIT.done;
      }
      const rows = [
        ...own.map((profile) => [
          profile.isDefault ? '*' : '',
          profile.name,
          profile.email,
          profile.baseUrl,
          profile.secret === 'keyring' ? 'keyring' : 'private file',
        ]),
        ...theirs.map((profile) => [
          '',
          profile.nickname || profile.email,
          profile.email,
          profile.baseUrl,
          'MATLAB or Python NDI',
        ]),
      ];
      out.print(table(['', 'NAME', 'E-MAIL', 'CLOUD', 'KEPT IN'], rows));
      return EXIT.done;
    }),
});

const use = defineCommand({
  name: 'use',
  summary: 'Make an account the default.',
  args: [{ name: '<name>', help: 'As in `profile list`.' }],
  options: jsonOptions,
  run: async (invocation, [name], { json }) =>
    withCourier(invocation, async ({ accounts }) => {
      await accounts.use(name);
      if (json) invocation.out.json({ default: name });
      else invocation.out.print(`“${name}” is the default now.`);
      return EXIT.done;
    }),
});

const remove = defineCommand({
  name: 'remove',
  summary: 'Forget an account and its password.',
  args: [{ name: '<name>', help: 'As in `profile list`.' }],
  options: jsonOptions,
  run: async (invocation, [name], { json }) =>
    withCourier(invocation, async ({ accounts }) => {
      if (!(await accounts.logout(name))) {
        throw new CourierError('NDI_E_NO_CREDENTIALS', { detail: `There is no profile "${name}".` });
      }
      if (json) invocation.out.json({ removed: name });
      else invocation.out.print(`“${name}” is forgotten.`);
      return EXIT.done;
    }),
});

const importing = defineCommand({
  name: 'import',
  summary: 'Take over an account that MATLAB or Python NDI has stored.',
  description:
    'Reads its password as those clients stored it, checks it with the cloud, and keeps it as ours.',
  args: [{ name: '<name>', help: 'Nickname, e-mail or UID of the account; see `profile list`.' }],
  options: jsonOptions,
  run: async (invocation, [name], { json }) =>
    withCourier(invocation, async ({ accounts }) => {
      const { profile } = await accounts.importNdiProfile(name);
      if (json)
        invocation.out.json({ profile: profile.name, email: profile.email, baseUrl: profile.baseUrl });
      else invocation.out.print(`Kept as “${profile.name}” (${profile.email}).`);
      return EXIT.done;
    }),
});

export const command = defineCommand({
  name: 'profile',
  summary: 'Keep several cloud accounts apart.',
  examples: [
    { line: 'ndi-courier profile add --profile second-lab', does: 'another account; the same as login' },
    { line: 'ndi-courier upload DIR --profile second-lab', does: 'as that account' },
  ],
  subcommands: [
    list,
    use,
    { ...login, name: 'add', summary: 'Add an account; the same as `login`.', examples: [] },
    remove,
    importing,
  ],
});
