import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isCourierError } from '../errors/index.ts';
import { DEFAULT_TUNING } from '../workflows/contracts/index.ts';
import { downloadOptions, flagOf, readConfig, resolveOptions, tuningOf, uploadOptions } from './options.ts';
import { checkCloudId, uploadTarget } from './preflight.ts';

const ID = '65a1b2c3d4e5f60718293a4b';

function usage(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (isCourierError(error, 'NDI_E_USAGE')) return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('options', () => {
  it('come from the caller, then the environment, then the file, then the default', () => {
    const env = { NDI_COURIER_PROFILE: 'from-env' };
    const config = { profile: 'from-file', window: 7 };
    expect(resolveOptions(uploadOptions, { profile: 'given' }, { env, config })).toMatchObject({
      profile: 'given',
      window: 7,
      strategy: 'zip',
      asNew: false,
    });
    expect(resolveOptions(uploadOptions, {}, { env, config }).profile).toBe('from-env');
    expect(resolveOptions(uploadOptions, {}, { config }).profile).toBe('from-file');
    expect(resolveOptions(uploadOptions, {}).window).toBe(4);
  });

  it('take numbers as they are typed', () => {
    expect(resolveOptions(downloadOptions, { window: '12' }).window).toBe(12);
  });

  it('know the variable of the other clients for uploads without zip', () => {
    const strategy = (value: string) =>
      resolveOptions(uploadOptions, {}, { env: { NDI_CLOUD_UPLOAD_NO_ZIP: value } }).strategy;
    expect([strategy('true'), strategy('TRUE'), strategy('1'), strategy('yes')]).toEqual(
      Array(4).fill('serial'),
    );
    expect([strategy('false'), strategy('0'), strategy('no'), strategy('')]).toEqual(Array(4).fill('zip'));
  });

  it('are refused all at once, as a person would type them', () => {
    const message = usage(() => resolveOptions(uploadOptions, { window: 65, to: 'abc', nonsense: 1 }));
    expect(message).toContain('--window');
    expect(message).toContain('--to');
    expect(message).toContain('nonsense');
  });

  it('name flags with dashes', () => {
    expect(flagOf('asNew')).toBe('--as-new');
  });
});

describe('a tuning number', () => {
  it('is a flag, a key of the configuration and of the library, with the limits of the table', () => {
    const given = { zipBytes: '1000000', tuning: { pollMaxMs: 1_000 } };
    const config = { documentsPerUnit: 500 };
    const tuning = tuningOf(resolveOptions(uploadOptions, given, { config }));
    expect(tuning).toEqual({
      ...DEFAULT_TUNING,
      zipBytes: 1_000_000,
      pollMaxMs: 1_000,
      documentsPerUnit: 500,
    });
  });

  it.each([
    ['an impossible value', { window: 0 }, '--window: must be a whole number of units from 1 to 64.'],
    ['text', { zipFiles: 'many' }, '--zip-files: must be a whole number of files from 1 to 10000.'],
    ['a fraction', { pollMinMs: 1.5 }, '--poll-min-ms: must be a whole number of ms'],
    ['a misspelt key', { windows: 3 }, 'There is no option `windows`.'],
    ['a misspelt tuning number', { tuning: { zipFile: 3 } }, 'there is no tuning number zipFile'],
  ])('is refused as %s, whether given or configured', (_, wrong, message) => {
    expect(() => resolveOptions(uploadOptions, wrong)).toThrow(message);
    expect(() => resolveOptions(uploadOptions, {}, { config: wrong })).toThrow(message);
  });
});

describe('the configuration file', () => {
  const dir = mkdtempSync(join(tmpdir(), 'courier-config-'));
  afterAll(() => rmSync(dir, { recursive: true }));

  it('may be missing', () => {
    expect(readConfig(join(dir, 'none.json'))).toEqual({});
  });

  it('holds sections per command', () => {
    const path = join(dir, 'config.json');
    writeFileSync(path, '{"upload":{"window":8}}');
    expect(readConfig(path)).toEqual({ upload: { window: 8 } });
  });

  it('is refused when it is something else', () => {
    const path = join(dir, 'bad.json');
    writeFileSync(path, '[1]');
    expect(usage(() => readConfig(path))).toContain(path);
  });
});

describe('where an upload goes', () => {
  it('follows the link, creates, or goes where it is told', () => {
    expect(uploadTarget({ new: undefined, to: undefined, asNew: false })).toEqual({
      kind: 'linked-or-new',
      name: null,
    });
    expect(uploadTarget({ new: 'N', to: undefined, asNew: true })).toEqual({ kind: 'as-new', name: 'N' });
    expect(uploadTarget({ new: undefined, to: ID.toUpperCase(), asNew: false })).toEqual({
      kind: 'to',
      cloudDatasetId: ID,
    });
  });

  it('refuses contradictions', () => {
    expect(usage(() => uploadTarget({ new: 'N', to: ID, asNew: false }))).toContain('--new');
    expect(usage(() => uploadTarget({ new: undefined, to: ID, asNew: true }))).toContain('--as-new');
  });
});

describe('a cloud id', () => {
  it('has 24 hexadecimal digits and nothing that could lead out of a folder', () => {
    expect(checkCloudId(ID)).toBe(ID);
    for (const bad of ['', '../../etc', `${ID}/..`, `${ID}x`, 'a\\b', '..']) {
      expect(() => checkCloudId(bad)).toThrow(expect.objectContaining({ code: 'NDI_E_BAD_ID' }));
    }
  });
});
