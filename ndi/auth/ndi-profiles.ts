/**
 * Profiles of the existing NDI clients, read and never written (NDI Cloud contract §1.5).
 *
 * MATLAB and Python share `~/.ndi`, but not the name of a secret's field: MATLAB makes a variable name
 * (blanks deleted, the next letter capital), older Python put underscores. Both are looked for. A lone
 * profile is an object, not an array.
 */
import { createDecipheriv, createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { homedir, hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { CourierError } from '../../errors/index.ts';
import { type Environment, isStage, STAGES, setting } from './environment.ts';
import { type Keyring, withPatience } from './keyring.ts';
import { readIfThere } from './private-file.ts';

/** The service name under which Python NDI stores its secrets in the keyring. */
export const NDI_KEYRING_SERVICE = 'ndi-cloud';

export interface NdiProfile {
  readonly uid: string;
  readonly nickname: string;
  readonly email: string;
  readonly baseUrl: string;
  readonly isDefault: boolean;
  readonly secretName: string;
}

const entry = z.looseObject({
  UID: z.string().min(1),
  Nickname: z.string().default(''),
  Email: z.string().min(1),
  Stage: z.string().default('prod'),
  PasswordSecret: z.string().default(''),
});
const profilesFile = z.looseObject({ Profiles: z.unknown(), DefaultUID: z.unknown() });
const secretEntry = z.looseObject({ iv: z.string(), ciphertext: z.string() });

/** `NDI_PREFDIR`, else `~/.ndi`, else the temporary folder, as Python looks for it. */
export function ndiPrefDir(env: Environment): string {
  const given = setting(env, 'NDI_PREFDIR');
  if (given !== undefined) return given;
  const home = join(homedir(), '.ndi');
  return statSync(home, { throwIfNoEntry: false })?.isDirectory() === true ? home : tmpdir();
}

/**
 * All profiles that can be understood; a damaged file counts as none, because it is not ours to complain of.
 */
export function readNdiProfiles(env: Environment): NdiProfile[] {
  const text = readIfThere(join(ndiPrefDir(env), 'NDI_Cloud_Profiles.json'));
  if (text === undefined) return [];
  const file = profilesFile.safeParse(parse(text));
  if (!file.success) return [];
  const { Profiles: some, DefaultUID: defaultUid } = file.data;
  const rows: unknown[] = Array.isArray(some) ? some : [some];
  return rows.flatMap((row): NdiProfile[] => {
    const { success, data } = entry.safeParse(row);
    if (!success || !isStage(data.Stage)) return [];
    return [
      {
        uid: data.UID,
        nickname: data.Nickname,
        email: data.Email,
        baseUrl: STAGES[data.Stage],
        isDefault: data.UID === defaultUid,
        secretName: data.PasswordSecret === '' ? `NDI Cloud ${data.UID}` : data.PasswordSecret,
      },
    ];
  });
}

/**
 * Its password, from the keyring or the encrypted file.
 * @throws NDI_E_NO_CREDENTIALS when neither has it, or the file is of another machine
 */
export async function ndiPassword(profile: NdiProfile, env: Environment, keyring?: Keyring): Promise<string> {
  const kept = await withPatience(keyring?.get(profile.secretName) ?? Promise.resolve(undefined)).catch(
    () => undefined,
  );
  if (kept !== undefined) return kept;
  const path = join(ndiPrefDir(env), 'NDI_Cloud_Secrets.json');
  const secrets = z.record(z.string(), z.unknown()).safeParse(parse(readIfThere(path) ?? '{}'));
  for (const field of secrets.success ? fieldNames(profile.secretName) : []) {
    const secret = secretEntry.safeParse(secrets.data?.[field]);
    const password = secret.success ? decrypt(secret.data) : undefined;
    if (password !== undefined) return password;
  }
  throw new CourierError('NDI_E_NO_CREDENTIALS', {
    detail: `The password of the NDI profile "${profile.nickname}" is not readable on this machine.`,
  });
}

/** MATLAB's `makeValidName` on a key, then older Python's. */
export function fieldNames(secretName: string): string[] {
  const matlab = secretName
    .replace(/\s+(\S)/g, (_blank, next: string) => next.toUpperCase())
    .replace(/[^A-Za-z0-9_]/g, '_')
    .slice(0, 63);
  return [matlab, secretName.replace(/[ :]/g, '_')];
}

/**
 * The key derives from host and user; the clients see them slightly differently (a domain, Java's fallback).
 */
function* keys(): Generator<Buffer> {
  const user = userNames();
  const full = hostname();
  const hosts = new Set([full, full.split('.')[0] ?? full, ...user]);
  for (const host of hosts) {
    for (const name of user) {
      yield createHash('sha256').update(`${host} ${name} NDI Cloud`, 'utf8').digest().subarray(0, 16);
    }
  }
}

function userNames(): string[] {
  const { LOGNAME, USER, LNAME, USERNAME } = process.env;
  let system: string | undefined;
  try {
    system = userInfo().username;
  } catch {
    // No entry for this user id, as in a container.
  }
  // Python's getuser looks at these variables first, in this order; Java asks the system.
  const names = [LOGNAME, USER, LNAME, USERNAME, system, 'unknown'];
  return [...new Set(names.filter((name): name is string => name !== undefined && name !== ''))];
}

function decrypt(secret: { readonly iv: string; readonly ciphertext: string }): string | undefined {
  for (const key of keys()) {
    try {
      const cipher = createDecipheriv('aes-128-cbc', key, Buffer.from(secret.iv, 'base64'));
      const plain = Buffer.concat([cipher.update(Buffer.from(secret.ciphertext, 'base64')), cipher.final()]);
      // A wrong key passes the padding check once in 256; it does not give text then.
      return new TextDecoder('utf-8', { fatal: true }).decode(plain);
    } catch {
      // The next key.
    }
  }
  return undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    return undefined;
  }
}
