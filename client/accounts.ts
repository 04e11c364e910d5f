/** Cloud accounts as the library offers them: log in, keep several apart, open the raw API as one of them. */
import { CourierError } from '../errors/index.ts';
import type { Environment } from '../ndi/auth/environment.ts';
import {
  type Connection,
  connectCloud,
  createProfileStore,
  type Login,
  type LoginOptions,
  login,
  logout,
  type NdiProfile,
  type Profile,
  readNdiProfiles,
  type WhoAmI,
  whoami,
} from '../ndi/auth/index.ts';
import { openKeyring } from '../ndi/auth/keyring.ts';
import { NDI_KEYRING_SERVICE, ndiPassword } from '../ndi/auth/ndi-profiles.ts';
import type { FullCloudClient } from '../ndi/cloud/index.ts';
import type { CloudRef } from '../workflows/contracts/index.ts';
import { withNetworkSettings } from './network.ts';

export type { Login, NdiProfile, Profile, WhoAmI } from '../ndi/auth/index.ts';

export interface AccountChoice {
  /** Undefined: NDI_CLOUD_* variables, else the default profile. */
  readonly profile?: string | undefined;
  readonly organizationId?: string | undefined;
}

export interface OpenAccount {
  readonly client: FullCloudClient;
  /** How workers are told which cloud and whose account: names only. */
  readonly ref: CloudRef;
}

/** An e-mail and password to be verified and kept. */
export type NewLogin = Omit<LoginOptions, 'store' | 'env'>;

export interface Accounts {
  open(choice: AccountChoice): Promise<OpenAccount>;
  /** Asks the cloud who this account is. */
  whoami(choice: AccountChoice): Promise<WhoAmI>;
  /** Verifies with the cloud, then stores. Nothing is stored when it is refused. */
  login(options: NewLogin): Promise<Login>;
  /** Forgets a profile (the default one); false when there was none. */
  logout(profile?: string): Promise<boolean>;
  profiles(): Promise<readonly Profile[]>;
  /** Makes it the default. */
  use(profile: string): Promise<void>;
  /** Accounts that MATLAB and Python NDI have stored on this computer. */
  ndiProfiles(): Promise<readonly NdiProfile[]>;
  /**
   * Logs in with what MATLAB or Python NDI stored under this nickname, e-mail or UID, and keeps it as ours.
   */
  importNdiProfile(name: string): Promise<Login>;
}

/** `homeDir` is the folder of all our state. */
export function createAccounts(env: Environment, homeDir: () => Promise<string>): Accounts {
  const store = async () => createProfileStore({ homeDir: await homeDir(), env });
  const connect = async (choice: AccountChoice): Promise<Connection> =>
    connectCloud({
      homeDir: await homeDir(),
      env: await withNetworkSettings(env),
      profile: choice.profile,
      organizationId: choice.organizationId,
    });
  const logIn = async (options: NewLogin): Promise<Login> =>
    login({ ...options, store: await store(), env: await withNetworkSettings(env) });
  return {
    open: async (choice) => {
      const { client, baseUrl } = await connect(choice);
      return {
        client,
        ref: { baseUrl, profile: choice.profile ?? null, organizationId: choice.organizationId ?? null },
      };
    },
    whoami: async (choice) => {
      const connection = await connect(choice);
      try {
        return await whoami(connection);
      } finally {
        await connection.client.close();
      }
    },
    login: logIn,
    logout: async (profile) => logout(await store(), profile),
    profiles: async () => (await store()).list(),
    use: async (profile) => (await store()).setDefault(profile),
    ndiProfiles: async () => readNdiProfiles(env),
    importNdiProfile: async (name) => {
      const wanted = name.toLowerCase();
      const found = readNdiProfiles(env).find(({ uid, nickname, email }) =>
        [uid, nickname, email].some((word) => word.toLowerCase() === wanted),
      );
      if (found === undefined) {
        throw new CourierError('NDI_E_NO_CREDENTIALS', { detail: `There is no NDI profile "${name}".` });
      }
      const password = await ndiPassword(found, env, await openKeyring(NDI_KEYRING_SERVICE, env));
      const profile = found.nickname || found.email;
      return logIn({ email: found.email, password, profile, baseUrl: found.baseUrl });
    },
  };
}
