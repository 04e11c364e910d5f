/**
 * The embedded Temporal server: `temporal server start-dev` on one SQLite file with the Web UI.
 *
 *   startTemporalServer   starts it and answers when it serves
 *   stopOrphanedServer    ends one whose keeper was killed
 *
 * Beside `<db>` lie `<db>.lock` (held by the keeper), `<db>.server.json` (the server process, so that an
 * orphan is found) and, until the first start has succeeded, `<db>.new`.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { CourierError } from '../errors/index.ts';
import {
  EMBEDDED_NAMESPACE,
  ensureRetention,
  ensureSearchAttributes,
  type SearchAttributeTypes,
  waitForTemporal,
} from './connection.ts';
import { type FileLock, tryLock } from './lock.ts';
import { type Log, silent } from './logs.ts';
import { freePort, isPortFree } from './ports.ts';
import { isRunning, type ProcessRecord, recordOf, stopProcess } from './processes.ts';

export interface StartTemporalServerOptions {
  readonly cliPath: string;
  /** Made when it does not exist; runs live in it. */
  readonly dbFile: string;
  /** Loopback: the dev server has no authentication. */
  readonly ip?: string;
  /** This port or an error; else `preferredPort` if it is free, else any. */
  readonly port?: number | undefined;
  readonly preferredPort?: number | undefined;
  /** As `port`, for the Web UI; `null` starts none. */
  readonly uiPort?: number | null;
  readonly preferredUiPort?: number | undefined;
  readonly namespace?: string;
  readonly searchAttributes: SearchAttributeTypes;
  /** Where the server's own log lines go; appended. */
  readonly logFile?: string;
  readonly log?: Log;
  readonly signal?: AbortSignal | undefined;
  readonly readyTimeoutMs?: number;
}

export interface TemporalServer {
  /** `ip:port` for gRPC. */
  readonly address: string;
  readonly uiUrl: string | null;
  readonly namespace: string;
  readonly pid: number;
  /** Resolves when the process has ended, whoever ended it. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Asks it to stop, makes it after `graceMs` (10 s); the database is then free. */
  stop(graceMs?: number): Promise<void>;
}

const READY_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 10_000;
/** Two programs may pick the same free port at the same moment; a third time is no accident. */
const PORT_ATTEMPTS = 3;

const files = (dbFile: string) => ({
  lock: `${dbFile}.lock`,
  record: `${dbFile}.server.json`,
  unfinished: `${dbFile}.new`,
});

function readRecord(dbFile: string): ProcessRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(files(dbFile).record, 'utf8')) as ProcessRecord;
    return isRunning(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Ends a server that still runs on this database although its keeper is gone (SIGKILL). Refuses while the
 * keeper lives.
 * @throws NDI_E_SERVICE when the keeper is alive.
 */
export async function stopOrphanedServer(dbFile: string, log: Log = silent): Promise<void> {
  if (!existsSync(dirname(dbFile))) return;
  const lock = tryLock(files(dbFile).lock);
  if (lock === undefined) throw inUse(dbFile, readRecord(dbFile));
  try {
    const orphan = readRecord(dbFile);
    if (orphan !== undefined) {
      log(`Stopping a Temporal server (pid ${orphan.pid}) that was left behind.`);
      await stopProcess(orphan, STOP_GRACE_MS);
    }
    rmSync(files(dbFile).record, { force: true });
  } finally {
    lock.release();
  }
}

function inUse(dbFile: string, record: ProcessRecord | undefined): CourierError {
  const by = record === undefined ? '' : ` (pid ${record.pid})`;
  return new CourierError('NDI_E_SERVICE', {
    detail: `Another Temporal server${by} is using ${dbFile}.`,
  });
}

/**
 * Starts `temporal server start-dev` on the database and answers when it serves the namespace, with the Web
 * UI, our search attributes and 30 days of retention. A restart on the same file goes on with the same runs,
 * also after SIGKILL.
 * @throws NDI_E_SERVICE: port taken, database in use or damaged, or the server's own last words.
 */
export async function startTemporalServer(options: StartTemporalServerOptions): Promise<TemporalServer> {
  const { dbFile } = options;
  const lock = tryLock(files(dbFile).lock);
  const orphan = readRecord(dbFile);
  if (lock === undefined || orphan !== undefined) {
    lock?.release();
    throw inUse(dbFile, orphan);
  }
  try {
    dropUnfinishedDatabase(dbFile);
    for (let attempt = 1; ; attempt += 1) {
      const ports = await choosePorts(options);
      const outcome = await launch(options, ports, lock);
      if (outcome.kind === 'serving') return outcome.server;
      const chosenByUs = options.port === undefined && typeof options.uiPort !== 'number';
      if (!outcome.portTaken || !chosenByUs || attempt === PORT_ATTEMPTS) throw outcome.error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * The CLI makes the schema only when the file does not exist, so a file left by a start that was killed on
 * the way would never work. It cannot hold a run: nothing was ever served from it.
 */
function dropUnfinishedDatabase(dbFile: string): void {
  const { unfinished } = files(dbFile);
  if (existsSync(unfinished)) {
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(dbFile + suffix, { force: true });
  }
  if (!existsSync(dbFile)) writeFileSync(unfinished, '', { mode: 0o600 });
}

interface Ports {
  readonly ip: string;
  readonly port: number;
  readonly uiPort: number | null;
}

async function choosePorts(options: StartTemporalServerOptions): Promise<Ports> {
  const ip = options.ip ?? '127.0.0.1';
  for (const asked of [options.port, options.uiPort]) {
    if (typeof asked === 'number' && !(await isPortFree(ip, asked))) {
      throw new CourierError('NDI_E_SERVICE', { detail: `Port ${asked} is taken by another program.` });
    }
  }
  const port = options.port ?? (await freePort(ip, options.preferredPort));
  let uiPort = options.uiPort ?? null;
  if (options.uiPort === undefined) {
    do uiPort = await freePort(ip, options.preferredUiPort ?? port + 1000);
    while (uiPort === port);
  }
  return { ip, port, uiPort };
}

function argumentsFor(options: StartTemporalServerOptions, ports: Ports): string[] {
  const attributes = Object.entries(options.searchAttributes);
  return [
    ...['server', 'start-dev', '--ip', ports.ip, '--port', String(ports.port)],
    ...['--namespace', options.namespace ?? EMBEDDED_NAMESPACE, '--db-filename', options.dbFile],
    ...(ports.uiPort === null
      ? ['--headless']
      : ['--ui-port', String(ports.uiPort), '--ui-disable-news-fetch']),
    // WAL: a crash loses nothing that was acknowledged, and readers do not stop the writer.
    ...['--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=normal'],
    ...attributes.flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
  ];
}

/** The server needs no secret, and TEMPORAL_* would only confuse it. */
function serverEnv(): Record<string, string> {
  const names = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG', 'SystemRoot', 'USERPROFILE', 'APPDATA', 'TEMP'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

type Outcome =
  | { readonly kind: 'serving'; readonly server: TemporalServer }
  | { readonly kind: 'failed'; readonly portTaken: boolean; readonly error: CourierError };

async function launch(options: StartTemporalServerOptions, ports: Ports, lock: FileLock): Promise<Outcome> {
  const { dbFile, signal, log = silent, namespace = EMBEDDED_NAMESPACE } = options;
  const logFile = options.logFile ?? join(dirname(dbFile), 'server.log');
  const logFd = openSync(logFile, 'a', 0o600);
  const logStart = statSync(logFile).size;
  // Its own process group: Ctrl-C in a terminal reaches only its keeper, which stops it last.
  const child = spawn(options.cliPath, argumentsFor(options, ports), {
    cwd: dirname(dbFile),
    env: serverEnv(),
    stdio: ['ignore', 'pipe', logFd],
    detached: true,
  });
  closeSync(logFd);
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('exit', (code, exitSignal) => resolve({ code, signal: exitSignal }));
  });
  const record = child.pid === undefined ? undefined : recordOf(child.pid);
  if (record !== undefined) writeFileSync(files(dbFile).record, JSON.stringify(record), { mode: 0o600 });
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);

  let released = false;
  const release = () => {
    if (released) return;
    released = true;
    process.removeListener('exit', killAtExit);
    rmSync(files(dbFile).record, { force: true });
  };
  const stop = async (graceMs = STOP_GRACE_MS): Promise<void> => {
    if (record !== undefined) await stopProcess(record, graceMs);
    release();
  };

  try {
    await untilServing({ stdout: child.stdout!, exited, ports, namespace, options });
  } catch (cause) {
    await stop(0);
    signal?.throwIfAborted();
    const words = readFileSync(logFile, 'utf8').slice(logStart);
    return {
      kind: 'failed',
      portTaken: /address already in use/.test(words),
      error: failure(words, dbFile, cause),
    };
  }
  rmSync(files(dbFile).unfinished, { force: true });
  void exited.then(() => {
    release();
    lock.release();
  });
  const uiUrl = ports.uiPort === null ? null : `http://${hostOf(ports.ip)}:${ports.uiPort}`;
  const address = `${hostOf(ports.ip)}:${ports.port}`;
  log(`The Temporal server is at ${address}${uiUrl === null ? '' : `, its Web UI at ${uiUrl}`}.`);
  return {
    kind: 'serving',
    server: {
      address,
      uiUrl,
      namespace,
      pid: record!.pid,
      exited,
      async stop(graceMs) {
        await stop(graceMs);
        lock.release();
      },
    },
  };
}

const hostOf = (ip: string): string => (ip.includes(':') ? `[${ip}]` : ip);

interface StartingServer {
  readonly stdout: Readable;
  readonly exited: TemporalServer['exited'];
  readonly ports: Ports;
  readonly namespace: string;
  readonly options: StartTemporalServerOptions;
}

/**
 * First the server's own word that it listens on this port (a probe alone might reach a stranger that took
 * the port), then an answer over gRPC.
 */
async function untilServing({ stdout, exited, ports, namespace, options }: StartingServer): Promise<void> {
  const timeoutMs = options.readyTimeoutMs ?? READY_TIMEOUT_MS;
  let ended: Error | undefined;
  const death = exited.then(({ code, signal }) => {
    ended = new Error(`it ended with ${signal ?? code}`);
    throw ended;
  });
  death.catch(() => {});
  const banner = new Promise<void>((resolve, reject) => {
    let text = '';
    stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (text.length > 16_384) return;
      text += chunk;
      if (text.includes(`:${ports.port}`)) resolve();
    });
    const timer = setTimeout(() => reject(new Error(`it did not start within ${timeoutMs} ms`)), timeoutMs);
    timer.unref();
    options.signal?.addEventListener('abort', () => reject(options.signal?.reason), { once: true });
  });
  await Promise.race([banner, death]);
  const connection = await waitForTemporal({ address: `${hostOf(ports.ip)}:${ports.port}` }, namespace, {
    timeoutMs,
    signal: options.signal,
    failed: () => ended,
  });
  try {
    await ensureSearchAttributes(connection, namespace, options.searchAttributes, options.log);
    await ensureRetention(connection, namespace);
  } finally {
    await connection.close();
  }
}

function failure(words: string, dbFile: string, cause: unknown): CourierError {
  const last = words.trim().split('\n').at(-1) ?? '';
  const why = cause instanceof Error ? cause.message : String(cause);
  if (/database is locked|SQLITE_BUSY/.test(words)) {
    return new CourierError('NDI_E_SERVICE', { detail: `Another program is using ${dbFile}.`, cause });
  }
  if (/not a database|malformed|no such table/.test(words)) {
    return new CourierError('NDI_E_SERVICE', {
      detail: `${dbFile} is damaged: ${last} Move it aside to start anew; runs in it are then forgotten, datasets are not.`,
      cause,
    });
  }
  return new CourierError('NDI_E_SERVICE', {
    detail: `The Temporal server did not start: ${last === '' ? why : last}`,
    cause,
  });
}
