/**
 * The one place that decides how an address is reached: directly or through a proxy, and whose certificates
 * are trusted. Everything that speaks HTTP takes its dispatcher from here; Temporal does not (`grpc.ts`).
 */

import type { SecureContext } from 'node:tls';
import { Agent, type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { CourierError } from '../errors/index.ts';
import { contextWith } from './certificates.ts';
import { connectionFailure } from './failures.ts';
import { type Environment, type ProxyServer, proxyFor } from './proxy.ts';

/** Limits of connections, in the library's words where they are not named here. */
export interface Limits extends Omit<Pool.Options, 'connect' | 'factory' | 'connectTimeout'> {
  /** For the connection to the host, and for that to a proxy before it. */
  readonly connectMs: number;
}

export interface Network {
  /**
   * The proxy for an address; undefined where it is reached directly.
   * @throws NDI_E_SETTING
   */
  proxyFor(address: string | URL): ProxyServer | undefined;
  /**
   * A dispatcher that chooses the way for each origin. A setting that is not valid fails the request, not
   * this.
   */
  dispatcher(limits: Limits): Dispatcher;
  /** The error of a request in our words, where proxy or certificate failed; undefined for all others. */
  failure(error: unknown, address: string): CourierError | undefined;
}

/** The variable that names a lab's CA file. */
export const CA_FILE = 'COURIER_CA_FILE';

export function networkOf(env: Environment): Network {
  const caFile = env[CA_FILE]?.trim() || undefined;
  let context: SecureContext | undefined;
  // Read at the first connection, and again after a failure: the file may be mended meanwhile.
  const tls = (): { readonly secureContext?: SecureContext } => {
    if (caFile === undefined) return {};
    context ??= contextWith(caFile, CA_FILE);
    return { secureContext: context };
  };
  const network: Network = {
    proxyFor: (address) => proxyFor(address, env),
    dispatcher: (limits) => createDispatcher(network, limits, tls),
    failure: (error, address) =>
      connectionFailure(error, address, { proxy: () => network.proxyFor(address), caFile }),
  };
  return network;
}

let own: Network | undefined;
/** The network that this process was started with. */
export const processNetwork = (): Network => {
  own ??= networkOf(process.env);
  return own;
};

function createDispatcher(
  network: Network,
  { connectMs, ...limits }: Limits,
  tls: () => { readonly secureContext?: SecureContext },
): Dispatcher {
  return new Agent({
    ...limits,
    factory: (origin) => {
      const proxy = network.proxyFor(origin);
      const trust = new URL(origin).protocol === 'https:' || proxy !== undefined ? tls() : {};
      if (proxy === undefined) {
        return new Pool(origin, { ...limits, connect: { timeout: connectMs, ...trust } });
      }
      return new ProxyAgent({
        ...limits,
        uri: proxy.url,
        connectTimeout: connectMs,
        requestTls: trust,
        proxyTls: trust,
        // The limits hold for requests that a proxy passes on without a tunnel, too.
        factory: (to, options) => new Pool(to, { ...limits, ...options }),
        // A proxy that takes the connection and says nothing.
        clientFactory: (to, options) => new Pool(to, { ...options, headersTimeout: connectMs }),
      });
    },
  });
}
