/**
 * The way to a Temporal server: one that was configured, else our own, started when it is not running.
 *
 *   createTemporalConnector   connects once, when first needed; every caller shares the connection
 *
 * `workers/` is loaded only here and only when needed: `--help` must not load a server.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client,
  Connection,
  type ConnectionOptions,
  defaultGrpcRetryOptions,
  makeGrpcRetryInterceptor,
} from '@temporalio/client';
import { CourierError } from '../errors/index.ts';
import type { Environment } from '../ndi/auth/environment.ts';
import { DIRECT_GRPC } from '../net/grpc.ts';
import { withNetworkSettings } from './network.ts';

export interface TemporalTarget {
  readonly address: string;
  readonly namespace: string;
}

export interface TemporalConnection {
  readonly client: Client;
  readonly address: string;
  readonly namespace: string;
  /** Address of the Web UI; null where we do not know one. */
  readonly uiUrl: string | null;
  readonly embedded: boolean;
  /** Ends the connection; calls that wait for an answer fail. */
  close(): Promise<void>;
}

export interface TemporalConnectorOptions {
  readonly env: Environment;
  /** Use exactly this server. */
  readonly temporal?: TemporalTarget | undefined;
  readonly log: (line: string) => void;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** A call waits about 15 s for a server that restarts. */
const RETRY_ATTEMPTS = 50;
const RETRY_EVERY_MS = 300;
const RETRY_MARGIN_MS = 50;
/** gRPC's own pause grows to two minutes; a server that is back is found within two seconds. */
const RECONNECT = { 'grpc.initial_reconnect_backoff_ms': 300, 'grpc.max_reconnect_backoff_ms': 1_000 };

export interface TemporalConnector {
  /**
   * The connection; made when first asked for, and shared. `start` starts our own service where nothing runs.
   * @throws NDI_E_NOT_RUNNING when nothing runs and `start` is false, or no server answers
   */
  get(start: boolean): Promise<TemporalConnection>;
  /** Closes the connection, if there is one. */
  close(): Promise<void>;
}

export function createTemporalConnector(options: TemporalConnectorOptions): TemporalConnector {
  let current: Promise<TemporalConnection> | undefined;
  return {
    get: (start) => {
      current ??= open(options, start).catch((error: unknown) => {
        // The next call may find it running.
        current = undefined;
        throw error;
      });
      return current;
    },
    close: async () => {
      const opened = await current?.catch(() => undefined);
      current = undefined;
      await opened?.close();
    },
  };
}

async function open(options: TemporalConnectorOptions, start: boolean): Promise<TemporalConnection> {
  const { env, temporal } = options;
  if (temporal !== undefined) {
    return connect(env, { address: temporal.address }, { ...temporal, uiUrl: null, embedded: false });
  }
  const { resolveTemporal } = await import('../workers/connection.ts');
  const choice = resolveTemporal(env);
  if (choice.kind === 'external') {
    const { address, namespace, connectionOptions } = choice;
    return connect(env, connectionOptions as ConnectionOptions, {
      address,
      namespace,
      uiUrl: null,
      embedded: false,
    });
  }
  const state = await embeddedService(options, start);
  return connect(env, { address: state.address }, { ...state, embedded: true });
}

/** Where our own service is; starts it when asked to, and says so. */
async function embeddedService(
  { env, log }: TemporalConnectorOptions,
  start: boolean,
): Promise<{ readonly address: string; readonly namespace: string; readonly uiUrl: string | null }> {
  const { status, up } = await import('../workers/service.ts');
  const found = status({ env });
  if (!found.running && !start) throw new CourierError('NDI_E_NOT_RUNNING');
  const state = found.running ? found : await up({ env: await withNetworkSettings(env), log });
  const { temporalAddress, namespace, uiUrl } = state;
  if (temporalAddress === null || namespace === null) throw new CourierError('NDI_E_NOT_RUNNING');
  if (!found.running) {
    log(
      `Look at it: ${uiUrl === null ? temporalAddress : runsUrl(uiUrl, namespace)}\nStop it with: ndi-courier down`,
    );
  }
  return { address: temporalAddress, namespace, uiUrl };
}

/** The page of the Web UI that lists our runs, in our namespace. */
export const runsUrl = (uiUrl: string, namespace: string): string =>
  `${uiUrl}/namespaces/${encodeURIComponent(namespace)}/workflows?query=${encodeURIComponent('NdiOperation IS NOT NULL')}`;

async function connect(
  env: Environment,
  connectionOptions: ConnectionOptions,
  server: Omit<TemporalConnection, 'client' | 'close'>,
): Promise<TemporalConnection> {
  const { dataConverterFromEnv } = await import('../workers/codec.ts');
  const dataConverter = dataConverterFromEnv(env, server.embedded ? await ownKey(env) : undefined);
  const retries = createRetries();
  let connection: Connection;
  try {
    connection = await Connection.connect({
      ...connectionOptions,
      connectTimeout: CONNECT_TIMEOUT_MS,
      channelArgs: { ...RECONNECT, ...connectionOptions.channelArgs, ...DIRECT_GRPC },
      interceptors: [retries.interceptor],
    });
  } catch (cause) {
    throw new CourierError('NDI_E_NOT_RUNNING', {
      detail: `No Temporal server answers at ${server.address}.`,
      cause,
    });
  }
  const client = new Client({
    connection,
    namespace: server.namespace,
    ...(dataConverter === undefined ? {} : { dataConverter }),
  });
  return {
    ...server,
    client,
    close: async () => {
      await retries.end();
      await connection.close();
    },
  };
}

/** The key of a private service: with it every command reads and starts runs, without a flag. */
async function ownKey(env: Environment): Promise<string | undefined> {
  const { homeFromEnv } = await import('../workers/home.ts');
  const { readPayloadKey } = await import('../workers/payload-key.ts');
  return readPayloadKey(homeFromEnv(env));
}

/** A retry in waiting throws past every handler when its connection is closed: `end` lets it pass first. */
function createRetries() {
  const usual = defaultGrpcRetryOptions({ maxAttempts: RETRY_ATTEMPTS, maxIntervalMs: () => RETRY_EVERY_MS });
  let closing = false;
  let lastAtMs = 0;
  return {
    interceptor: makeGrpcRetryInterceptor({
      retryableDecider: (attempt, status) => !closing && usual.retryableDecider(attempt, status),
      delayFunction: (attempt, status) => {
        const delayMs = usual.delayFunction(attempt, status);
        lastAtMs = Math.max(lastAtMs, performance.now() + delayMs);
        return delayMs;
      },
    }),
    end: async (): Promise<void> => {
      closing = true;
      const leftMs = lastAtMs - performance.now();
      if (leftMs > 0) await sleep(leftMs + RETRY_MARGIN_MS);
    },
  };
}
