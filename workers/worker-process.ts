/** One worker process: started, ready or failed, ended. */
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { homedir } from 'node:os';
import { siblingScript } from '../disk/package.ts';
import { CourierError } from '../errors/index.ts';
import type { RunningProcess } from './keep-alive.ts';
import { lastLines, openLog } from './logs.ts';
import { type ProcessRecord, recordOf, stopProcess } from './processes.ts';
import type { ChildMessage, WorkerArguments } from './types.ts';

/** Longest shutdown of a worker before it is killed; activities are told at once. */
export const WORKER_GRACE_MS = 10_000;
/** The grace that the worker is told: it should be done a little before it would be killed. */
export const WORKER_SELF_GRACE_MS = 8_000;
const READY_TIMEOUT_MS = 60_000;
/**
 * Threads for disk calls. Every small file waits for the disk to have it; with the default of 4 they wait in
 * a row. The gain is not well measured (docs/benchmarks.md).
 */
const DISK_THREADS = 16;
/**
 * A worker lives beside a lab's other programs: it is to stay under 400 MiB (`npm run test:long`). Left
 * alone, V8 lets garbage of three threads grow to that before it looks: the peak of 20,000 documents down
 * fell from 458 to 281 MiB. At the old space's limit the process would end; 80,000 documents go through under
 * it.
 */
export const HEAP_LIMITS = ['--max-semi-space-size=8', '--max-old-space-size=256'];

export interface StartWorkerProcessOptions {
  readonly args: WorkerArguments;
  readonly logFile: string;
  readonly signal: AbortSignal;
  /** Told of the process as soon as there is one, and of its end. */
  onProcess(record: ProcessRecord | undefined): void;
}

/**
 * Starts `worker-main` and answers when it polls its queues.
 * @throws NDI_E_SERVICE with the worker's last words; the signal's reason when aborted.
 */
export async function startWorkerProcess(options: StartWorkerProcessOptions): Promise<RunningProcess> {
  options.signal.throwIfAborted();
  const logFd = openLog(options.logFile);
  const child = spawn(
    process.execPath,
    [...HEAP_LIMITS, siblingScript(import.meta.url, 'worker-main'), JSON.stringify(options.args)],
    // Its own process group: Ctrl-C in a terminal reaches only the supervisor, which stops workers in order.
    // The IPC channel tells a worker when its supervisor is killed.
    {
      cwd: homedir(),
      stdio: ['ignore', logFd, logFd, 'ipc'],
      detached: true,
      env: { UV_THREADPOOL_SIZE: String(DISK_THREADS), ...process.env },
    },
  );
  closeSync(logFd);
  const record = child.pid === undefined ? undefined : recordOf(child.pid);
  options.onProcess(record);
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(String(signal ?? code)));
  });
  void exited.then(() => options.onProcess(undefined));
  const stop = async (): Promise<void> => {
    if (record !== undefined) await stopProcess(record, WORKER_GRACE_MS);
    await exited;
  };
  const ready = Promise.withResolvers<void>();
  child.on('message', (message: ChildMessage) => {
    if (message.type === 'ready') ready.resolve();
    else ready.reject(new CourierError('NDI_E_SERVICE', { detail: `A worker failed: ${message.detail}` }));
  });
  const timer = setTimeout(
    () => ready.reject(new Error(`not ready within ${READY_TIMEOUT_MS / 1000} s`)),
    READY_TIMEOUT_MS,
  );
  const onAbort = () => ready.reject(options.signal.reason);
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([
      ready.promise,
      exited.then((how) => {
        throw new CourierError('NDI_E_SERVICE', {
          detail: `A worker ended with ${how} before it was ready:\n${lastLines(options.logFile, 12)}`,
        });
      }),
    ]);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', onAbort);
  }
  return { exited, stop };
}
