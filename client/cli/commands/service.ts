/** `ndi-courier service` */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Environment } from '../../../ndi/auth/environment.ts';
import { option } from '../../options.ts';
import { launchd } from '../autostart/launchd.ts';
import { systemd } from '../autostart/systemd.ts';
import type { Autostart, ServiceCommand } from '../autostart/types.ts';
import { windows } from '../autostart/windows.ts';
import { defineCommand } from '../command.ts';
import { EXIT } from '../exit.ts';
import type { Output } from '../output.ts';
import { jsonOptions, jsonShape } from '../shared-options.ts';

/** Settings that the started service keeps. None of them is a secret; a proxy with a password is left out. */
const KEPT = [
  'COURIER_CA_FILE',
  'NODE_EXTRA_CA_CERTS',
  ...['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'NO_PROXY', 'no_proxy'],
  'COURIER_HOME',
  'COURIER_CACHE',
  'NDI_CLOUD_URL',
  'CLOUD_API_ENVIRONMENT',
  'TEMPORAL_ADDRESS',
  'TEMPORAL_PROFILE',
];

const autostartOf = (platform: NodeJS.Platform): Autostart =>
  platform === 'darwin' ? launchd : platform === 'win32' ? windows : systemd;

const fileOf = ({ path }: Autostart, env: Environment): string =>
  join(env.HOME || homedir(), ...path.split('/'));

function serviceCommand(env: Environment): ServiceCommand {
  const kept = KEPT.flatMap((name) => {
    const value = env[name];
    return value && !(/^https?_proxy$/i.test(name) && value.includes('@')) ? [[name, value]] : [];
  });
  const script = realpathSync(process.argv[1] ?? '');
  return { argv: [process.execPath, script, 'dev'], env: Object.fromEntries(kept) };
}

/**
 * Runs commands of the system in order. Stops at the first that fails and answers it with those that follow.
 */
function runAll(
  commands: ReadonlyArray<readonly string[]>,
  env: Environment,
): ReadonlyArray<readonly string[]> {
  const failed = commands.findIndex(
    ([program = '', ...args]) => spawnSync(program, args, { stdio: 'ignore', env: { ...env } }).status !== 0,
  );
  return failed < 0 ? [] : commands.slice(failed);
}

function tell(
  out: Output,
  json: boolean,
  did: string,
  file: string,
  open: ReadonlyArray<readonly string[]>,
): void {
  const lines = open.map((words) => words.join(' '));
  if (json) {
    out.json({ file, toRun: lines });
    return;
  }
  out.print(`${did} ${file}.`);
  if (lines.length > 0) out.print(`The system did not take it from here. Run:\n  ${lines.join('\n  ')}`);
}

const install = defineCommand({
  name: 'install',
  summary: 'Start the service with this computer.',
  description:
    'Writes a systemd user unit (Linux), a launch agent (macOS) or a task (Windows) and switches it on. A service ' +
    'that `up` started is to be stopped first with `down`. Secrets are not written; log in with `ndi-courier login`.',
  options: z
    .object({
      print: option(z.boolean().default(false), { help: 'Print the file; write and start nothing.' }),
      ...jsonShape,
    })
    .strict(),
  run: async ({ env, out }, _args, { print, json }) => {
    const autostart = autostartOf(process.platform);
    const file = fileOf(autostart, env);
    const text = autostart.text(serviceCommand(env));
    if (print) {
      if (json) out.json({ file, text });
      else out.print(text.trimEnd());
      return EXIT.done;
    }
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, autostart.encoding === 'utf16le' ? `\ufeff${text}` : text, autostart.encoding);
    const open = runAll(autostart.enable(file), env);
    tell(out, json, 'Wrote', file, open);
    if (!json && autostart.hint !== undefined) out.print(autostart.hint);
    return open.length > 0 ? EXIT.failed : EXIT.done;
  },
});

const remove = defineCommand({
  name: 'remove',
  summary: 'No longer start the service with this computer.',
  description: 'Runs, records and logins stay.',
  options: jsonOptions,
  run: async ({ env, out }, _args, { json }) => {
    const autostart = autostartOf(process.platform);
    const file = fileOf(autostart, env);
    if (!existsSync(file)) {
      if (json) out.json({ file: null, toRun: [] });
      else out.print('Nothing is installed.');
      return EXIT.done;
    }
    const open = runAll(autostart.disable(file), env);
    rmSync(file);
    tell(out, json, 'Removed', file, open);
    return open.length > 0 ? EXIT.failed : EXIT.done;
  },
});

export const command = defineCommand({
  name: 'service',
  summary: 'Start the service with this computer, or no longer.',
  subcommands: [install, remove],
});
