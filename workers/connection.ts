/** Which Temporal server is used, and what a namespace needs before our runs work in it. */
import { Connection, type ConnectionOptions, isGrpcServiceError } from '@temporalio/client';
import { type ClientConnectConfig, loadClientConfigProfile, toClientOptions } from '@temporalio/envconfig';
import protobuf from 'protobufjs';
import { CourierError } from '../errors/index.ts';
import type { Environment } from '../ndi/auth/environment.ts';
import { withoutProxy } from '../net/grpc.ts';
import { type Log, silent } from './logs.ts';

/** The embedded server's namespace. It has always a `default` one too, which stays empty. */
export const EMBEDDED_NAMESPACE = 'courier';

export type TemporalChoice =
  /** Nothing was configured: the server is ours, and `service.json` says where it is. */
  | { readonly kind: 'embedded' }
  | {
      readonly kind: 'external';
      readonly address: string;
      readonly namespace: string;
      /** For `Connection.connect` and `NativeConnection.connect`. May hold an API key: never print it. */
      readonly connectionOptions: ClientConnectConfig['connectionOptions'];
    };

/**
 * `TEMPORAL_ADDRESS` or a profile of Temporal's own TOML file (`TEMPORAL_PROFILE`, `TEMPORAL_CONFIG_FILE`)
 * means a server elsewhere, and then nothing is embedded. The rules are those of the `temporal` CLI
 * (`@temporalio/envconfig`).
 * @throws NDI_E_USAGE when the file or the named profile cannot be read.
 */
export function resolveTemporal(env: Environment = process.env): TemporalChoice {
  const overrideEnvVars = Object.fromEntries(
    Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== ''),
  );
  try {
    const profile = loadClientConfigProfile({ overrideEnvVars });
    if (profile.address === undefined || profile.address === '') return { kind: 'embedded' };
    const { connectionOptions, namespace } = toClientOptions(profile);
    return {
      kind: 'external',
      address: profile.address,
      namespace: namespace ?? 'default',
      connectionOptions,
    };
  } catch (error) {
    throw new CourierError('NDI_E_USAGE', {
      detail: `Temporal's settings: ${error instanceof Error ? error.message : String(error)}`,
      cause: error,
    });
  }
}

/** Names and types of search attributes, as `workflows/contracts/index.ts` declares them. */
export type SearchAttributeTypes = Readonly<Record<string, 'Keyword' | 'Text' | 'Int' | 'Bool'>>;

/** Numbers of `temporal.api.enums.v1.IndexedValueType`. */
const INDEXED_VALUE_TYPE = { Text: 1, Keyword: 2, Int: 3, Bool: 5 } as const;

/** The dev server keeps finished runs for one day; a lab looks for last month's. */
const RETENTION_DAYS = 30;

/**
 * Registers the search attributes that are missing. An older database of the embedded server lacks those that
 * were added later: `--search-attribute` works only while a namespace is made. Says in the log when it may
 * not (Temporal Cloud: an administrator adds them there).
 */
export async function ensureSearchAttributes(
  connection: Connection,
  namespace: string,
  wanted: SearchAttributeTypes,
  log: Log = silent,
): Promise<void> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = Object.entries(wanted).filter(([name]) => customAttributes?.[name] === undefined);
    if (missing.length === 0) return;
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, INDEXED_VALUE_TYPE[type]])),
    });
    log(`Registered the search attributes ${missing.map(([name]) => name).join(', ')}.`);
  } catch (error) {
    const list = Object.entries(wanted).map(([name, type]) => `${name}=${type}`);
    log(
      `Could not register the search attributes (${firstLine(error)}). ` +
        `If runs do not start, have these added to namespace ${namespace}: ${list.join(' ')}.`,
    );
  }
}

/** Raises the retention of the embedded server's namespace to 30 days; never lowers it. */
export async function ensureRetention(connection: Connection, namespace: string): Promise<void> {
  const wantedSeconds = RETENTION_DAYS * 86_400;
  const { config } = await connection.workflowService.describeNamespace({ namespace });
  if (Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) >= wantedSeconds) return;
  await connection.workflowService.updateNamespace({
    namespace,
    // protobufjs 8 has a Long of its own that works here, but is not the type the SDK's declarations name.
    config: { workflowExecutionRetentionTtl: { seconds: new protobuf.util.Long(wantedSeconds) as never } },
  });
}

/** No such namespace, not allowed, no or wrong API key: waiting changes nothing. */
const FINAL = new Set([5, 7, 16]);

export interface WaitForTemporalOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Ends the wait early, with its reason. */
  readonly failed?: () => Error | undefined;
}

/**
 * Waits until the server answers for this namespace over gRPC, and gives the connection that it answered on.
 * @throws NDI_E_SERVICE after `timeoutMs`, or at once when the server refuses for good.
 */
export async function waitForTemporal(
  connectionOptions: ConnectionOptions,
  namespace: string,
  options: WaitForTemporalOptions,
): Promise<Connection> {
  const deadline = performance.now() + options.timeoutMs;
  let last: unknown;
  while (performance.now() < deadline) {
    options.signal?.throwIfAborted();
    const failure = options.failed?.();
    if (failure !== undefined) throw failure;
    let connection: Connection | undefined;
    try {
      connection = await Connection.connect(withoutProxy({ ...connectionOptions, connectTimeout: 2_000 }));
      await connection.workflowService.describeNamespace({ namespace });
      return connection;
    } catch (error) {
      last = error;
      await connection?.close().catch(() => {});
      if (isGrpcServiceError(error) && FINAL.has(error.code)) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new CourierError('NDI_E_SERVICE', {
    detail: `The Temporal server at ${connectionOptions.address} does not serve namespace ${namespace}: ${firstLine(last)}`,
    cause: last,
  });
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
