/**
 * The command line as a person has it: real child processes on a state folder of their own, a sandbox cloud
 * beside.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { type Sandbox, type SandboxOptions, type SandboxUser, startSandbox } from '../../sandbox/server.ts';

const MAIN = fileURLToPath(new URL('../../client/cli/main.ts', import.meta.url));

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of stdout. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  json(): any;
}

export interface RunningCommand {
  readonly child: ChildProcess;
  readonly finished: Promise<CommandResult>;
  /** Resolves once stdout or stderr holds this. */
  says(text: string | RegExp): Promise<void>;
}

export interface Harness {
  readonly dir: string;
  readonly sandbox: Sandbox;
  readonly env: Record<string, string>;
  user(name: string): SandboxUser;
  start(args: readonly string[], options?: RunOptions): RunningCommand;
  run(args: readonly string[], options?: RunOptions): Promise<CommandResult>;
  dataset(options?: { documents?: number; files?: number; fileBytes?: number }): Promise<string>;
  path(name: string): string;
  /**
   * The cloud stops and starts again on its state, at the same addresses. Its faults and knobs are those of a
   * new one. `between` runs while it is gone.
   */
  restartSandbox(between?: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

export interface RunOptions {
  readonly env?: Record<string, string | undefined>;
  readonly input?: string;
  readonly cwd?: string;
  readonly script?: string;
}

/** `login: false` leaves the account out of the environment. */
export async function createHarness(
  options: {
    readonly login?: boolean;
    readonly sandbox?: Partial<SandboxOptions>;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<Harness> {
  const dir = mkdtempSync(join(tmpdir(), 'courier-cli-'));
  const sandboxOptions = {
    stateDir: join(dir, 'cloud'),
    importDelayMs: 30,
    bulkDownloadDelayMs: 30,
    ...options.sandbox,
  };
  let sandbox = await startSandbox(sandboxOptions);
  const lab = sandbox.users[0]!;
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    HOME: dir,
    COURIER_HOME: join(dir, 'home'),
    COURIER_KEYRING: 'off',
    NDI_PREFDIR: join(dir, 'none'),
    NDI_CLOUD_URL: sandbox.apiUrl,
    TEMPORAL_CLI: inject('temporalCliPath'),
    ...(options.login === false ? {} : { NDI_CLOUD_USERNAME: lab.email, NDI_CLOUD_PASSWORD: lab.password }),
    ...options.env,
  };
  let made = 0;
  const start: Harness['start'] = (args, more = {}) => launch(args, { ...env, ...more.env }, dir, more);
  return {
    dir,
    get sandbox() {
      return sandbox;
    },
    env,
    user: (name) => sandbox.users.find((one) => one.email.startsWith(`${name}@`))!,
    start,
    run: (args, more) => start(args, more).finished,
    dataset: async (size = {}) => {
      made += 1;
      const path = join(dir, `dataset-${made}`);
      await makeDataset(path, { documents: 60, files: 6, fileBytes: 20_000, seed: made, ...size });
      return path;
    },
    path: (name) => join(dir, name),
    restartSandbox: async (between) => {
      const [port, objectsPort] = [sandbox.apiUrl, sandbox.objectsUrl].map((url) =>
        Number(new URL(url).port),
      );
      await sandbox.close();
      await between?.();
      sandbox = await startSandbox({ ...sandboxOptions, port: port!, objectsPort: objectsPort! });
    },
    close: async () => {
      await launch(['down'], env, dir, {}).finished;
      await sandbox.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function launch(
  args: readonly string[],
  env: Record<string, string | undefined>,
  dir: string,
  { input, cwd, script = MAIN }: RunOptions,
): RunningCommand {
  const child = spawn(process.execPath, [script, ...args], {
    cwd: cwd ?? dir,
    env: Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined)),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  const heard = (): void => {
    for (const listener of listeners) listener();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    heard();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    heard();
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  const finished = new Promise<CommandResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      heard();
      const json = () => JSON.parse(stdout.trim().split('\n').at(-1)!);
      resolve({ code, stdout, stderr, json });
    });
  });
  return {
    child,
    finished,
    says: (text) =>
      new Promise<void>((resolve, reject) => {
        const check = (): void => {
          const all = stdout + stderr;
          if (typeof text === 'string' ? all.includes(text) : text.test(all)) {
            listeners.delete(check);
            resolve();
          } else if (child.exitCode !== null) {
            reject(new Error(`it ended with ${child.exitCode} and never said ${text}:\n${all}`));
          }
        };
        listeners.add(check);
        check();
      }),
  };
}
