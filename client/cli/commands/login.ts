/** `ndi-courier login` */
import { z } from 'zod';
import { isCourierError } from '../../../errors/index.ts';
import type { Courier } from '../../courier.ts';
import { option } from '../../options.ts';
import type { RunSummary } from '../../run-records.ts';
import { formatTime } from '../../view/format.ts';
import { defineCommand, type Invocation, withCourier } from '../command.ts';
import { EXIT } from '../exit.ts';
import { ask, askSecret, readSecretFromStdin } from '../prompt.ts';
import { jsonShape } from '../shared-options.ts';

const loginOptions = z
  .object({
    email: option(z.string().optional(), {
      help: 'E-mail address of the account.',
      value: 'ADDRESS',
      env: { name: 'NDI_CLOUD_USERNAME' },
      defaultText: 'asked for',
    }),
    // Never an argument: other users of the computer can read those.
    passwordStdin: option(z.boolean().default(false), { help: 'Read the password from standard input.' }),
    profile: option(z.string().default('default'), {
      help: 'The name to keep this account under.',
      value: 'NAME',
    }),
    url: option(z.string().optional(), {
      help: 'Full base address of the cloud, with /v1.',
      value: 'URL',
      env: { name: 'NDI_CLOUD_URL' },
      defaultText: 'NDI Cloud',
    }),
    organization: option(z.string().optional(), {
      help: 'Organisation to work in, by id or name, for accounts that belong to several.',
      value: 'ID',
      env: { name: 'NDI_CLOUD_ORGANIZATION_ID' },
    }),
    default: option(z.boolean().default(false), { help: 'Make it the default account.' }),
    ...jsonShape,
  })
  .strict();

export const command = defineCommand({
  name: 'login',
  summary: 'Log in to NDI Cloud; runs that wait for it go on.',
  description:
    'Asks for e-mail and password, checks them with the cloud, and keeps them in the keyring of the operating system or, ' +
    'where there is none, in a file that only you can read. Tokens are never stored.',
  options: loginOptions,
  examples: [
    { line: 'ndi-courier login', does: 'asks for what it needs' },
    {
      line: 'ndi-courier login --email ada@lab.example --password-stdin < password-file',
      does: 'for scripts',
    },
    { line: 'ndi-courier login --profile second-lab', does: 'another account beside the first' },
  ],
  run: async (invocation, _args, options) =>
    withCourier(invocation, async (courier) => {
      const email = options.email ?? (await ask(invocation, 'E-mail: '));
      const password = await passwordFor(invocation, options.passwordStdin);
      const { profile, user, organization, validUntil } = await courier.accounts.login({
        email,
        password,
        profile: options.profile,
        baseUrl: options.url,
        organizationId: options.organization,
        makeDefault: options.default,
      });
      const released = await release(courier, profile.name, profile.isDefault);
      const { out } = invocation;
      if (options.json) {
        out.json({
          profile: profile.name,
          email: user.email,
          organizationId: organization.id,
          baseUrl: profile.baseUrl,
          storedIn: profile.secret,
          validUntil,
          released: released.map((run) => run.workflowId),
        });
        return EXIT.done;
      }
      const place =
        profile.secret === 'keyring' ? 'the keyring of this computer' : 'a file that only you can read';
      out.print(`Logged in as ${user.email} (${organization.name}) at ${profile.baseUrl}.`);
      if (validUntil !== null) out.print(`Valid until ${formatTime(validUntil)}; it is renewed by itself.`);
      out.print(`Kept as profile “${profile.name}” in ${place}.`);
      for (const run of released) out.print(`Goes on: ${run.workflowId}`);
      return EXIT.done;
    }),
});

async function passwordFor(invocation: Invocation, fromStdin: boolean): Promise<string> {
  if (fromStdin) return readSecretFromStdin(invocation);
  const fromEnv = invocation.env.NDI_CLOUD_PASSWORD;
  // With a person there, the person is asked: a stale variable would be refused again.
  if (fromEnv !== undefined && fromEnv !== '' && !invocation.stdin.isTTY) return fromEnv;
  return askSecret(invocation, 'Password: ');
}

/**
 * Frees the runs that wait for this account. Without a service there is nobody to tell; they look by
 * themselves.
 */
async function release(courier: Courier, profile: string, isDefault: boolean): Promise<RunSummary[]> {
  try {
    return await courier.runs.loggedIn(isDefault ? null : profile);
  } catch (error) {
    if (isCourierError(error, 'NDI_E_NOT_RUNNING')) return [];
    throw error;
  }
}
