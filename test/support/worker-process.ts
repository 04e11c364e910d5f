/** Real worker processes for tests that kill them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { packageRoot } from '../../disk/package.ts';
import type { WorkerRole } from '../../workers/types.ts';
import type {
  CrashingWorkerArguments,
  CrashPoint,
  FromWorker,
  ToWorker,
  WorkerSite,
} from './crashing-worker.ts';

const ENTRY = fileURLToPath(new URL('./crashing-worker.ts', import.meta.url));

export interface WorkerProcess {
  readonly pid: number;
  /** What it died of; null when it ended by itself. */
  readonly exited: Promise<NodeJS.Signals | null>;
  /** Takes on one more site; resolves when it polls for it. */
  serve(site: WorkerSite): Promise<void>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
}

export interface WorkerProcessOptions {
  readonly controlQueue: string;
  readonly roles: readonly WorkerRole[];
  readonly sites?: readonly WorkerSite[];
  readonly crash?: CrashPoint;
}

/**
 * Starts a process that serves these sites; resolves when it polls for them all, or died at its crash point
 * before.
 */
export async function startWorkerProcess(options: WorkerProcessOptions): Promise<WorkerProcess> {
  const sites = options.sites ?? [];
  const args: CrashingWorkerArguments = {
    address: inject('temporalAddress'),
    namespace: inject('temporalNamespace'),
    roles: options.roles,
    controlQueue: options.controlQueue,
    sites,
    crash: options.crash ?? null,
  };
  const child = spawn(process.execPath, [ENTRY, JSON.stringify(args)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { PATH: process.env.PATH ?? '', NODE_COMPILE_CACHE: join(packageRoot(), '.cache', 'node') },
  });
  child.setMaxListeners(0);
  const exited = once(child, 'exit').then(([, signal]) => signal as NodeJS.Signals | null);
  const worker: WorkerProcess = {
    pid: child.pid!,
    exited,
    serve: async (site) => {
      child.send({ serve: site } satisfies ToWorker);
      await serving(child, site.siteId);
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
  const ready = Promise.all(sites.map(({ siteId }) => serving(child, siteId)));
  // One that dies at its very first step may not have come to say that it serves.
  await (options.crash === undefined ? ready : Promise.race([ready.catch(() => exited), exited]));
  return worker;
}

function serving(child: ChildProcess, siteId: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: FromWorker): void => {
      if ('failed' in message) settle(new Error(message.failed));
      else if (message.serving === siteId) settle();
    };
    const onExit = (code: number | null, signal: string | null): void =>
      settle(new Error(`The worker process ended with ${signal ?? code} before it served ${siteId}.`));
    const settle = (error?: Error): void => {
      child.off('message', onMessage).off('exit', onExit);
      if (error === undefined) resolve();
      else reject(error);
    };
    child.on('message', onMessage).on('exit', onExit);
  });
}
