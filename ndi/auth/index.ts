/**
 * Logging in to NDI Cloud.
 *
 * environment.ts    which cloud: variables of the existing clients
 * token-source.ts   the bearer token and its renewal
 * profiles.ts       our own accounts by name; keyring.ts and private-file.ts keep their passwords
 * ndi-profiles.ts   accounts that MATLAB or Python NDI stored, read only
 * this file         puts them together: from a profile name to a client; login, logout, whoami
 */
import { CourierError } from '../../errors/index.ts';
import { networkOf } from '../../net/network.ts';
import { requestToken } from '../cloud/auth.ts';
import {
  type CloudClientOptions,
  createCloudClient,
  type FullCloudClient,
  type Timeouts,
} from '../cloud/index.ts';
import { chooseOrganization } from '../cloud/organizations.ts';
import { createRequester } from '../cloud/request.ts';
import type { CloudUser, Organization, TokenSource } from '../cloud/types.ts';
import { createUsers } from '../cloud/users.ts';
import {
  baseUrlFromEnvironment,
  baseUrlOf,
  checkBaseUrl,
  type Environment,
  organizationFromEnvironment,
  productionOf,
} from './environment.ts';
import { openKeyring } from './keyring.ts';
import { NDI_KEYRING_SERVICE, type NdiProfile, ndiPassword, readNdiProfiles } from './ndi-profiles.ts';
import { createProfileStore, type Profile, type ProfileStore } from './profiles.ts';
import { type Credentials, createTokenSource, tokenClaims } from './token-source.ts';

export type { TokenSource } from '../cloud/types.ts';
export { baseUrlOf, type Environment, STAGES } from './environment.ts';
export { type NdiProfile, readNdiProfiles } from './ndi-profiles.ts';
export { createProfileStore, type Profile, type ProfileStore } from './profiles.ts';
export { type Credentials, createTokenSource, tokenClaims } from './token-source.ts';

/** A profile of either kind. */
type AnyProfile =
  | ({ readonly kind: 'own' } & Profile)
  | ({ readonly kind: 'ndi'; readonly name: string; readonly organizationId: undefined } & NdiProfile);

export interface ConnectOptions {
  /** The folder of all our state: `profiles.json` and `secrets.json` are there. */
  readonly homeDir: string;
  readonly env: Environment;
  /**
   * A name of ours, or a nickname, UID or e-mail of an NDI profile. Absent or empty: the default one, if any.
   */
  readonly profile?: string | undefined;
  /** Wins over environment and profile. */
  readonly baseUrl?: string | undefined;
  readonly token?: string | undefined;
  readonly organizationId?: string | undefined;
  readonly connections?: number | undefined;
  readonly timeouts?: Timeouts | undefined;
  readonly store?: ProfileStore;
  /** Repeat requests that cannot have acted. Default: each call is one request. */
  readonly repeat?: CloudClientOptions['repeat'] | undefined;
}

export interface Connection {
  readonly client: FullCloudClient;
  readonly tokens: TokenSource;
  readonly baseUrl: string;
}

/** The profile with this name, or the default one; ours come before those of other NDI clients. */
function findProfile(
  store: ProfileStore,
  env: Environment,
  name: string | undefined,
): AnyProfile | undefined {
  const own = name === undefined ? store.default() : store.get(name);
  if (own !== undefined) return { kind: 'own', ...own };
  const theirs = readNdiProfiles(env);
  const byName =
    name === undefined
      ? theirs.find((one) => one.isDefault)
      : (theirs.find((one) => one.uid === name) ??
        only(theirs.filter((one) => one.nickname === name)) ??
        only(theirs.filter((one) => one.email.toLowerCase() === name.toLowerCase())));
  if (byName === undefined) return undefined;
  return { kind: 'ndi', name: byName.nickname || byName.email, organizationId: undefined, ...byName };
}

const only = <Item>(items: readonly Item[]): Item | undefined => (items.length === 1 ? items[0] : undefined);

/**
 * From a profile name to a client. Credentials are looked for at the first request.
 * @throws NDI_E_SETTING for a wrong setting
 */
export function connectCloud(options: ConnectOptions): Connection {
  const { env } = options;
  const network = networkOf(env);
  const store = options.store ?? createProfileStore({ homeDir: options.homeDir, env });
  const name = options.profile === undefined || options.profile === '' ? undefined : options.profile;
  const find = (): AnyProfile | undefined => findProfile(store, env, name);
  const wanted = options.baseUrl === undefined ? undefined : checkBaseUrl(options.baseUrl, 'The address');
  const baseUrl = wanted ?? baseUrlOf(env, find()?.baseUrl);

  let actsByProfile = false;
  // Secrets of the environment belong to the cloud that the environment names, if it names one.
  const envUrl = baseUrlFromEnvironment(env);
  const tokens = createTokenSource({
    baseUrl,
    env: envUrl === undefined || envUrl === baseUrl ? env : {},
    token: options.token,
    profile: async () => {
      const found = await credentialsOf(find(), store, env, baseUrl, name);
      actsByProfile = found !== undefined;
      return found;
    },
    profileStamp: store.stamp,
    namedProfile: name === undefined ? undefined : () => ({ email: find()?.email }),
    timeouts: options.timeouts,
    network,
  });
  const clientOptions: CloudClientOptions = {
    baseUrl,
    tokens,
    organizationId: async () => {
      if (options.organizationId !== undefined) return options.organizationId;
      // The account is known once there is a token; another account's organisation would be the wrong one.
      await tokens.get();
      const ofProfile = actsByProfile ? find()?.organizationId : undefined;
      const ofEnvironment = organizationFromEnvironment(env);
      // A profile that was named knows its organisation better than a variable that was set for another.
      return name === undefined ? (ofEnvironment ?? ofProfile) : (ofProfile ?? ofEnvironment);
    },
    connections: options.connections,
    timeouts: options.timeouts,
    network,
    repeat: options.repeat,
  };
  return { client: createCloudClient(clientOptions), tokens, baseUrl };
}

/**
 * Its e-mail and password, but only for the cloud it belongs to: a password is never sent to another address.
 */
async function credentialsOf(
  found: AnyProfile | undefined,
  store: ProfileStore,
  env: Environment,
  baseUrl: string,
  name: string | undefined,
): Promise<Credentials | undefined> {
  if (found === undefined) {
    if (name === undefined) return undefined;
    throw new CourierError('NDI_E_NO_CREDENTIALS', { detail: `There is no profile "${name}".` });
  }
  if (found.baseUrl !== baseUrl) {
    if (name === undefined) return undefined;
    throw new CourierError('NDI_E_NO_CREDENTIALS', {
      detail: `Profile "${name}" is for ${found.baseUrl}, but ${baseUrl} is to be used.`,
    });
  }
  const password =
    found.kind === 'own'
      ? await store.password(found.name)
      : await ndiPassword(found, env, await openKeyring(NDI_KEYRING_SERVICE, env));
  return { email: found.email, password, from: `profile "${found.name}"` };
}

export interface LoginOptions {
  readonly store: ProfileStore;
  readonly env: Environment;
  readonly email: string;
  readonly password: string;
  /** Default `default`. */
  readonly profile?: string | undefined;
  /** Else from the environment, else the profile's, else prod. */
  readonly baseUrl?: string | undefined;
  /** An id or a unique name; needed when the account has several. */
  readonly organizationId?: string | undefined;
  readonly makeDefault?: boolean | undefined;
  readonly timeouts?: Timeouts | undefined;
}

export interface Login {
  readonly profile: Profile;
  readonly user: CloudUser;
  readonly organization: Organization;
  /** ISO time at which the token ends; it is renewed before. Null when the token does not tell. */
  readonly validUntil: string | null;
}

/**
 * Verifies e-mail and password with the cloud, chooses the organisation, and only then stores them under a
 * profile.
 * @throws NDI_E_WRONG_PASSWORD, NDI_E_NO_ORGANIZATION, NDI_E_CHOOSE_ORGANIZATION (with the choices); nothing
 * is stored then
 */
export async function login(options: LoginOptions): Promise<Login> {
  const { store, email, password, timeouts } = options;
  const name = options.profile ?? 'default';
  const baseUrl =
    options.baseUrl === undefined
      ? (baseUrlFromEnvironment(options.env) ?? store.get(name)?.baseUrl ?? productionOf(options.env))
      : checkBaseUrl(options.baseUrl, 'The address');
  const base = { baseUrl, connections: 1, timeouts, network: networkOf(options.env) };
  const open = createRequester(base);
  let user: CloudUser;
  let token: string;
  try {
    token = await requestToken(open, { email, password });
    const asUser = createRequester({ ...base, tokens: fixedToken(token) });
    user = await createUsers(asUser)
      .me()
      .finally(() => asUser.close());
  } finally {
    await open.close();
  }
  const organization = chooseOrganization(
    user,
    options.organizationId ?? organizationFromEnvironment(options.env),
  );
  const profile = await store.save({ name, email, baseUrl, organizationId: organization.id }, password, {
    makeDefault: options.makeDefault ?? false,
  });
  const { expiresAtMs } = tokenClaims(token);
  return {
    profile,
    user,
    organization,
    validUntil: expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString(),
  };
}

/**
 * Forgets a profile and its password; false when there was none. Workers stop using it at their next request.
 */
export async function logout(store: ProfileStore, name?: string): Promise<boolean> {
  const target = name ?? store.default()?.name;
  return target === undefined ? false : store.remove(target);
}

export interface WhoAmI {
  readonly user: CloudUser;
  readonly baseUrl: string;
  /** By which profile, variable or token. */
  readonly by: string;
}

/**
 * Asks the cloud who is logged in.
 * @throws as `TokenSource.get` when nobody is
 */
export async function whoami(connection: Connection): Promise<WhoAmI> {
  const user = await connection.client.me();
  return { user, baseUrl: connection.baseUrl, by: connection.tokens.describe() };
}

/** The token just made, for the one question that follows a login. */
const fixedToken = (token: string): TokenSource => ({
  get: async () => token,
  invalidate: () => undefined,
  describe: () => 'a new login',
});
