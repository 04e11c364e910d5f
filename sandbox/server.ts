/**
 * The sandbox: a local NDI Cloud for demo, development and tests. One process, two origins, one state folder.
 *
 *   server.ts      starts and stops it (this file); main.ts is its command
 *   cloud/         the API on Hono, one file per resource over one store
 *   objects/       the bucket: the second origin, S3's manners, plain node:http for speed
 *   store.ts       SQLite in `<stateDir>/cloud.sqlite`; object bytes are files in `<stateDir>/objects`
 *   tasks.ts       what the cloud does later (imports, extraction, publishing); survives a restart
 *   faults.ts      one middleware before both origins for all fault switches; fault-kinds.ts, fault-wire.ts
 *   control.ts     the control endpoint, `<api origin>/control` (docs/sandbox.md)
 *   certificate.ts the certificate of `--tls`, in `<stateDir>/tls`
 *   seed.ts        users and public datasets of a new state folder
 *
 * It is as strict and as odd as the NDI Cloud contract says the cloud is (§2, §3, §4, §9.3): a client that
 * works here only because the sandbox is kind would fail there. It must not be the bottleneck of a
 * measurement, and stays small at any file size.
 */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { certificateIn, type SandboxCertificate } from './certificate.ts';
import { createCloudApp } from './cloud/app.ts';
import { coldTierOf } from './cloud/file-tiers.ts';
import type { Cloud } from './cloud/http.ts';
import { objectArrived } from './cloud/imports.ts';
import { createTokens } from './cloud/tokens.ts';
import { createControlApp } from './control.ts';
import { createCounters } from './counters.ts';
import { createFaults, type FaultControl, type RouteNamer } from './faults.ts';
import { DEFAULT_KNOBS, type Knobs } from './knobs.ts';
import { forLoopback } from './loopback.ts';
import { createBucket } from './objects/bucket.ts';
import { createObjectListener, keyOf, type ObjectServerDeps } from './objects/server.ts';
import { createSigner } from './objects/sign.ts';
import { createRouteTable } from './routes.ts';
import { seedCloud } from './seed.ts';
import { openStore, stateSecret } from './store.ts';
import { createSweeper } from './sweep.ts';
import { createTasks } from './tasks.ts';

export type { FaultControl, FaultKind, FaultSpec, FaultState } from './faults.ts';
export type { Knobs } from './knobs.ts';

export interface SandboxOptions {
  /** Port of the API; 0 or nothing takes a free one. */
  port?: number | undefined;
  objectsPort?: number;
  /**
   * Instead of a free port take the one that this state folder had last, unless it is taken. Default false.
   */
  keepPorts?: boolean;
  stateDir: string;
  /**
   * Name in its addresses, where a proxy or an entry in the hosts file leads to this computer. Default
   * `127.0.0.1`, and that is where it listens in any case.
   */
  hostname?: string;
  /** Serve https, with a certificate that is made in `<stateDir>/tls` and used as long as it is valid. */
  tls?: boolean;
  tokenTtlSeconds?: number;
  urlTtlSeconds?: number;
  importDelayMs?: number;
  bulkDownloadDelayMs?: number;
  /** Users and public datasets in a new state folder; default true. */
  seed?: boolean;
  log?: (line: string) => void;
}

export interface SandboxUser {
  email: string;
  password: string;
  /** The first organisation, which clients use. */
  organizationId: string;
  isAdmin: boolean;
}

export interface SandboxStats {
  documents: number;
  files: number;
  objects: number;
  pendingTasks: number;
  rssBytes: number;
  cpuSeconds: number;
}

export interface Sandbox {
  /** `http://127.0.0.1:P/v1` */
  apiUrl: string;
  objectsUrl: string;
  controlUrl: string;
  /** PEM file that clients must trust; null without TLS. */
  caFile: string | null;
  users: SandboxUser[];
  faults: FaultControl;
  /** Live: changes take effect at the next use. */
  knobs: Knobs;
  expireTokens(): void;
  stats(): SandboxStats;
  /** Takes away now what is past its purge time; happens by itself now and then. */
  sweep(): void;
  /**
   * Ends connections and running work at a safe point; unfinished work goes on at the next start on this
   * folder.
   */
  close(): Promise<void>;
}

/** Starts a sandbox on a state folder. Throws what listening or opening the state throws. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const urls = { api: '', objects: '' };
  const cloud = openCloud(options, () => urls.objects);
  const stats = (): SandboxStats => statsOf(cloud);
  const status = (): Record<string, unknown> => ({ ...urls, knobs: cloud.knobs, stats: stats() });
  const certificate = options.tls === true ? certificateOf(options) : undefined;
  const { apiServer, objectServer } = createServers({
    cloud,
    status,
    certificate,
    ownName: options.hostname,
  });
  if (options.seed !== false) seedCloud(cloud);
  const listenAt = async (server: Server, key: PortKey, port = 0): Promise<string> => {
    const asBefore = port === 0 && options.keepPorts === true;
    const bound = await (asBefore ? listenAsBefore(cloud, server, key) : listen(server, port));
    return `${certificate === undefined ? 'http' : 'https'}://${options.hostname ?? '127.0.0.1'}:${bound}`;
  };
  urls.api = `${await listenAt(apiServer, 'api port', options.port)}/v1`;
  urls.objects = await listenAt(objectServer, 'objects port', options.objectsPort);
  cloud.tasks.wake();
  const sweeper = createSweeper(cloud);
  return {
    apiUrl: urls.api,
    objectsUrl: urls.objects,
    controlUrl: urls.api.replace(/\/v1$/, '/control'),
    caFile: certificate?.caFile ?? null,
    users: usersOf(cloud),
    faults: cloud.faults,
    knobs: cloud.knobs,
    expireTokens: () => cloud.tokens.expireAll(),
    stats,
    sweep: () => sweeper.sweep(),
    close: async () => {
      sweeper.stop();
      await Promise.all([stop(apiServer), stop(objectServer)]);
      await cloud.tasks.close();
      cloud.store.close();
    },
  };
}

function openCloud(options: SandboxOptions, objectsUrl: () => string): Cloud {
  const log = options.log ?? (() => undefined);
  const knobs = knobsOf(options);
  const now = (): number => Date.now() + knobs.clockOffsetMs;
  const store = openStore(options.stateDir);
  const counters = createCounters();
  const routes = createRouteTable();
  return {
    store,
    knobs,
    counters,
    routes,
    now,
    log,
    faults: createFaults({ routes, counters }),
    bucket: createBucket({ store, now }),
    tasks: createTasks({ store, now, log }),
    signer: createSigner({ secret: stateSecret(store, 'urlSecret'), baseUrl: objectsUrl, now }),
    tokens: createTokens({ store, knobs, now }),
  };
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1'];

const certificateOf = ({ stateDir, hostname }: SandboxOptions): SandboxCertificate =>
  certificateIn(
    join(stateDir, 'tls'),
    hostname === undefined ? LOOPBACK_NAMES : [hostname, ...LOOPBACK_NAMES],
  );

interface ServerParts {
  readonly cloud: Cloud;
  readonly status: () => Record<string, unknown>;
  readonly certificate: SandboxCertificate | undefined;
  readonly ownName: string | undefined;
}

function createServers({ cloud, status, certificate, ownName }: ServerParts) {
  const serverOf = (listener: RequestListener, options: ServerOptions = {}): Server =>
    certificate === undefined
      ? createServer(options, listener)
      : createTlsServer({ ...options, cert: certificate.cert, key: certificate.key }, listener);
  const listenerOf = (fetch: FetchOf): RequestListener =>
    getRequestListener(fetch, { overrideGlobalObjects: false });
  const app = createCloudApp(cloud);
  const api = cloud.faults.wrap('api', apiNamer(cloud.routes), listenerOf(app.fetch));
  const control = listenerOf(createControlApp({ cloud, status }).fetch);
  const apiServer = serverOf(
    forLoopback((request, response) => (isControl(request.url) ? control : api)(request, response), {
      ownPages: isControl,
      ownName,
    }),
  );
  const onPut: ObjectServerDeps['onPut'] = (info, hits) => objectArrived(cloud, info, hits);
  const coldTier = (key: string): string | undefined => coldTierOf(cloud.store, key);
  const listener = createObjectListener({ ...cloud, onPut, coldTierOf: coldTier });
  const objects = forLoopback(cloud.faults.wrap('objects', objectNamer, listener), { ownName });
  // Chunks of up to 1 MiB: the default of 16 KiB would spend its time in calls.
  const objectServer = serverOf(objects, { highWaterMark: 1024 * 1024, requestTimeout: 0 });
  objectServer.on('checkContinue', objects);
  for (const server of [apiServer, objectServer]) server.keepAliveTimeout = 65_000;
  return { apiServer, objectServer };
}

type FetchOf = Parameters<typeof getRequestListener>[0];

function statsOf({ store, tasks }: Cloud): SandboxStats {
  const rows = (table: string): number => store.get<{ n: number }>(`SELECT count(*) n FROM ${table}`)?.n ?? 0;
  const { user, system } = process.cpuUsage();
  return {
    documents: rows('documents'),
    files: rows('files'),
    objects: rows('objects'),
    pendingTasks: tasks.pending(),
    rssBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1e6,
  };
}

function knobsOf(options: SandboxOptions): Knobs {
  const knobs = { ...DEFAULT_KNOBS };
  for (const name of ['tokenTtlSeconds', 'urlTtlSeconds', 'importDelayMs', 'bulkDownloadDelayMs'] as const) {
    knobs[name] = options[name] ?? knobs[name];
  }
  return knobs;
}

const isControl = (url = ''): boolean =>
  url === '/control' || url.startsWith('/control/') || url.startsWith('/control?');

const pathOf = (request: IncomingMessage): string => (request.url ?? '/').split('?', 1)[0] ?? '/';

function apiNamer(routes: ReturnType<typeof createRouteTable>): RouteNamer {
  return (request) => {
    const path = pathOf(request).replace(/^\/v1/, '');
    return { path, route: routes.nameOf(request.method ?? '', path) ?? `${request.method} (no route)` };
  };
}

const objectNamer: RouteNamer = (request) => ({
  path: keyOf(request.url ?? '/') ?? '',
  route: `${request.method} object`,
});

type PortKey = 'api port' | 'objects port';

/** Addresses that were copied from an earlier start stay good. */
async function listenAsBefore({ store, log }: Cloud, server: Server, key: PortKey): Promise<number> {
  const before = Number(store.setting(key) ?? 0);
  const port = await listen(server, before).catch((error: NodeJS.ErrnoException) => {
    if (before === 0 || !['EADDRINUSE', 'EACCES'].includes(error.code ?? '')) throw error;
    log(`Port ${before}, which this sandbox had before (${key}), is taken; it uses a free one now.`);
    return listen(server, 0);
  });
  store.setSetting(key, String(port));
  return port;
}

/** Resolves with the port. */
async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

async function stop(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  // Requests in flight get a moment; a stalled body does not hold up the end.
  const timer = setTimeout(() => server.closeAllConnections(), 200);
  await closed;
  clearTimeout(timer);
}

function usersOf(cloud: Cloud): SandboxUser[] {
  return cloud.store
    .all<{ email: string; password: string; organization_id: string; is_admin: number }>(
      `SELECT u.email, u.password, u.is_admin, m.organization_id FROM users u
       JOIN memberships m ON m.user_id=u.id AND m.position=0 WHERE u.is_validated=1 ORDER BY u.id`,
    )
    .map((row) => ({
      email: row.email,
      password: row.password,
      organizationId: row.organization_id,
      isAdmin: row.is_admin === 1,
    }));
}
