/** What `doctor` looks at. Each check answers in a line and never throws; none of them changes anything. */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { freeSpace } from '../../disk/free-space.ts';
import { packageVersion } from '../../disk/package.ts';
import { isCourierError } from '../../errors/index.ts';
import type { Environment } from '../../ndi/auth/environment.ts';
import type { Courier } from '../courier.ts';
import { networkVariables } from '../network.ts';
import { formatBytes, plural } from '../view/format.ts';
import { toCourierError } from './output.ts';

export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  readonly nextStep?: string;
}

export interface CheckContext {
  readonly env: Environment;
  readonly cwd: string;
  readonly courier: Courier;
  readonly dataset: string | undefined;
  readonly profile?: string | undefined;
  readonly offline: boolean;
}

const ok = (name: string, detail: string): Check => ({ name, state: 'ok', detail });
const warn = (name: string, detail: string, nextStep: string): Check => ({
  name,
  state: 'warn',
  detail,
  nextStep,
});

/** A thrown error, as a line. */
function failed(name: string, error: unknown, state: 'warn' | 'fail' = 'fail'): Check {
  const { message, code, nextStep } = toCourierError(error);
  return { name, state, detail: `${message.split('\n')[0]} (${code})`, nextStep };
}

export async function runChecks(context: CheckContext): Promise<Check[]> {
  const checks: Check[] = [nodeVersion()];
  const steps: [name: string, check: (context: CheckContext) => Promise<Check>][] = [
    ['state folder', stateFolder],
    ['disk space', diskSpace],
    ['temporal CLI', temporalCli],
    ['service', service],
    ['server', server],
    ['worker', worker],
    ['proxy', proxy],
    ['certificates', certificates],
    ...(context.offline ? [] : ([['login', login]] as [string, typeof login][])),
    ...(context.dataset === undefined ? [] : ([['dataset', dataset]] as [string, typeof dataset][])),
  ];
  for (const [name, check] of steps) {
    checks.push(await check(context).catch((error: unknown) => failed(name, error)));
  }
  return checks;
}

function nodeVersion(): Check {
  const major = Number(process.versions.node.split('.')[0]);
  const detail = `Node.js ${process.versions.node} on ${process.platform} ${process.arch}`;
  return major >= 24
    ? ok('node', detail)
    : { name: 'node', state: 'fail', detail, nextStep: 'Install Node.js 24 or later.' };
}

/** The folder itself, or what is there of the way to it. */
function nearest(dir: string): string {
  let found = dir;
  while (!existsSync(found) && dirname(found) !== found) found = dirname(found);
  return found;
}

async function stateFolder({ courier }: CheckContext): Promise<Check> {
  const home = await courier.service.homeDir();
  try {
    accessSync(nearest(home), constants.W_OK | constants.R_OK);
  } catch {
    return {
      name: 'state folder',
      state: 'fail',
      detail: `${home} cannot be written to.`,
      nextStep: 'Set COURIER_HOME to a folder of yours.',
    };
  }
  return ok('state folder', existsSync(home) ? home : `${home} (will be made)`);
}

/** Under this there is no room for the server’s database and a ZIP on its way. */
const LITTLE_SPACE_BYTES = 2e9;

async function diskSpace({ courier }: CheckContext): Promise<Check> {
  const free = await freeSpace(await courier.service.homeDir());
  return free < LITTLE_SPACE_BYTES
    ? warn('disk space', `${formatBytes(free)} free`, 'Free some space, or set COURIER_HOME to another disk.')
    : ok('disk space', `${formatBytes(free)} free`);
}

async function temporalCli({ env }: CheckContext): Promise<Check> {
  const { resolveTemporal } = await import('../../workers/connection.ts');
  const choice = resolveTemporal(env);
  if (choice.kind === 'external') return ok('temporal CLI', `not needed: the server is at ${choice.address}`);
  const { findTemporalCli } = await import('../../workers/temporal-cli/find.ts');
  try {
    // Without makers: a check must not build for minutes.
    const cli = await findTemporalCli({ env, makers: [] });
    return ok('temporal CLI', `${cli.version} (server ${cli.serverVersion}) at ${cli.path}`);
  } catch (error) {
    if (!isCourierError(error, 'NDI_E_NO_TEMPORAL')) throw error;
    return warn(
      'temporal CLI',
      'not here yet; the first `up` fetches or builds it, which takes minutes, once.',
      'Run `ndi-courier up`, or set TEMPORAL_CLI to one that you have.',
    );
  }
}

async function service({ courier, env }: CheckContext): Promise<Check> {
  const state = await courier.service.status();
  const version = packageVersion();
  if (!state.running) {
    return warn(
      'service',
      `not running (ndi-courier ${version})`,
      'Run `ndi-courier up`; `upload` does it by itself.',
    );
  }
  if (state.version !== version) {
    return warn(
      'service',
      `version ${state.version} runs, this is ${version}`,
      'Run `ndi-courier down` and `ndi-courier up`.',
    );
  }
  const elsewhere = env.TEMPORAL_ADDRESS === undefined ? '' : ', workers only';
  return ok('service', `running since ${state.startedAt} (${version}${elsewhere})`);
}

async function server({ courier }: CheckContext): Promise<Check> {
  try {
    const runs = await courier.runs.list({ limit: 1_000, open: true });
    return ok('server', `answers; ${plural(runs.length, 'run')} going on`);
  } catch (error) {
    return failed('server', error, isCourierError(error, 'NDI_E_NOT_RUNNING') ? 'warn' : 'fail');
  }
}

async function worker({ courier }: CheckContext): Promise<Check> {
  const site = await courier.service.siteId();
  let pollers: { readonly control: number; readonly site: number };
  try {
    pollers = await courier.service.pollers(site);
  } catch (error) {
    return failed('worker', error, isCourierError(error, 'NDI_E_NOT_RUNNING') ? 'warn' : 'fail');
  }
  const missing = [
    ...(pollers.control === 0 ? ['workflows'] : []),
    ...(pollers.site === 0 ? [`the disk of this computer (site ${site})`] : []),
  ];
  return missing.length === 0
    ? ok('worker', `serves workflows and site ${site}`)
    : warn('worker', `nobody serves ${missing.join(' and ')}`, 'Run `ndi-courier up`.');
}

/** The way to the cloud; no password of a proxy is shown. */
async function proxy({ courier, env, profile }: CheckContext): Promise<Check> {
  const { client, ref } = await courier.accounts.open({ profile });
  await client.close();
  const { networkOf } = await import('../../net/network.ts');
  const found = networkOf(env).proxyFor(ref.baseUrl);
  const { host } = new URL(ref.baseUrl);
  return ok(
    'proxy',
    found === undefined
      ? `none: ${host} is reached directly`
      : `${found.shown} (from ${found.from}) for ${host}`,
  );
}

async function certificates({ env }: CheckContext): Promise<Check> {
  const { readCaFile } = await import('../../net/certificates.ts');
  // As the commands do; a wrong `config.json` is told here.
  const settings = { ...env, ...(await networkVariables(env)) };
  const used = ['COURIER_CA_FILE', 'NODE_EXTRA_CA_CERTS'].flatMap((name) => {
    const path = settings[name];
    if (!path) return [];
    return [`${path} (${plural(readCaFile(path, name).length, 'certificate')}, from ${name})`];
  });
  return ok('certificates', ['those of Node.js', ...used].join(' and '));
}

async function login({ courier, profile }: CheckContext): Promise<Check> {
  try {
    const { user, by } = await courier.accounts.whoami({ profile });
    const organizations = user.organizations.map((organization) => organization.name).join(', ');
    return ok('login', `${by} (${organizations})`);
  } catch (error) {
    return failed('login', error, isCourierError(error, 'NDI_E_NO_CREDENTIALS') ? 'warn' : 'fail');
  }
}

async function dataset({ cwd, dataset: dir }: CheckContext): Promise<Check> {
  const { openDataset } = await import('../../ndi/dataset/read.ts');
  const reader = openDataset(resolve(cwd, dir ?? '.'));
  try {
    const { reference, remotes, sessions } = reader.identity;
    const linked = sessions.filter((session) => session.linked).length;
    const detail = `${reference}: ${plural(reader.documentCount(), 'document')}, ${remotes.length === 0 ? 'not linked to the cloud' : `linked to ${remotes.map((remote) => remote.cloudDatasetId).join(' and ')}`}`;
    if (remotes.length > 1)
      return warn('dataset', detail, 'Remove all but one `dataset_remote` document, or pass --to ID.');
    if (linked > 0) {
      return warn(
        'dataset',
        `${detail}; ${plural(linked, 'linked session')} not in it`,
        'Ingest linked sessions in MATLAB or Python first.',
      );
    }
    return ok('dataset', detail);
  } finally {
    reader.close();
  }
}
