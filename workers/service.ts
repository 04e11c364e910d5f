/**
 * `up`, `down`, `status` and `dev`: the background service of one state folder.
 *
 *   service.ts         these four
 *   supervisor.ts      the process that keeps server and workers running; supervisor-main.ts is its entry
 *   worker-process.ts  one worker seen from the supervisor; worker-main.ts is its entry, worker.ts what it
 *   does
 *   server.ts          the embedded Temporal server; temporal-cli.ts finds or makes its program
 *   service-state.ts   service.json
 *   payload-key.ts     the key of a private service
 */
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageVersion, siblingScript } from '../disk/package.ts';
import { CourierError, ERRORS, type ErrorCode } from '../errors/index.ts';
import type { Environment } from '../ndi/auth/environment.ts';
import { resolveTemporal } from './connection.ts';
import { ensureHome, type Home, homeFromEnv } from './home.ts';
import { tryLock } from './lock.ts';
import { type Log, openLog, silent } from './logs.ts';
import { isPrivate, notPrivate } from './payload-key.ts';
import { isRunning, recordOf, signalProcess, stopProcess, waitForExit } from './processes.ts';
import { isCurrent, readServiceFile, type ServiceFile } from './service-state.ts';
import { cleanUpOrphans, logFiles, runSupervisor, type SupervisorOptions } from './supervisor.ts';
import { findTemporalCli } from './temporal-cli/find.ts';
import { type ChildMessage, WORKER_ROLES, type WorkerRole } from './types.ts';

export interface ServiceStatus {
  readonly running: boolean;
  /** `host:port`; null when nothing runs and no server elsewhere is configured. */
  readonly temporalAddress: string | null;
  readonly namespace: string | null;
  /** Null when the server is elsewhere, or nothing runs. */
  readonly uiUrl: string | null;
  readonly workerPids: readonly number[];
  readonly supervisorPid: number | null;
  readonly serverPid: number | null;
  /** ISO time. */
  readonly startedAt: string | null;
  readonly version: string | null;
  /** Whether payloads are encrypted with the key of this state folder (payload-key.ts). */
  readonly private: boolean;
  readonly home: string;
  readonly logsDir: string;
  /** The last thing that the service had to mend, for people. */
  readonly notice?: { readonly at: string; readonly sentence: string } | undefined;
}

export interface RunningService extends ServiceStatus {
  readonly running: true;
  readonly temporalAddress: string;
  readonly namespace: string;
}

export interface ServiceOptions {
  readonly env?: Environment;
  readonly log?: Log;
  readonly signal?: AbortSignal | undefined;
  /** Worker processes; 1. */
  readonly workers?: number;
  readonly roles?: readonly WorkerRole[];
  /** A worker that takes more is replaced. Default 1 GiB. */
  readonly workerMemoryBytes?: number | undefined;
  /** Make it private; a private one stays so. */
  readonly private?: boolean | undefined;
}

/** Workers have 10 s, then the server has 10 s; what is not gone after this is killed. */
const DOWN_TIMEOUT_MS = 30_000;
const POLL_MS = 100;

/**
 * The state of the service on this state folder, as `service.json` and the processes themselves say. Starts
 * nothing.
 */
export function status(options: Pick<ServiceOptions, 'env'> = {}): ServiceStatus {
  const env = options.env ?? process.env;
  const home = homeFromEnv(env);
  const file = readServiceFile(home);
  const temporal = resolveTemporal(env);
  const elsewhere = temporal.kind === 'external';
  const where = { private: isPrivate(home) && !elsewhere, home: home.dir, logsDir: home.logsDir };
  if (file !== undefined && isCurrent(file) && file.state === 'running')
    return { ...toStatus(file), ...where };
  return {
    running: false,
    temporalAddress: elsewhere ? temporal.address : null,
    namespace: elsewhere ? temporal.namespace : null,
    uiUrl: null,
    workerPids: [],
    supervisorPid: null,
    serverPid: null,
    startedAt: null,
    version: null,
    ...where,
  };
}

function toStatus(file: ServiceFile): Omit<ServiceStatus, 'private' | 'home' | 'logsDir'> {
  const { temporalAddress, namespace, uiUrl, supervisorPid, serverPid, startedAt, version, notice } = file;
  const workerPids = file.workers.filter(isRunning).map(({ pid }) => pid);
  return {
    running: true,
    temporalAddress,
    namespace,
    uiUrl,
    workerPids,
    supervisorPid,
    serverPid,
    startedAt,
    version,
    ...(notice === undefined ? {} : { notice }),
  };
}

/**
 * Starts the service in the background, once, and answers when it serves. A service that runs already is left
 * alone; one that was killed is cleaned up after and started anew.
 * @throws NDI_E_NO_TEMPORAL, NDI_E_SERVICE (with what the supervisor said), NDI_E_READ_ONLY, NDI_E_USAGE.
 */
export async function up(options: ServiceOptions = {}): Promise<RunningService> {
  const { env = process.env, log = silent, signal } = options;
  const home = ensureHome(homeFromEnv(env));
  for (;;) {
    const file = await settled(home, signal);
    if (file?.state === 'running') {
      const found = runningStatus(env);
      if (options.private && !found.private) throw notPrivate('The service runs without a key.');
      if (found.version !== packageVersion()) {
        log(
          `Version ${found.version} is running; \`ndi-courier down\` and \`up\` starts ${packageVersion()}.`,
        );
      }
      return found;
    }
    const supervisor = await supervisorOptions(home, options);
    log('Starting ndi-courier in the background.');
    if (await launchSupervisor(home, supervisor, env, signal)) {
      const started = runningStatus(env);
      log(`Running. Logs are in ${home.logsDir}.`);
      return started;
    }
    // Somebody else was faster; wait for theirs.
    await sleep(POLL_MS);
  }
}

function runningStatus(env: Environment): RunningService {
  const now = status({ env });
  if (!now.running || now.temporalAddress === null) {
    throw new CourierError('NDI_E_SERVICE', { detail: `It ended at once; see ${now.logsDir}.` });
  }
  return now as RunningService;
}

/** The current service, once it is neither starting nor stopping; `undefined` when none runs. */
async function settled(home: Home, signal: AbortSignal | undefined): Promise<ServiceFile | undefined> {
  for (;;) {
    signal?.throwIfAborted();
    const file = readServiceFile(home);
    if (file === undefined || !isCurrent(file)) return undefined;
    if (file.state === 'running') return file;
    await sleep(POLL_MS, undefined, signal ? { signal } : {});
  }
}

async function supervisorOptions(home: Home, options: ServiceOptions): Promise<SupervisorOptions> {
  const { env = process.env, log = silent, signal } = options;
  // Found here and not in the supervisor: making it takes minutes, and the person should see why.
  const embedded = resolveTemporal(env).kind === 'embedded';
  if (options.private && !embedded) {
    throw new CourierError('NDI_E_USAGE', {
      detail:
        '--private is for the server that ndi-courier runs. For one elsewhere, set COURIER_PAYLOAD_KEY at every client and worker.',
    });
  }
  const cliPath = embedded ? (await findTemporalCli({ env, log, signal })).path : null;
  return {
    homeDir: home.dir,
    cliPath,
    workers: options.workers ?? 1,
    roles: options.roles ?? WORKER_ROLES,
    workerMemoryBytes: options.workerMemoryBytes,
    makePrivate: options.private,
  };
}

/** Answers `false` when another supervisor took the folder meanwhile. */
async function launchSupervisor(
  home: Home,
  options: SupervisorOptions,
  env: Environment,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const logFd = openLog(logFiles(home).supervisor);
  const child = spawn(
    process.execPath,
    [siblingScript(import.meta.url, 'supervisor-main'), JSON.stringify(options)],
    { cwd: home.dir, env, stdio: ['ignore', logFd, logFd, 'ipc'], detached: true },
  );
  closeSync(logFd);
  const record = child.pid === undefined ? undefined : recordOf(child.pid);
  const onAbort = () => record && signalProcess(record, 'SIGTERM');
  signal?.addEventListener('abort', onAbort, { once: true });
  const answer = await new Promise<ChildMessage>((resolve) => {
    child.on('message', (message) => resolve(message as ChildMessage));
    child.once('error', (error) => resolve({ type: 'failed', code: 'NDI_E_SERVICE', detail: error.message }));
    child.once('exit', (code, by) =>
      resolve({ type: 'failed', code: 'NDI_E_SERVICE', detail: `The supervisor ended with ${by ?? code}.` }),
    );
  });
  signal?.removeEventListener('abort', onAbort);
  if (child.connected) child.disconnect();
  child.unref();
  if (answer.type === 'ready') return true;
  signal?.throwIfAborted();
  const other = readServiceFile(home);
  if (other !== undefined && other.supervisorPid !== child.pid && isCurrent(other)) return false;
  const code = answer.code in ERRORS ? (answer.code as ErrorCode) : 'NDI_E_SERVICE';
  throw new CourierError(code, { detail: `${answer.detail}\nSee ${logFiles(home).supervisor}.` });
}

/**
 * Stops the service and waits until all of it is gone, orphans of a killed one included. Answers whether any
 * ran.
 */
export async function down(options: ServiceOptions = {}): Promise<boolean> {
  const { env = process.env, log = silent } = options;
  const home = homeFromEnv(env);
  const file = readServiceFile(home);
  if (file === undefined) return false;
  let ran = false;
  if (isCurrent(file)) {
    ran = true;
    log(`Stopping ndi-courier (pid ${file.supervisorPid}).`);
    signalProcess(file.supervisor, 'SIGTERM');
    if (!(await waitForExit(file.supervisor, DOWN_TIMEOUT_MS))) await stopProcess(file.supervisor, 0);
  }
  const lock = tryLock(home.lockFile);
  // Another `up` has started one since; that one is not ours to stop.
  if (lock === undefined) return ran;
  try {
    const orphans = file.workers.some(isRunning);
    await cleanUpOrphans(home, (line) => {
      ran = true;
      log(line);
    });
    return ran || orphans;
  } finally {
    lock.release();
  }
}

/**
 * The service in the foreground, until `signal` aborts; then everything is stopped in order.
 * @throws as `up`; NDI_E_SERVICE when the service runs already.
 */
export async function dev(
  options: ServiceOptions & {
    readonly signal: AbortSignal;
    onReady?(status: ServiceStatus): void;
  },
): Promise<void> {
  const { env = process.env, log = silent, signal } = options;
  const home = ensureHome(homeFromEnv(env));
  const supervisor = await supervisorOptions(home, options);
  await runSupervisor(supervisor, { log, signal, onReady: () => options.onReady?.(status({ env })) });
}
