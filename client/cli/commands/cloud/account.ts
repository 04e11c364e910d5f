/**
 * `ndi-courier cloud account …` (NDI Cloud contract §2.1, §2.2): users, passwords and the MATLAB licence.
 * Passwords are asked for or come on standard input, one per line; never as an argument, which other users of
 * the computer can read.
 */
import { z } from 'zod';
import type { FullCloudClient } from '../../../../ndi/cloud/index.ts';
import { option } from '../../../options.ts';
import { defineCommand, type Invocation } from '../../command.ts';
import { askSecret, readSecretsFromStdin } from '../../prompt.ts';
import { about, call, callOptions, callShape, textOf } from './call.ts';

const EMAIL = { name: '<email>', help: 'E-mail address of the account.' } as const;
const CODE = { name: '<code>', help: 'The code that came by mail.' } as const;

const secretShape = {
  passwordStdin: option(z.boolean().default(false), {
    help: 'Read passwords from standard input, one per line, the old one first.',
  }),
  ...callShape,
};
const secretOptions = z.object(secretShape).strict();

async function secrets(
  invocation: Invocation,
  fromStdin: boolean,
  ...questions: readonly string[]
): Promise<readonly string[]> {
  if (fromStdin) return readSecretsFromStdin(invocation, questions.length);
  const answers: string[] = [];
  for (const question of questions) answers.push(await askSecret(invocation, question));
  return answers;
}

/** A request about the account that is logged in. */
const mine = (
  name: string,
  summary: string,
  ask: (cloud: FullCloudClient, signal: AbortSignal) => Promise<unknown>,
) =>
  defineCommand({
    name,
    summary,
    options: callOptions,
    run: (invocation, _args, { profile }) => call(invocation, profile, ask),
  });

const signUp = defineCommand({
  name: 'sign-up',
  summary: 'Create an account; the cloud sends a code by mail.',
  args: [EMAIL, { name: '<name>', help: 'Your name.' }],
  options: secretOptions,
  run: async (invocation, [email, name], { passwordStdin, profile }) => {
    const [password = ''] = await secrets(invocation, passwordStdin, 'Password: ');
    return call(invocation, profile, (cloud) => cloud.account.signUp({ email, name, password }));
  },
});

const verify = defineCommand({
  name: 'verify',
  summary: 'Confirm a new account.',
  args: [EMAIL, CODE],
  options: callOptions,
  run: (invocation, [email, code], { profile }) =>
    call(invocation, profile, (cloud) => cloud.account.verify(email, code)),
});

const resetPassword = defineCommand({
  name: 'reset-password',
  summary: 'Set a new password with a code from `forgot-password`.',
  args: [EMAIL, CODE],
  options: secretOptions,
  run: async (invocation, [email, code], { passwordStdin, profile }) => {
    const [password = ''] = await secrets(invocation, passwordStdin, 'New password: ');
    return call(invocation, profile, (cloud) => cloud.account.confirmPassword(email, code, password));
  },
});

const changePassword = defineCommand({
  name: 'change-password',
  summary: 'Change the password of the account that is logged in.',
  description: 'A stored profile keeps the old one: run `ndi-courier login` afterwards.',
  options: secretOptions,
  run: async (invocation, _args, { passwordStdin, profile }) => {
    const [before = '', after = ''] = await secrets(
      invocation,
      passwordStdin,
      'Old password: ',
      'New password: ',
    );
    return call(invocation, profile, (cloud) => cloud.account.changePassword(before, after));
  },
});

const setLicense = defineCommand({
  name: 'set',
  summary: 'Hand in a licence file.',
  args: [{ name: '<file>', help: 'The licence file; - reads standard input.' }],
  options: z
    .object({
      release: option(z.string().optional(), {
        help: 'MATLAB release that a dedicated licence is for, such as R2024b.',
        value: 'RELEASE',
        defaultText: 'a network licence',
      }),
      ...callShape,
    })
    .strict(),
  run: async (invocation, [file], { release, profile }) => {
    const text = await textOf(invocation, file);
    const license =
      release === undefined ? { networkLicenseFile: text } : { dedicatedLicenseFile: text, release };
    return call(invocation, profile, (cloud, signal) => cloud.account.setMatlabLicense(license, signal));
  },
});

const removeLicense = defineCommand({
  name: 'remove',
  summary: 'Remove the licence, or the file of one release.',
  options: z
    .object({
      release: option(z.string().optional(), {
        help: 'This release only.',
        value: 'RELEASE',
        defaultText: 'all',
      }),
      ...callShape,
    })
    .strict(),
  run: (invocation, _args, { release, profile }) =>
    call(invocation, profile, (cloud, signal) => cloud.account.removeMatlabLicense(release, signal)),
});

const license = defineCommand({
  name: 'license',
  summary: 'Your MATLAB licence in the cloud.',
  subcommands: [
    mine('get', 'What is registered.', (cloud, signal) => cloud.account.matlabLicense(signal)),
    mine('register', 'Get a host id that a dedicated licence can be made for.', (cloud, signal) =>
      cloud.account.registerMatlabLicense(signal),
    ),
    setLicense,
    removeLicense,
  ],
});

export const account = defineCommand({
  name: 'account',
  summary: 'Users, passwords, the MATLAB licence.',
  subcommands: [
    mine('me', 'The account that is logged in.', (cloud, signal) => cloud.me(signal)),
    about('user', 'Another user.', { name: '<user>', help: 'Id of the user.' }, (cloud, id, signal) =>
      cloud.user(id, signal),
    ),
    signUp,
    about('resend-code', 'Send the code for a new account again.', EMAIL, (cloud, email) =>
      cloud.account.resendConfirmation(email),
    ),
    verify,
    about('forgot-password', 'Have a code sent that resets the password.', EMAIL, (cloud, email) =>
      cloud.account.forgotPassword(email),
    ),
    resetPassword,
    changePassword,
    mine(
      'logout',
      'Tell the cloud that this login is over; `ndi-courier logout` forgets it here.',
      (cloud, signal) => cloud.account.logout(signal),
    ),
    license,
  ],
});
