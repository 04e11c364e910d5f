/**
 * Our own profiles: which accounts a person has, under names. `profiles.json` holds no secret; passwords are
 * in the keyring of the operating system when it works, else in `secrets.json`, mode 0600. Tokens are never
 * stored. Workers in other processes read these files; both are replaced as a whole.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CourierError } from '../../errors/index.ts';
import { checkBaseUrl, type Environment } from './environment.ts';
import { type Keyring, keyringWorks, openKeyring, withPatience } from './keyring.ts';
import { readIfThere, refuseIfExposed, writePrivately } from './private-file.ts';

export const KEYRING_SERVICE = 'ndi-courier';

const profile = z.object({
  name: z.string().min(1),
  email: z.string().min(1),
  baseUrl: z.string().min(1),
  organizationId: z.string().optional(),
  secret: z.enum(['keyring', 'file']),
});
const profilesFile = z.object({
  version: z.literal(1),
  default: z.string().optional(),
  profiles: z.array(profile),
});
const secretsFile = z.object({ version: z.literal(1), secrets: z.record(z.string(), z.string()) });

export interface Profile {
  readonly name: string;
  readonly email: string;
  readonly baseUrl: string;
  readonly organizationId: string | undefined;
  readonly isDefault: boolean;
  /** Where the password is. */
  readonly secret: 'keyring' | 'file';
}

export type NewProfile = Pick<Profile, 'name' | 'email' | 'baseUrl' | 'organizationId'>;

export interface ProfileStore {
  readonly path: string;
  list(): Profile[];
  get(name: string): Profile | undefined;
  default(): Profile | undefined;
  /** Stores or replaces; the first profile becomes the default. */
  save(profile: NewProfile, password: string, options?: { readonly makeDefault?: boolean }): Promise<Profile>;
  /** False when there was no such profile. */
  remove(name: string): Promise<boolean>;
  /** @throws NDI_E_NO_CREDENTIALS for an unknown name */
  setDefault(name: string): void;
  /**
   * @throws NDI_E_NO_CREDENTIALS when it is gone or the keyring is locked; NDI_E_SECRETS_EXPOSED when others
   * may read it
   */
  password(name: string): Promise<string>;
  /** Changes whenever a profile or a stored password changed. */
  stamp(): string;
}

export interface ProfileStoreOptions {
  /** The folder of all our state. */
  readonly homeDir: string;
  readonly env: Environment;
  /** Instead of the operating system's. */
  readonly keyring?: Keyring;
}

/** A name that can be typed after `--profile` and stand in a file. */
export function checkProfileName(name: string): string {
  if (/^[\p{L}\p{N}][\p{L}\p{N}._@ -]{0,63}$/u.test(name) && name === name.trim()) return name;
  throw new CourierError('NDI_E_USAGE', {
    detail: `${JSON.stringify(name.slice(0, 80))} cannot name a profile: use letters, digits, ".", "-", "_", "@".`,
  });
}

export function createProfileStore(options: ProfileStoreOptions): ProfileStore {
  const path = join(options.homeDir, 'profiles.json');
  const secrets = createSecrets(options);

  function read(): z.output<typeof profilesFile> {
    const text = readIfThere(path);
    return text === undefined ? { version: 1, profiles: [] } : parseFile(path, text, profilesFile);
  }
  const write = (file: z.output<typeof profilesFile>): void =>
    writePrivately(path, `${JSON.stringify(file, null, 2)}\n`);

  function list(): Profile[] {
    const file = read();
    return file.profiles.map((row) => ({
      name: row.name,
      email: row.email,
      baseUrl: row.baseUrl,
      organizationId: row.organizationId,
      isDefault: row.name === file.default,
      secret: row.secret,
    }));
  }
  const get = (name: string): Profile | undefined => list().find((row) => row.name === name);
  const known = (name: string): Profile => {
    const found = get(name);
    if (found !== undefined) return found;
    throw new CourierError('NDI_E_NO_CREDENTIALS', { detail: `There is no profile "${name}".` });
  };

  return {
    path,
    list,
    get,
    default: () => list().find((row) => row.isDefault),
    async save(given, password, { makeDefault = false } = {}) {
      const name = checkProfileName(given.name);
      const baseUrl = checkBaseUrl(given.baseUrl, 'The address of the profile');
      if (password === '') throw new CourierError('NDI_E_USAGE', { detail: 'The password is empty.' });
      read();
      // The secret first: a profile without one would park runs.
      const secret = await secrets.set(name, password);
      const file = read();
      const row = {
        name,
        email: given.email,
        baseUrl,
        ...(given.organizationId === undefined ? {} : { organizationId: given.organizationId }),
        secret,
      };
      const others = file.profiles.filter((one) => one.name !== name);
      write({
        version: 1,
        profiles: [...others, row],
        default: makeDefault || file.default === undefined ? name : file.default,
      });
      return known(name);
    },
    async remove(name) {
      const found = get(name);
      if (found === undefined) return false;
      const file = read();
      const profiles = file.profiles.filter((one) => one.name !== name);
      const successor = file.default === name ? profiles[0]?.name : file.default;
      write({ version: 1, profiles, ...(successor === undefined ? {} : { default: successor }) });
      await secrets.delete(name, found.secret);
      return true;
    },
    setDefault(name) {
      known(name);
      write({ ...read(), default: name });
    },
    password: async (name) => secrets.get(name, known(name).secret),
    stamp: () => `${stampOf(path)};${stampOf(secrets.path)}`,
  };
}

function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? '-' : `${stat.ino}:${stat.mtimeNs}:${stat.size}`;
}

/** Passwords by profile name, in the keyring when it works, else in the private file. */
function createSecrets({ homeDir, env, keyring: given }: ProfileStoreOptions) {
  const path = join(homeDir, 'secrets.json');
  let opened: Promise<Keyring | undefined> | undefined;
  const keyring = (): Promise<Keyring | undefined> => {
    opened ??= given === undefined ? openKeyring(KEYRING_SERVICE, env) : Promise.resolve(given);
    return opened;
  };

  function read(): z.output<typeof secretsFile> {
    refuseIfExposed(path);
    const text = readIfThere(path);
    return text === undefined ? { version: 1, secrets: {} } : parseFile(path, text, secretsFile);
  }
  function writeFile(name: string, password: string | undefined): void {
    const { [name]: _old, ...others } = read().secrets;
    const secrets = password === undefined ? others : { ...others, [name]: password };
    writePrivately(path, `${JSON.stringify({ version: 1, secrets }, null, 2)}\n`);
  }

  return {
    path,
    async set(name: string, password: string): Promise<'keyring' | 'file'> {
      const ring = await keyring();
      if (ring !== undefined && (await keyringWorks(ring))) {
        await withPatience(ring.set(name, password));
        if (Object.hasOwn(read().secrets, name)) writeFile(name, undefined);
        return 'keyring';
      }
      writeFile(name, password);
      return 'file';
    },
    async get(name: string, where: 'keyring' | 'file'): Promise<string> {
      const found =
        where === 'file'
          ? read().secrets[name]
          : await withPatience((await keyring())?.get(name) ?? Promise.resolve(undefined)).catch(
              () => undefined,
            );
      if (found !== undefined) return found;
      const place = where === 'file' ? path : 'the keyring of this computer (is it locked?)';
      throw new CourierError('NDI_E_NO_CREDENTIALS', {
        detail: `The password of profile "${name}" is not in ${place}.`,
      });
    },
    async delete(name: string, where: 'keyring' | 'file'): Promise<void> {
      if (where === 'file') return writeFile(name, undefined);
      const ring = await keyring();
      if (ring !== undefined) await withPatience(ring.delete(name)).catch(() => undefined);
    },
  };
}

/** The file as `schema`; the message names the file and never its content. */
function parseFile<Schema extends z.ZodType>(path: string, text: string, schema: Schema): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CourierError('NDI_E_SETTING', { detail: `${path} is not JSON.` });
  }
  const version = (value as { version?: unknown } | null)?.version;
  if (typeof version === 'number' && version > 1)
    throw new CourierError('NDI_E_SETTING', { detail: `${path} was written by a newer ndi-courier.` });
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const where = checked.error.issues[0]?.path.map(String).join('.') ?? '';
  throw new CourierError('NDI_E_SETTING', { detail: `${path} is damaged at "${where}".` });
}
