/**
 * The stage of the demo: a temporary folder with a state of its own and a local NDI Cloud in its own process.
 * The stage takes down whatever it has set up, whatever happened in between.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CourierError } from '../../../errors/index.ts';
import type { Environment } from '../../../ndi/auth/environment.ts';

export interface Stage {
  readonly dir: string;
  readonly datasetDir: string;
  readonly downloadDir: string;
  /** For everything that takes part: its own state, its own cloud, nobody's account. */
  readonly env: Environment;
  readonly apiUrl: string;
  readonly sandboxPid: number;
  /** Ends the cloud and removes the folder. */
  clear(): Promise<void>;
  /** Lets the cloud live on after this process. */
  keep(): void;
}

/** Says in one line when it is ready (see the `sandbox` command). */
interface ReadyLine {
  readonly apiUrl: string;
  readonly users: ReadonlyArray<{ readonly email: string; readonly password: string }>;
}

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

export async function setStage(env: Environment): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), 'ndi-courier-demo-'));
  let sandbox: ChildProcess | undefined;
  const clear = async (): Promise<void> => {
    if (sandbox !== undefined) await stop(sandbox);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    sandbox = startSandbox(dir, env);
    const { apiUrl, users } = await ready(sandbox);
    const user = users[0]!;
    return {
      dir,
      datasetDir: join(dir, 'dataset'),
      downloadDir: join(dir, 'downloaded'),
      env: {
        ...neutral(env),
        COURIER_HOME: join(dir, 'state'),
        NDI_PREFDIR: join(dir, 'no-profiles'),
        NDI_CLOUD_URL: apiUrl,
        NDI_CLOUD_USERNAME: user.email,
        NDI_CLOUD_PASSWORD: user.password,
      },
      apiUrl,
      sandboxPid: sandbox.pid!,
      clear,
      keep: () => sandbox?.unref(),
    };
  } catch (error) {
    await clear();
    throw error;
  }
}

/** A demo must not reach a person's cloud account or a lab's Temporal server. */
function neutral(env: Environment): Environment {
  const keep = Object.entries(env).filter(
    ([name]) => !/^(?:NDI_|CLOUD_API_|COURIER_HOME|TEMPORAL_)/.test(name) || name === 'TEMPORAL_CLI',
  );
  return Object.fromEntries(keep);
}

function startSandbox(dir: string, env: Environment): ChildProcess {
  const main = fileURLToPath(
    new URL(`../main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
  );
  const log = openSync(join(dir, 'sandbox.log'), 'a');
  try {
    return spawn(process.execPath, [main, 'sandbox', '--state', join(dir, 'cloud'), '--json'], {
      env: neutral(env),
      stdio: ['ignore', 'pipe', log],
      // Ctrl-C is for us to deal with, in order.
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

async function ready(sandbox: ChildProcess): Promise<ReadyLine> {
  const lines = createInterface({ input: sandbox.stdout! });
  const failed = once(sandbox, 'exit').then(([code]) => {
    throw new CourierError('NDI_E_SERVICE', { detail: `The local cloud ended with ${code}.` });
  });
  failed.catch(() => {});
  const [line] = (await Promise.race([
    once(lines, 'line', { signal: AbortSignal.timeout(READY_TIMEOUT_MS) }),
    failed,
  ])) as [string];
  lines.close();
  sandbox.stdout?.destroy();
  return JSON.parse(line) as ReadyLine;
}

async function stop(sandbox: ChildProcess): Promise<void> {
  if (sandbox.exitCode !== null || sandbox.signalCode !== null) return;
  const gone = once(sandbox, 'exit');
  sandbox.kill('SIGTERM');
  const timer = setTimeout(() => sandbox.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(timer);
}
