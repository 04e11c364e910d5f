/**
 * The supervisor: one process per state folder that keeps the Temporal server (unless it is elsewhere) and
 * the workers running, and tells in `service.json` what runs. `up` starts it detached, `dev` runs it in the
 * foreground.
 *
 * Killed with SIGKILL it leaves orphans: workers notice (their IPC channel closes) and stop; the server goes
 * on, and the next supervisor, which finds it by its record, stops it. The lock on the folder dies with the
 * supervisor.
 */
import { join } from 'node:path';
import { packageVersion } from '../disk/package.ts';
import { CourierError } from '../errors/index.ts';
import { SEARCH_ATTRIBUTES } from '../workflows/contracts/index.ts';
import {
  EMBEDDED_NAMESPACE,
  ensureSearchAttributes,
  resolveTemporal,
  waitForTemporal,
} from './connection.ts';
import { ensureHome, type Home, homeAt } from './home.ts';
import {
  type Backoff,
  DEFAULT_BACKOFF,
  type KeepAlive,
  keepAlive,
  type RunningProcess,
} from './keep-alive.ts';
import { tryLock } from './lock.ts';
import { type Log, rotateLog } from './logs.ts';
import { WORKER_MEMORY_BYTES, watchMemory } from './memory-watch.ts';
import { makePrivate } from './payload-key.ts';
import { type ProcessRecord, recordOf, stopProcess } from './processes.ts';
import { startTemporalServer, stopOrphanedServer } from './server.ts';
import { readServiceFile, type ServiceFile, writeServiceFile } from './service-state.ts';
import type { WorkerArguments, WorkerRole } from './types.ts';
import { startWorkerProcess, WORKER_GRACE_MS, WORKER_SELF_GRACE_MS } from './worker-process.ts';

export interface SupervisorOptions {
  readonly homeDir: string;
  /** Null: the server is elsewhere, as the environment or Temporal's TOML file says. */
  readonly cliPath: string | null;
  /** How many worker processes, each with all `roles`. */
  readonly workers: number;
  readonly roles: readonly WorkerRole[];
  /** Make the service private before its workers start. */
  readonly makePrivate?: boolean | undefined;
  readonly backoff?: Backoff;
  /** A worker that takes more is replaced. Default 1 GiB. */
  readonly workerMemoryBytes?: number | undefined;
}

export interface SupervisorContext {
  readonly log: Log;
  /** Stops everything in order: workers, then the server. */
  readonly signal: AbortSignal;
  /** Called once when all is up. */
  onReady?(file: ServiceFile): void;
}

const ROTATE_EVERY_MS = 5_000;

export const logFiles = (home: Home) => ({
  supervisor: join(home.logsDir, 'supervisor.log'),
  server: join(home.logsDir, 'server.log'),
  worker: join(home.logsDir, 'worker.log'),
});

/**
 * Runs until `signal` aborts, then stops everything and resolves.
 * @throws NDI_E_SERVICE when another supervisor has the folder, or when the first start of the server or of
 * a worker fails (later ends are repaired, not thrown).
 */
export async function runSupervisor(options: SupervisorOptions, context: SupervisorContext): Promise<void> {
  const home = ensureHome(homeAt(options.homeDir));
  const lock = tryLock(home.lockFile);
  if (lock === undefined) {
    const pid = readServiceFile(home)?.supervisorPid;
    throw new CourierError('NDI_E_SERVICE', {
      detail: `Another ndi-courier${pid === undefined ? '' : ` (pid ${pid})`} is running on ${home.dir}.`,
    });
  }
  const rotation = setInterval(() => {
    for (const path of Object.values(logFiles(home))) rotateLog(path);
  }, ROTATE_EVERY_MS);
  const kept: KeepAlive[] = [];
  const previous = readServiceFile(home);
  const board = createBoard(home, previous);
  try {
    await cleanUpOrphans(home, context.log);
    board.post({ state: 'starting' });
    const embedded = await startTemporal(home, options, context, previous, board, kept);
    if (options.makePrivate && embedded !== null) await makePrivate(home, embedded, context.log);
    await startWorkers(home, options, context, embedded, board, kept);
    context.signal.throwIfAborted();
    board.post({ state: 'running' });
    context.onReady?.(board.current());
    await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }));
  } catch (error) {
    if (!context.signal.aborted) throw error;
  } finally {
    context.log('Stopping.');
    board.post({ state: 'stopping' });
    // Workers first: they still have heartbeats and results to deliver.
    const [server, ...workers] = options.cliPath === null ? [undefined, ...kept] : kept;
    await Promise.all(workers.map((worker) => worker?.stop()));
    await server?.stop();
    clearInterval(rotation);
    board.post({ state: 'stopped', serverPid: null });
    lock.release();
    context.log('Stopped.');
  }
}

interface Board {
  current(): ServiceFile;
  post(change: Partial<ServiceFile>): void;
  /** The process of worker `slot`, or that it has none. */
  postWorker(slot: number, record: ProcessRecord | undefined): void;
}

/** What `service.json` says, changed in one place. */
function createBoard(home: Home, previous: ServiceFile | undefined): Board {
  const supervisor = recordOf(process.pid) ?? { pid: process.pid, token: 'unknown' };
  const slots: (ProcessRecord | undefined)[] = [];
  let file: ServiceFile = {
    state: 'starting',
    version: packageVersion(),
    startedAt: new Date().toISOString(),
    temporalAddress: previous?.temporalAddress ?? null,
    namespace: null,
    uiUrl: previous?.uiUrl ?? null,
    supervisorPid: process.pid,
    serverPid: null,
    workerPids: [],
    supervisor,
    // Until they are stopped, the orphans of a killed supervisor stay on record.
    workers: previous?.workers ?? [],
  };
  const post = (change: Partial<ServiceFile>): void => {
    file = { ...file, ...change };
    writeServiceFile(home, file);
  };
  return {
    current: () => file,
    post,
    postWorker(slot, record) {
      slots[slot] = record;
      const workers = slots.filter((worker) => worker !== undefined);
      post({ workers, workerPids: workers.map(({ pid }) => pid) });
    },
  };
}

/** Starts the embedded server, or waits for the one elsewhere; answers what workers are told of it. */
async function startTemporal(
  home: Home,
  options: SupervisorOptions,
  context: SupervisorContext,
  previous: ServiceFile | undefined,
  board: Board,
  kept: KeepAlive[],
): Promise<WorkerArguments['embedded']> {
  const { cliPath } = options;
  if (cliPath === null) {
    await useExternal(context, board);
    return null;
  }
  let address: string | undefined;
  const portOf = (where: string | null | undefined): number | undefined =>
    where == null ? undefined : Number(where.slice(where.lastIndexOf(':') + 1)) || undefined;
  const start = async (signal: AbortSignal): Promise<RunningProcess> => {
    const server = await startTemporalServer({
      cliPath,
      dbFile: home.temporalDbFile,
      logFile: logFiles(home).server,
      searchAttributes: SEARCH_ATTRIBUTES,
      log: context.log,
      signal: AbortSignal.any([signal, context.signal]),
      preferredPort: portOf(previous?.temporalAddress),
      preferredUiPort: portOf(previous?.uiUrl),
      // Workers and waiting commands know the address: after the first time it is this one or none.
      port: portOf(address),
    });
    address = server.address;
    board.post({
      temporalAddress: server.address,
      namespace: server.namespace,
      uiUrl: server.uiUrl,
      serverPid: server.pid,
    });
    return {
      exited: server.exited.then(({ code, signal: by }) => {
        board.post({ serverPid: null });
        return String(by ?? code);
      }),
      stop: () => server.stop(),
    };
  };
  const backoff = options.backoff ?? DEFAULT_BACKOFF;
  const server = keepAlive({ name: 'The Temporal server', start, backoff, log: context.log });
  kept.push(server);
  await server.started;
  return { address: address!, namespace: EMBEDDED_NAMESPACE };
}

const EXTERNAL_TIMEOUT_MS = 30_000;

async function useExternal(context: SupervisorContext, board: Board): Promise<void> {
  const temporal = resolveTemporal();
  if (temporal.kind === 'embedded') {
    throw new CourierError('NDI_E_INTERNAL', { detail: 'No Temporal server was named.' });
  }
  const { address, namespace } = temporal;
  context.log(`Using the Temporal server at ${address}, namespace ${namespace}.`);
  const { connectionOptions } = temporal;
  const connection = await waitForTemporal(connectionOptions, namespace, {
    timeoutMs: EXTERNAL_TIMEOUT_MS,
    signal: context.signal,
  });
  await ensureSearchAttributes(connection, namespace, SEARCH_ATTRIBUTES, context.log);
  await connection.close();
  board.post({ temporalAddress: address, namespace, uiUrl: null });
}

async function startWorkers(
  home: Home,
  options: SupervisorOptions,
  context: SupervisorContext,
  embedded: WorkerArguments['embedded'],
  board: Board,
  kept: KeepAlive[],
): Promise<void> {
  const args: WorkerArguments = {
    homeDir: home.dir,
    roles: options.roles,
    embedded,
    graceMs: WORKER_SELF_GRACE_MS,
  };
  const workers = Array.from({ length: options.workers }, (_, slot) =>
    keepAlive({
      name: `Worker ${slot + 1}`,
      backoff: options.backoff ?? DEFAULT_BACKOFF,
      log: context.log,
      start: async (signal) => {
        let own: ProcessRecord | undefined;
        const running = await startWorkerProcess({
          args,
          logFile: logFiles(home).worker,
          signal: AbortSignal.any([signal, context.signal]),
          onProcess: (record) => {
            own = record ?? own;
            board.postWorker(slot, record);
          },
        });
        return watchMemory(running, own, {
          name: `Worker ${slot + 1}`,
          limitBytes: options.workerMemoryBytes ?? WORKER_MEMORY_BYTES,
          tell: (sentence) => {
            if (signal.aborted || context.signal.aborted) return;
            context.log(sentence);
            board.post({ notice: { at: new Date().toISOString(), sentence } });
          },
        });
      },
    }),
  );
  kept.push(...workers);
  await Promise.all(workers.map((worker) => worker.started));
}

/** Ends what a killed supervisor left running. The caller holds the lock of the folder. */
export async function cleanUpOrphans(home: Home, log: Log): Promise<void> {
  const workers = readServiceFile(home)?.workers ?? [];
  await Promise.all(
    workers.map(async (record) => {
      if (recordOf(record.pid)?.token !== record.token) return;
      log(`Stopping a worker (pid ${record.pid}) that was left behind.`);
      await stopProcess(record, WORKER_GRACE_MS);
    }),
  );
  await stopOrphanedServer(home.temporalDbFile, log);
}
