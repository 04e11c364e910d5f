import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isCourierError } from '../../errors/index.ts';
import type { Keyring } from './keyring.ts';
import { createProfileStore, type ProfileStore } from './profiles.ts';

let homeDir: string;
let store: ProfileStore;
beforeEach(() => {
  homeDir = join(mkdtempSync(join(tmpdir(), 'courier-profiles-')), 'state');
  store = createProfileStore({ homeDir, env: { COURIER_KEYRING: 'off' } });
});
afterEach(() => rmSync(join(homeDir, '..'), { recursive: true, force: true }));

const lab = { name: 'lab', email: 'ana@example.org', baseUrl: 'http://127.0.0.1:1/v1', organizationId: 'o1' };
const errorOf = async (work: () => unknown) => {
  try {
    await work();
  } catch (error) {
    if (isCourierError(error)) return error;
    throw error;
  }
  throw new Error('expected an error');
};
const mode = (name: string): number => statSync(join(homeDir, name)).mode & 0o777;

/** Keeps secrets in a map, as the keyring of an operating system would. */
function memoryKeyring(): Keyring & { kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return {
    kept,
    get: async (account) => kept.get(account),
    set: async (account, secret) => void kept.set(account, secret),
    delete: async (account) => void kept.delete(account),
  };
}

describe('profiles', () => {
  it('are kept with their password apart, both for the owner alone, and read by another process', async () => {
    const before = store.stamp();
    const saved = await store.save(lab, 'pässword "1"');
    expect(saved).toEqual({ ...lab, isDefault: true, secret: 'file' });
    expect(store.stamp()).not.toBe(before);
    const other = createProfileStore({ homeDir, env: { COURIER_KEYRING: 'off' } });
    expect(other.default()).toEqual(saved);
    expect(await other.password('lab')).toBe('pässword "1"');
    expect(readFileSync(store.path, 'utf8')).not.toContain('pässword');
    if (process.platform !== 'win32')
      expect([mode('profiles.json'), mode('secrets.json')]).toEqual([0o600, 0o600]);
    expect(readdirSync(homeDir).toSorted()).toEqual(['profiles.json', 'secrets.json']);
  });

  it('are replaced, chosen and removed by name', async () => {
    await store.save(lab, 'one');
    await store.save({ ...lab, name: 'rig', organizationId: undefined }, 'two');
    await store.save({ ...lab, email: 'bo@example.org' }, 'three');
    expect(store.list().map(({ name, isDefault }) => [name, isDefault])).toEqual([
      ['rig', false],
      ['lab', true],
    ]);
    expect(await store.password('lab')).toBe('three');
    store.setDefault('rig');
    expect(store.default()?.name).toBe('rig');
    expect(await store.remove('rig')).toBe(true);
    expect(await store.remove('rig')).toBe(false);
    expect(store.default()?.name, 'the one that is left').toBe('lab');
    expect(readFileSync(join(homeDir, 'secrets.json'), 'utf8')).not.toContain('two');
    expect((await errorOf(() => store.setDefault('rig'))).code).toBe('NDI_E_NO_CREDENTIALS');
    expect((await errorOf(() => store.password('rig'))).code).toBe('NDI_E_NO_CREDENTIALS');
  });

  it.skipIf(process.platform === 'win32')('are not used when others can read the secrets', async () => {
    await store.save(lab, 'one');
    const path = join(homeDir, 'secrets.json');
    for (const exposed of [0o640, 0o604]) {
      chmodSync(path, exposed);
      const error = await errorOf(() => store.password('lab'));
      expect(error.code).toBe('NDI_E_SECRETS_EXPOSED');
      expect(error.message).toContain(`${path} has mode ${exposed.toString(8)}`);
      expect(error.nextStep).toContain('chmod 600');
    }
    chmodSync(path, 0o600);
    expect(await store.password('lab')).toBe('one');
  });

  it('refuse names and files they cannot use, without repeating what is in them', async () => {
    for (const name of ['', '../x', 'a/b', ' a', 'a\nb', '-x']) {
      expect((await errorOf(() => store.save({ ...lab, name }, 'p'))).code, name).toBe('NDI_E_USAGE');
    }
    expect((await errorOf(() => store.save({ ...lab, baseUrl: 'http://example.org' }, 'p'))).code).toBe(
      'NDI_E_SETTING',
    );
    await store.save(lab, 'one');
    for (const text of [
      '{"hunter2"',
      '{"version":1,"profiles":[{"name":"hunter2"}]}',
      '{"version":2}',
      'null',
    ]) {
      writeFileSync(store.path, text);
      const error = await errorOf(() => store.list());
      expect(error.code).toBe('NDI_E_SETTING');
      expect(error.message).toContain(store.path);
      expect(error.message).not.toContain('hunter2');
    }
  });
});

describe('the keyring', () => {
  it('keeps the password instead of the file when it works', async () => {
    await store.save(lab, 'in the file');
    const keyring = memoryKeyring();
    const ringed = createProfileStore({ homeDir, env: {}, keyring });
    expect((await ringed.save(lab, 'in the ring')).secret).toBe('keyring');
    expect([...keyring.kept]).toEqual([['lab', 'in the ring']]);
    expect(await ringed.password('lab')).toBe('in the ring');
    expect(readFileSync(join(homeDir, 'secrets.json'), 'utf8')).not.toContain('in the file');
    await ringed.remove('lab');
    expect(keyring.kept.size).toBe(0);
  });

  it('is not trusted when what is stored does not come back, or it fails', async () => {
    const forgetful: Keyring = { ...memoryKeyring(), get: async () => undefined };
    const failing: Keyring = {
      ...memoryKeyring(),
      set: async () => {
        throw new Error('no D-Bus');
      },
    };
    for (const keyring of [forgetful, failing]) {
      const shaky = createProfileStore({ homeDir, env: {}, keyring });
      expect((await shaky.save(lab, 'p')).secret).toBe('file');
      expect(await shaky.password('lab')).toBe('p');
    }
  });

  it('says so when it is locked later', async () => {
    const keyring = memoryKeyring();
    await createProfileStore({ homeDir, env: {}, keyring }).save(lab, 'p');
    const error = await errorOf(() => store.password('lab'));
    expect(error.code).toBe('NDI_E_NO_CREDENTIALS');
    expect(error.message).toContain('keyring');
  });
});
