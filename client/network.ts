/** Settings of the network that do not come from the environment alone. */
import { dirname, join, resolve } from 'node:path';
import type { Environment } from '../ndi/auth/environment.ts';
import { networkOptions, readConfig, resolveOptions } from './options.ts';

/**
 * Variables to set besides: the CA file that `config.json` names, where no variable does, and paths made
 * absolute, because the service works in another folder.
 * @throws NDI_E_USAGE when `config.json` is wrong
 */
export async function networkVariables(env: Environment): Promise<Readonly<Record<string, string>>> {
  const { homeFromEnv } = await import('../workers/home.ts');
  const configFile = join(homeFromEnv(env).dir, 'config.json');
  const config = readConfig(configFile).network ?? {};
  const { caFile, bwlimit } = resolveOptions(networkOptions, {}, { config, env });
  if (bwlimit !== undefined) (await import('../workers/bandwidth.ts')).checkBandwidth(bwlimit);
  const extra = env.NODE_EXTRA_CA_CERTS;
  const folder = env.COURIER_CA_FILE ? '.' : dirname(configFile);
  return {
    ...(caFile === undefined ? {} : { COURIER_CA_FILE: resolve(folder, caFile) }),
    ...(extra ? { NODE_EXTRA_CA_CERTS: resolve(extra) } : {}),
  };
}

/** The environment with them. */
export const withNetworkSettings = async (env: Environment): Promise<Environment> => ({
  ...env,
  ...(await networkVariables(env)),
});
