/** `ndi-courier sandbox` */
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { option } from '../../options.ts';
import { defineCommand, type Invocation } from '../command.ts';
import { EXIT } from '../exit.ts';

export const command = defineCommand({
  name: 'sandbox',
  summary: 'Run a local NDI Cloud to try things on.',
  description:
    'All of the cloud’s API and an object store in one process, with seed data, users to log in as, and switches for ' +
    'everything that can go wrong. State is kept between starts. Ctrl-C or SIGTERM stops it.',
  options: z
    .object({
      port: option(z.coerce.number().int().min(0).max(65_535).default(0), {
        help: 'Port of the API on this computer.',
        value: 'P',
        defaultText: 'the one it had last, else a free one',
      }),
      state: option(z.string().optional(), {
        help: 'Folder for its state.',
        value: 'DIR',
        defaultText: '`sandbox` in the state folder',
      }),
      tls: option(z.boolean().default(false), {
        help: 'Serve https, with a certificate made in its folder; the file to trust is said.',
      }),
      json: option(z.boolean().default(false), {
        help: 'Print one line of JSON when it is ready: addresses and users.',
      }),
    })
    .strict(),
  examples: [
    { line: 'ndi-courier sandbox --port 8100 --state /tmp/cloud', does: 'then: export NDI_CLOUD_URL=…' },
  ],
  run: async ({ env, cwd }, _args, { port, state, tls, json }) => {
    const { runSandbox } = await import('../../../sandbox/main.ts');
    const stateDir = state === undefined ? await defaultState(env) : resolve(cwd, state);
    await runSandbox({ port, stateDir, json, tls });
    return EXIT.done;
  },
});

async function defaultState(env: Invocation['env']): Promise<string> {
  const { homeFromEnv } = await import('../../../workers/home.ts');
  return join(homeFromEnv(env).dir, 'sandbox');
}
