/** Cloud accounts as the library offers them: log in, keep several apart, open the raw API as one of them. */
import { CourierError } from '../errors/index.ts';
import {
  type Connection,
  connectCloud,
  createProfileStore,
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
import type { CloudUser, FullCloudClient, Organization } from '../ndi/cloud/index.ts';
import type { CloudRef } from '../workflows/contracts/index.ts';
import type { Env } from './options.ts';

export type { NdiProfile, Profile, WhoAmI } from '../ndi/auth/index.ts';

export interface AccountChoice {
  /** Undefined: NDI_CLOUD_* variables, else the default profile. */
  readonly profile?: string | undefined;
  readonly organization?: string | undefined;
}

export interface OpenAccount {
  readonly client: FullCloudClient;
  /** How workers are told which cloud and whose account: names only. */
  readonly ref: CloudRef;
}

export interface NewLogin {
  readonly email: string;
  readonly password: string;
  /** Default `default`. */
  readonly profile?: string | undefined;
  /** Full base address of the cloud with `/v1`; default: as the environment says. */
  readonly url?: string | undefined;
  readonly organization?: string | undefined;
  readonly makeDefault?: boolean;
}

export interface LoggedIn {
  readonly profile: Profile;
  readonly user: CloudUser;
  readonly organization: Organization;
}

export interface Accounts {
  open(choice: AccountChoice): Promise<OpenAccount>;
  /** Asks the cloud who this account is. */
  whoami(choice: AccountChoice): Promise<WhoAmI>;
  /** Verifies with the cloud, then stores. Nothing is stored when it is refused. */
  login(options: NewLogin): Promise<LoggedIn>;
  /** Forgets a profile (the default one); false when there was none. */
  logout(profile?: string): Promise<boolean>;
  profiles(): Promise<readonly Profile[]>;
  /** Makes it the default. */
  use(profile: string): Promise<void>;
  /** Accounts that MATLAB and Python NDI have stored on this computer. */
  ndiProfiles(): Promise<readonly NdiProfile[]>;
  /** Logs in with what MATLAB or Python NDI stored under this nickname, e-mail or UID, and keeps it as ours. */
  importNdiProfile(name: string): Promise<LoggedIn>;
}

/** `homeDir` is the folder of all our state. */
export function createAccounts(env: Env, homeDir: () => Promise<string>): Accounts {
  const store = async () => createProfileStore({ stateHome: await homeDir(), env });
  const connect = async (choice: AccountChoice): Promise<Connection> =>
    connectCloud({
      stateHome: await homeDir(),
      env,
      profile: choice.profile,
      organizationId: choice.organization,
    });
  const logIn = async (options: NewLogin): Promise<LoggedIn> =>
    login({
      store: await store(),
      env,
      email: options.email,
      password: options.password,
      profile: options.profile,
      baseUrl: options.url,
      organizationId: options.organization,
      makeDefault: options.makeDefault ?? false,
    });
  return {
    open: async (choice) => {
      const { client, baseUrl } = await connect(choice);
      return {
        client,
        ref: { baseUrl, profile: choice.profile ?? null, organizationId: choice.organization ?? null },
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
      return logIn({ email: found.email, password, profile, url: found.baseUrl });
    },
  };
}
