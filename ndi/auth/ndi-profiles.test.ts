import { createCipheriv, createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isCourierError } from '../../errors/index.ts';
import { fieldNames, ndiPassword, readNdiProfiles } from './ndi-profiles.ts';

let dir: string;
let env: { NDI_PREFDIR: string };
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'courier-ndi-'));
  env = { NDI_PREFDIR: dir };
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** As the existing clients encrypt (NDI Cloud contract §1.5), written out here on purpose. */
function encrypt(value: string, host = hostname(), user = userInfo().username) {
  const key = createHash('sha256').update(`${host} ${user} NDI Cloud`).digest().subarray(0, 16);
  const iv = Buffer.alloc(16, 7);
  const cipher = createCipheriv('aes-128-cbc', key, iv);
  return {
    iv: iv.toString('base64'),
    ciphertext: Buffer.concat([cipher.update(value), cipher.final()]).toString('base64'),
  };
}
const write = (name: 'Profiles' | 'Secrets', value: unknown): void =>
  writeFileSync(
    join(dir, `NDI_Cloud_${name}.json`),
    typeof value === 'string' ? value : JSON.stringify(value),
  );

const matlab = {
  UID: '41269713c8f30937_40d3dfe383e33674',
  Nickname: 'work',
  Email: 'ana@example.org',
  Stage: 'prod',
  PasswordSecret: 'NDI Cloud 41269713c8f30937_40d3dfe383e33674',
};
const python = {
  UID: 'f68d6370c3f34c9cb4935916fb42ae19',
  Nickname: 'dev',
  Email: 'ana@example.org',
  Stage: 'dev',
};

describe('profiles of existing NDI clients', () => {
  it('are listed with the cloud of their stage', () => {
    write('Profiles', { Profiles: [matlab, python, { Nickname: 'broken' }], DefaultUID: python.UID });
    expect(
      readNdiProfiles(env).map((one) => [one.nickname, one.baseUrl, one.isDefault, one.secretName]),
    ).toEqual([
      ['work', 'https://api.ndi-cloud.com/v1', false, matlab.PasswordSecret],
      ['dev', 'https://dev-api.ndi-cloud.com/v1', true, `NDI Cloud ${python.UID}`],
    ]);
    write('Profiles', { Profiles: matlab, DefaultUID: '' });
    expect(readNdiProfiles(env), 'MATLAB writes a lone profile as an object').toHaveLength(1);
  });

  it('are none when the file is missing or damaged', () => {
    expect(readNdiProfiles(env)).toEqual([]);
    for (const text of ['', '{', '[]', '{"Profiles":null}', '7']) {
      write('Profiles', text);
      expect(readNdiProfiles(env), text).toEqual([]);
    }
  });

  it('give their password from the encrypted file, under either name of the field', async () => {
    write('Profiles', { Profiles: [matlab, python], DefaultUID: '' });
    const [first, second] = readNdiProfiles(env);
    write('Secrets', {
      NDICloud41269713c8f30937_40d3dfe383e33674: encrypt('from MATLAB ü'),
      NDI_Cloud_f68d6370c3f34c9cb4935916fb42ae19: encrypt('from older Python'),
    });
    expect(await ndiPassword(first!, env)).toBe('from MATLAB ü');
    expect(await ndiPassword(second!, env)).toBe('from older Python');
    write('Secrets', { NDICloudF68d6370c3f34c9cb4935916fb42ae19: encrypt('from newer Python') });
    expect(await ndiPassword(second!, env)).toBe('from newer Python');
  });

  it('name the field as MATLAB makes variable names', () => {
    expect(fieldNames('NDI Cloud 4abc')).toEqual(['NDICloud4abc', 'NDI_Cloud_4abc']);
    expect(fieldNames('NDI Cloud f68d')[0]).toBe('NDICloudF68d');
    expect(fieldNames('a:b-c')[0]).toBe('a_b_c');
  });

  it('give their password from Python’s keyring', async () => {
    write('Profiles', { Profiles: [python], DefaultUID: '' });
    const keyring = {
      get: async (account: string) => (account === `NDI Cloud ${python.UID}` ? 'from the ring' : undefined),
      set: async () => undefined,
      delete: async () => undefined,
    };
    expect(await ndiPassword(readNdiProfiles(env)[0]!, env, keyring)).toBe('from the ring');
  });

  it('need a login when the password is of another machine, or missing', async () => {
    write('Profiles', { Profiles: [matlab], DefaultUID: '' });
    const [profile] = readNdiProfiles(env);
    const field = 'NDICloud41269713c8f30937_40d3dfe383e33674';
    for (const secrets of [{ [field]: encrypt('p', 'elsewhere') }, { [field]: { iv: 'x' } }, {}, 'no json']) {
      write('Secrets', secrets);
      const error = await ndiPassword(profile!, env).catch((reason: unknown) => reason);
      expect(isCourierError(error, 'NDI_E_NO_CREDENTIALS')).toBe(true);
    }
  });
});
