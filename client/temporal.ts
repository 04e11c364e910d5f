/**
 * The way to a Temporal server: one that was configured, else our own, started when it is not running.
 *
 *   createTemporalConnector   connects once, when first needed; every caller shares the connection
 *
 * `workers/` is loaded only here and only when needed: `--help` must not load a server.
 */
import { Client, Connection, type ConnectionOptions } from '@temporalio/client';
import { CourierError } from '../errors/index.ts';
import type { Environment } from '../ndi/auth/environment.ts';

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
}

export interface TemporalConnectorOptions {
  readonly env: Environment;
  /** Use exactly this server. */
  readonly temporal?: TemporalTarget | undefined;
  readonly log: (line: string) => void;
}

const CONNECT_TIMEOUT_MS = 5_000;

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
      await opened?.client.connection.close();
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
  const state = found.running ? found : await up({ env, log });
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
  server: Omit<TemporalConnection, 'client'>,
): Promise<TemporalConnection> {
  const { dataConverterFromEnv } = await import('../workers/codec.ts');
  const dataConverter = await dataConverterFromEnv(env);
  let connection: Connection;
  try {
    connection = await Connection.connect({ ...connectionOptions, connectTimeout: CONNECT_TIMEOUT_MS });
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
  return { ...server, client };
}
