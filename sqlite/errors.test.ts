import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CourierError, ERRORS, type ErrorCode } from '../errors/index.ts';
import { LEDGER_DB } from '../ledger/schema.ts';
import { DATASET_CODES } from '../ndi/dataset/sqlite.ts';
import { SANDBOX_DB } from '../sandbox/store.ts';
import { LOCK_CODES } from '../workers/lock.ts';
import { databaseError, type SqliteCodes, sqliteFailure } from './errors.ts';

const USERS: Record<string, SqliteCodes> = {
  ledger: LEDGER_DB.codes,
  dataset: DATASET_CODES,
  lock: LOCK_CODES,
  sandbox: SANDBOX_DB.codes,
};

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sqlite-errors-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const said = (errcode: number): Error =>
  Object.assign(new Error(`result ${errcode}`), { code: 'ERR_SQLITE_ERROR', errcode });
const codeFor = (errcode: number, codes: SqliteCodes): ErrorCode =>
  databaseError(said(errcode), join(dir, 'x.sqlite'), codes).code;

/**
 * For each primary code: the code of all users, or one per user in the order ledger, dataset, lock, sandbox.
 */
const BUSY = ['NDI_E_LEDGER_BUSY', 'NDI_E_DATABASE_BUSY', 'NDI_E_SERVICE', 'NDI_E_SANDBOX'];
const CORRUPT = ['NDI_E_LEDGER', 'NDI_E_DATABASE_CORRUPT', 'NDI_E_SERVICE', 'NDI_E_SANDBOX'];
const CANNOT_OPEN = ['NDI_E_LEDGER', 'NDI_E_READ_ONLY', 'NDI_E_SERVICE', 'NDI_E_SANDBOX'];
const INTERNAL = 'NDI_E_INTERNAL';
const PRIMARY: Record<string, readonly [number, string | readonly string[]]> = {
  ERROR: [1, [INTERNAL, 'NDI_E_DATABASE_CORRUPT', INTERNAL, INTERNAL]],
  INTERNAL: [2, INTERNAL],
  PERM: [3, 'NDI_E_READ_ONLY'],
  ABORT: [4, 'NDI_E_INTERRUPTED'],
  BUSY: [5, BUSY],
  LOCKED: [6, BUSY],
  NOMEM: [7, 'NDI_E_OUT_OF_MEMORY'],
  READONLY: [8, 'NDI_E_READ_ONLY'],
  INTERRUPT: [9, 'NDI_E_INTERRUPTED'],
  IOERR: [10, 'NDI_E_DISK_IO'],
  CORRUPT: [11, CORRUPT],
  NOTFOUND: [12, INTERNAL],
  FULL: [13, 'NDI_E_DISK_FULL'],
  CANTOPEN: [14, CANNOT_OPEN],
  PROTOCOL: [15, 'NDI_E_FILE_LOCKS'],
  EMPTY: [16, INTERNAL],
  SCHEMA: [17, BUSY],
  TOOBIG: [18, INTERNAL],
  CONSTRAINT: [19, INTERNAL],
  MISMATCH: [20, INTERNAL],
  MISUSE: [21, INTERNAL],
  NOLFS: [22, CANNOT_OPEN],
  AUTH: [23, INTERNAL],
  FORMAT: [24, INTERNAL],
  RANGE: [25, INTERNAL],
  NOTADB: [26, CORRUPT],
};

describe('the result codes of SQLite', () => {
  for (const [user, [name, codes]] of Object.entries(USERS).entries()) {
    it(`each have the right error for the ${name}`, () => {
      const expected = Object.entries(PRIMARY).map(([primary, [, code]]) => [
        primary,
        typeof code === 'string' ? code : code[user],
      ]);
      const found = Object.entries(PRIMARY).map(([primary, [errcode]]) => [primary, codeFor(errcode, codes)]);
      expect(found).toEqual(expected);
      // No code from 1 to 26 is left out of the table.
      expect(Object.values(PRIMARY).map(([errcode]) => errcode)).toEqual(
        Array.from({ length: 26 }, (_, n) => n + 1),
      );
    });

    it(`carry their primary meaning into every extended code for the ${name}`, () => {
      // IOERR_READ, _WRITE, _FSYNC, _TRUNCATE, _SHMSIZE, _MMAP, _CORRUPTFS
      for (const errcode of [266, 778, 1034, 1546, 4874, 6154, 8458])
        expect(codeFor(errcode, codes)).toBe('NDI_E_DISK_IO');
      // BUSY_RECOVERY, BUSY_SNAPSHOT, BUSY_TIMEOUT, LOCKED_SHAREDCACHE
      for (const errcode of [261, 517, 773, 262]) expect(codeFor(errcode, codes)).toBe(codes.busy);
      // CORRUPT_VTAB, CORRUPT_SEQUENCE, CORRUPT_INDEX
      for (const errcode of [267, 523, 779]) expect(codeFor(errcode, codes)).toBe(codes.corrupt);
      // CANTOPEN_ISDIR, CANTOPEN_SYMLINK
      for (const errcode of [526, 1550]) expect(codeFor(errcode, codes)).toBe(codes.cannotOpen);
    });

    it(`never call a machine’s failure damage or a reason to give up, for the ${name}`, () => {
      // IOERR_NOMEM, NOMEM, IOERR, IOERR_FSYNC, IOERR_LOCK, PROTOCOL, INTERRUPT, ABORT_ROLLBACK
      for (const errcode of [3082, 7, 10, 1034, 3850, 15, 9, 516])
        expect(ERRORS[codeFor(errcode, codes)].class).toBe('retryable');
    });
  }

  it('that are extended are told from their primary codes where these say something else', () => {
    const names = [264, 776, 1032, 513, 2314, 3850, 5130, 3082, 8202].map((errcode) =>
      sqliteFailure(said(errcode)),
    );
    expect(names).toEqual([
      'recovery',
      'recovery',
      'cannotOpen',
      'busy',
      'locks',
      'locks',
      'locks',
      'memory',
      'corrupt',
    ]);
  });

  it('of a hot journal say that a dataset is busy', () => {
    expect(codeFor(776, DATASET_CODES)).toBe('NDI_E_DATABASE_BUSY');
    expect(codeFor(776, LEDGER_DB.codes)).toBe('NDI_E_READ_ONLY');
  });
});

describe('an error that is not SQLite’s', () => {
  const codes = LEDGER_DB.codes;
  const system = (code: string): Error => Object.assign(new Error(code), { code });

  it('has no SQLite failure', () => {
    for (const error of [new Error('x'), system('ENOSPC'), undefined, null, 'text'])
      expect(sqliteFailure(error)).toBeUndefined();
  });

  it('stays itself when it is ours', () => {
    const ours = new CourierError('NDI_E_BAD_ID');
    expect(databaseError(ours, '/x', codes)).toBe(ours);
  });

  it('from the operating system has the code of what the disk said', () => {
    const codeOf = (code: string) => databaseError(system(code), join(dir, 'x'), codes).code;
    expect(codeOf('ENOSPC')).toBe('NDI_E_DISK_FULL');
    expect(codeOf('EROFS')).toBe('NDI_E_READ_ONLY');
    // The disk failed, or its file system went away.
    for (const code of ['EIO', 'ESTALE', 'ENODEV', 'ENXIO', 'ENOTCONN', 'EHOSTDOWN'])
      expect(codeOf(code)).toBe('NDI_E_DISK_IO');
    expect(codeOf('ENOMEM')).toBe('NDI_E_OUT_OF_MEMORY');
  });

  it('from the program is its mistake, with the cause kept', () => {
    const cause = new TypeError('no');
    const error = databaseError(cause, '/x/y.sqlite', codes);
    expect(error).toMatchObject({ code: 'NDI_E_INTERNAL', cause });
    expect(error.message).toContain('/x/y.sqlite: no');
  });
});
