/**
 * Builds the Temporal CLI with Go from the pinned module in `tools/temporal-cli/`. `go install …@v1.8.2`
 * cannot do it: that module carries a `replace`, which Go honours only in a main module, so a small main
 * module of ours wraps it.
 */
import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { packageRoot } from '../../disk/package.ts';
import type { CliMakerContext } from './maker.ts';

/** In step with `tools/temporal-cli/go.mod`; a test compares them. */
export const PINNED_CLI_VERSION = '1.8.2';

const PACKAGE = 'github.com/temporalio/cli/cmd/temporal';
const VERSION_SYMBOL = 'github.com/temporalio/cli/internal/temporalcli.Version';
const PROGRESS_EVERY_MS = 10_000;

/**
 * Writes a CLI to `target`. Needs Go (the version in go.mod or later), 3.5 GB of disk for its caches and a
 * module proxy; about 2.5 minutes on two cores. Says how far it is every ten seconds.
 * @throws Error with a one-line reason.
 */
export async function buildTemporalCli(target: string, context: CliMakerContext): Promise<void> {
  const { log, signal } = context;
  const cwd = join(packageRoot(), 'tools', 'temporal-cli');
  const env = {
    ...context.env,
    CGO_ENABLED: '0',
    // Never fetch another toolchain behind the user's back, unless they chose so.
    GOTOOLCHAIN: context.env.GOTOOLCHAIN ?? 'local',
    GOWORK: 'off',
  };
  const goVersion = await goAnswer(['version'], cwd, env, signal);
  log(
    `Building the Temporal CLI ${PINNED_CLI_VERSION} with ${goVersion.trim().split(' ')[2]}: ` +
      'about 2.5 minutes, once on this machine.',
  );
  const startedAt = performance.now();
  const elapsed = () => `${Math.round((performance.now() - startedAt) / 1000)} s`;
  let compiled = 0;
  let total = 0;
  const progress = setInterval(() => {
    const what = total === 0 ? 'fetching modules' : `${compiled} of ${total} packages compiled`;
    log(`Building the Temporal CLI: ${what}, ${elapsed()}.`);
  }, PROGRESS_EVERY_MS);
  try {
    const packages = await goAnswer(['list', '-deps', PACKAGE], cwd, env, signal);
    total = packages.trim().split('\n').length;
    const ldflags = `-s -w -X ${VERSION_SYMBOL}=${PINNED_CLI_VERSION}`;
    const args = ['build', '-v', '-trimpath', '-ldflags', ldflags, '-o', target, PACKAGE];
    await runGo(args, cwd, env, signal, () => {
      compiled += 1;
    });
  } finally {
    clearInterval(progress);
  }
  log(`Built the Temporal CLI in ${elapsed()}.`);
}

type GoEnv = Record<string, string | undefined>;

async function goAnswer(args: string[], cwd: string, env: GoEnv, signal?: AbortSignal): Promise<string> {
  const options = { cwd, env, maxBuffer: 16 << 20, ...(signal ? { signal } : {}) };
  try {
    return (await promisify(execFile)('go', args, options)).stdout;
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code === 'ENOENT') throw new Error('Go is not installed');
    // The last line is the reason: what go.mod asks for, or what the module proxy answered.
    throw new Error(`go ${args[0]}: ${stderr?.trim().split('\n').at(-1) || String(error)}`);
  }
}

/** `go build -v` names each package on stderr as it compiles it; errors come there too. */
async function runGo(
  args: string[],
  cwd: string,
  env: GoEnv,
  signal: AbortSignal | undefined,
  onPackage: () => void,
): Promise<void> {
  // Its own process group, so that an abort also ends the compilers it started.
  const go = spawn('go', args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  const killGroup = () => {
    try {
      if (go.pid !== undefined) process.kill(-go.pid, 'SIGKILL');
    } catch {
      // Already gone.
    }
  };
  signal?.addEventListener('abort', killGroup, { once: true });
  process.once('exit', killGroup);
  const last: string[] = [];
  createInterface({ input: go.stderr }).on('line', (line) => {
    if (/^[\w./~-]+$/.test(line)) onPackage();
    else last.push(line);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      go.once('error', reject);
      go.once('close', (code) => {
        if (code === 0) resolve();
        else reject(new Error(`go build ended with ${code}: ${last.slice(-3).join(' ')}`));
      });
    });
  } finally {
    signal?.removeEventListener('abort', killGroup);
    process.removeListener('exit', killGroup);
  }
}
