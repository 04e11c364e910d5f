/**
 * Finds or makes the `temporal` CLI, which is also the embedded server.
 *
 *   findTemporalCli   the choices in their order, and one error that lists them all
 *   inspectCli        is this file a Temporal CLI, and which
 *   download.ts, build.ts   the two ways to make one, each filling the cache
 *
 * The cache is per user, not per checkout: building takes minutes, once.
 */
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { CourierError } from '../../errors/index.ts';
import type { Environment } from '../../ndi/auth/environment.ts';
import { cacheDirFromEnv } from '../home.ts';
import { waitForLock } from '../lock.ts';
import { type Log, silent } from '../logs.ts';
import { buildTemporalCli } from './build.ts';
import { downloadTemporalCli } from './download.ts';
import type { CliMaker, CliMakerContext } from './maker.ts';

export type TemporalCliSource = 'TEMPORAL_CLI' | 'PATH' | 'cache' | 'download' | 'build';

export interface TemporalCli {
  readonly path: string;
  /** The version of the CLI, as `1.8.2`. */
  readonly version: string;
  /** The version of the server inside it, as `1.31.2`. */
  readonly serverVersion: string;
  readonly source: TemporalCliSource;
}

export interface FindTemporalCliOptions {
  readonly cacheDir?: string;
  readonly env?: Environment;
  readonly log?: Log;
  readonly signal?: AbortSignal | undefined;
  /** The ways to make one, in their order. */
  readonly makers?: readonly { readonly source: TemporalCliSource; readonly make: CliMaker }[];
}

/** Server 1.28 is the first with update-with-start switched on; its CLI is 1.4. */
const OLDEST_CLI = [1, 4] as const;
const DEFAULT_MAKERS = [
  { source: 'download', make: downloadTemporalCli },
  { source: 'build', make: buildTemporalCli },
] as const;

const exeSuffix = process.platform === 'win32' ? '.exe' : '';

/**
 * Runs `<path> --version` and answers what it is.
 * @throws Error with a short reason: not executable, not a Temporal CLI, or too old.
 */
export async function inspectCli(path: string): Promise<{ version: string; serverVersion: string }> {
  if (!existsSync(path)) throw new Error(`${path} does not exist`);
  let stdout: string;
  try {
    ({ stdout } = await promisify(execFile)(path, ['--version'], { timeout: 20_000 }));
  } catch (error) {
    throw new Error(`${path} --version failed: ${firstLine(error)}`);
  }
  // `temporal version 1.8.2 (Server 1.31.2, UI 2.50.1)`
  const match = /temporal version (\d+)\.(\d+)\.(\S+) \(Server ([^,)\s]+)/.exec(stdout);
  if (match === null) throw new Error(`${path} is not a Temporal CLI`);
  const [, major, minor, patch, serverVersion] = match;
  const version = `${major}.${minor}.${patch}`;
  const [oldMajor, oldMinor] = OLDEST_CLI;
  if (Number(major) < oldMajor || (Number(major) === oldMajor && Number(minor) < oldMinor)) {
    throw new Error(`${path} is ${version}, older than ${OLDEST_CLI.join('.')}`);
  }
  return { version, serverVersion: serverVersion! };
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.trim();
}

function onPath(env: Environment): string[] {
  return (env.PATH ?? '')
    .split(delimiter)
    .filter((dir) => dir !== '')
    .map((dir) => join(dir, `temporal${exeSuffix}`))
    .filter((path) => existsSync(path));
}

/** One folder per platform: a home directory may be shared by a Linux server and a Mac. */
function cliCacheDir(cacheDir: string): string {
  return join(cacheDir, 'temporal-cli', `${process.platform}-${process.arch}`);
}

const CACHED = new RegExp(`^temporal-(\\d+\\.\\d+\\.\\d+)${exeSuffix.replace('.', '\\.')}$`);

/** CLIs in the cache, newest version first. */
function cached(dir: string): string[] {
  if (!existsSync(dir)) return [];
  const number = (name: string) => CACHED.exec(name)![1]!.split('.').map(Number) as [number, number, number];
  return readdirSync(dir)
    .filter((name) => CACHED.test(name))
    .sort((a, b) => {
      const [x, y] = [number(a), number(b)];
      return y[0] - x[0] || y[1] - x[1] || y[2] - x[2];
    })
    .map((name) => join(dir, name));
}

/**
 * Finds or makes the `temporal` CLI: `TEMPORAL_CLI` → `temporal` on `PATH` → the cache → the SDK's own
 * download → a build with Go of the pinned module in `tools/temporal-cli/` (about 2.5 minutes, once). Each
 * candidate must answer `--version`. Safe to call in several processes at once: one makes it, the others wait
 * and use it.
 * @throws NDI_E_NO_TEMPORAL with every choice and why it failed; the signal's reason when aborted.
 */
export async function findTemporalCli(options: FindTemporalCliOptions = {}): Promise<TemporalCli> {
  const { env = process.env, log = silent, signal, makers = DEFAULT_MAKERS } = options;
  const dir = cliCacheDir(options.cacheDir ?? cacheDirFromEnv(env));
  const reasons: string[] = [];

  const firstWorking = async (source: TemporalCliSource, paths: readonly string[]) => {
    for (const path of paths) {
      signal?.throwIfAborted();
      try {
        const found: TemporalCli = { path, source, ...(await inspectCli(path)) };
        log(`Using the Temporal CLI ${found.version} (server ${found.serverVersion}) from ${where(found)}.`);
        return found;
      } catch (error) {
        reasons.push(`${source}: ${firstLine(error)}`);
        log(`Not using the Temporal CLI at ${path}: ${firstLine(error)}.`);
      }
    }
    return undefined;
  };

  const explicit = env.TEMPORAL_CLI ? [env.TEMPORAL_CLI] : [];
  if (explicit.length === 0) reasons.push('TEMPORAL_CLI: not set');
  const fromEnv = await firstWorking('TEMPORAL_CLI', explicit);
  if (fromEnv !== undefined) return fromEnv;

  const paths = onPath(env);
  if (paths.length === 0) reasons.push('PATH: no `temporal` there');
  const fromPath = await firstWorking('PATH', paths);
  if (fromPath !== undefined) return fromPath;

  const fromCache = await firstWorking('cache', cached(dir));
  if (fromCache !== undefined) return fromCache;
  if (cached(dir).length === 0) reasons.push(`cache: ${dir} holds none`);

  return await makeOne({ dir, env, log, signal, makers, reasons, firstWorking });
}

function where(cli: TemporalCli): string {
  return cli.source === 'cache' ? `the cache (${cli.path})` : cli.path;
}

interface MakeOne extends CliMakerContext {
  readonly dir: string;
  readonly makers: NonNullable<FindTemporalCliOptions['makers']>;
  readonly reasons: string[];
  firstWorking(source: TemporalCliSource, paths: readonly string[]): Promise<TemporalCli | undefined>;
}

/** Under a lock, so that two processes do not build the same thing on the same cores. */
async function makeOne(context: MakeOne): Promise<TemporalCli> {
  const { dir, env, log, signal, reasons } = context;
  try {
    mkdirSync(dir, { recursive: true });
  } catch (error) {
    reasons.push(`cache: ${firstLine(error)}`);
    throw noTemporal(reasons);
  }
  const lock = await waitForLock(join(dir, 'making.lock'), {
    signal,
    onWait: () => log('Another process is fetching or building the Temporal CLI; waiting for it.'),
  });
  try {
    const made = await context.firstWorking('cache', cached(dir));
    if (made !== undefined) return made;
    // Files that a killed maker left. We hold the lock, so nobody is writing them.
    for (const name of readdirSync(dir)) {
      if (name.startsWith('making-')) rmSync(join(dir, name), { recursive: true, force: true });
    }
    for (const { source, make } of context.makers) {
      signal?.throwIfAborted();
      const work = join(dir, `making-${source}-${process.pid}`);
      mkdirSync(work);
      try {
        const target = join(work, `temporal${exeSuffix}`);
        await make(target, { env, log, signal });
        chmodSync(target, 0o755);
        const about = await inspectCli(target);
        const path = join(dir, `temporal-${about.version}${exeSuffix}`);
        renameSync(target, path);
        log(`Keeping the Temporal CLI ${about.version} (server ${about.serverVersion}) as ${path}.`);
        return { path, source, ...about };
      } catch (error) {
        signal?.throwIfAborted();
        reasons.push(`${source}: ${firstLine(error)}`);
        log(`No Temporal CLI by ${source}: ${firstLine(error)}.`);
      } finally {
        rmSync(work, { recursive: true, force: true });
      }
    }
  } finally {
    lock.release();
  }
  throw noTemporal(reasons);
}

function noTemporal(reasons: readonly string[]): CourierError {
  return new CourierError('NDI_E_NO_TEMPORAL', {
    detail: [
      'Tried, in this order:',
      ...reasons.map((reason) => `  - ${reason}`),
      'Any one of these helps: set TEMPORAL_CLI to a `temporal` executable, put one on PATH, allow access to',
      'temporal.download, install Go 1.26 or later, or set TEMPORAL_ADDRESS to a Temporal server that runs elsewhere.',
    ].join('\n'),
  });
}
