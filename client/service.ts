/**
 * The background service as the library offers it. `workers/` is loaded when it is asked for, never before.
 */
import { join } from 'node:path';
import type { Environment } from '../ndi/auth/environment.ts';
import { CONTROL_QUEUE, siteQueue } from '../workflows/contracts/index.ts';
import { withNetworkSettings } from './network.ts';
import { pollersOf } from './pollers.ts';
import type { TemporalConnection } from './temporal.ts';

/** Null where there is nothing: no server, no page. */
export interface ServiceState {
  readonly running: boolean;
  readonly temporalAddress: string | null;
  readonly namespace: string | null;
  readonly uiUrl: string | null;
  readonly workerPids: readonly number[];
  readonly supervisorPid: number | null;
  readonly version: string | null;
  readonly startedAt: string | null;
  /** Whether payloads are encrypted with a key that lies in the state folder. */
  readonly private: boolean;
  readonly home: string;
  readonly logsDir: string;
  /** The last thing that the service had to mend since its start, a sentence for people. */
  readonly notice?: { readonly at: string; readonly sentence: string } | undefined;
}

export interface Service {
  /**
   * Starts it in the background when it is not running.
   * @throws NDI_E_NO_TEMPORAL, NDI_E_SERVICE
   */
  up(options?: {
    readonly workers?: number;
    /** A worker that takes more is replaced. Default 1 GiB. */
    readonly workerMemoryBytes?: number;
    /**
     * Make it private: others who use this computer can neither read runs nor start any. A private one stays
     * so.
     */
    readonly private?: boolean;
    readonly signal?: AbortSignal;
  }): Promise<ServiceState>;
  /** Stops it; false when nothing ran. Runs go on when it is back. */
  down(): Promise<boolean>;
  status(): Promise<ServiceState>;
  /** How many workers poll the queue of workflows and that of a site. */
  pollers(site: string): Promise<{ readonly control: number; readonly site: number }>;
  /** The stable name of this host's disk; made when first asked for. */
  siteId(): Promise<string>;
  /** The folder of all our state. */
  homeDir(): Promise<string>;
  /** `config.json` in it. */
  configFile(): Promise<string>;
}

/** `connect` gives the connection to the server, without starting one. */
export function createService(
  env: Environment,
  log: (line: string) => void,
  connect: () => Promise<TemporalConnection>,
): Service {
  const homeDir = async (): Promise<string> => {
    const { homeFromEnv } = await import('../workers/home.ts');
    return homeFromEnv(env).dir;
  };
  return {
    up: async (options = {}) => {
      const { up } = await import('../workers/service.ts');
      return up({ env: await withNetworkSettings(env), log, ...options });
    },
    down: async () => {
      const { down } = await import('../workers/service.ts');
      return down({ env, log });
    },
    status: async () => {
      const { status } = await import('../workers/service.ts');
      return status({ env });
    },
    pollers: async (site) => {
      const connection = await connect();
      const [control, ofSite] = await Promise.all([
        pollersOf(connection.client, CONTROL_QUEUE, 'workflows'),
        pollersOf(connection.client, siteQueue(site), 'activities'),
      ]);
      return { control: control.count, site: ofSite.count };
    },
    siteId: async () => {
      const { homeFromEnv, siteIdOf } = await import('../workers/home.ts');
      return siteIdOf(homeFromEnv(env));
    },
    homeDir,
    configFile: async () => join(await homeDir(), 'config.json'),
  };
}
