import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyDb, type DbOptions, openDb } from './db.ts';
import { migrate } from './migrate.ts';
import { SLICE_ROWS, sliced } from './sliced.ts';
import type { Row } from './types.ts';

const STORE = {
  codes: {
    busy: 'NDI_E_LEDGER_BUSY',
    corrupt: 'NDI_E_LEDGER',
    cannotOpen: 'NDI_E_SERVICE',
    newer: 'NDI_E_LEDGER_NEWER',
  },
  durability: 'power-loss',
} as const satisfies DbOptions;

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sqlite-'));
  path = join(dir, 'store.sqlite');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const failing = (code: string) => expect.objectContaining({ code });
const table = { ...STORE, migrations: ['CREATE TABLE t (x INTEGER PRIMARY KEY, y TEXT) STRICT'] };
const count = (db: { get(sql: string): Row | undefined }): unknown =>
  db.get('SELECT count(*) AS n FROM t')?.n;

describe('a database that is opened', () => {
  it('makes its folder, for its owner only', () => {
    const inner = join(dir, 'a', 'b', 'store.sqlite');
    openDb(inner, STORE).close();
    expect(statSync(join(dir, 'a', 'b')).mode & 0o777).toBe(0o700);
  });

  it('syncs every commit when a power cut must not cost one, and none when it may', () => {
    const strict = openDb(path, STORE);
    expect(strict.get('PRAGMA journal_mode')?.journal_mode).toBe('wal');
    expect(strict.get('PRAGMA synchronous')?.synchronous).toBe(2);
    strict.close();
    const quick = openDb(path, { ...STORE, durability: 'process-death' });
    expect(quick.get('PRAGMA synchronous')?.synchronous).toBe(0);
    quick.close();
  });

  it('syncs less within a lazy transaction, and as before after it, whether it worked or not', () => {
    const db = openDb(path, table);
    const level = () => db.get('PRAGMA synchronous')?.synchronous;
    db.lazily(() => {
      expect(level()).toBe(1);
      db.run('INSERT INTO t VALUES (1, NULL)');
    });
    expect(level()).toBe(2);
    expect(() =>
      db.lazily(() => {
        db.run('INSERT INTO t VALUES (2, NULL)');
        throw new Error('no');
      }),
    ).toThrow('no');
    expect([level(), count(db)]).toEqual([2, 1]);
    db.close();
  });

  it('may be closed twice, and says of a use after it that it was interrupted', () => {
    const db = openDb(path, table);
    db.close();
    db.close();
    expect(() => db.get('SELECT 1')).toThrow(failing('NDI_E_INTERRUPTED'));
    expect(() => db.transaction(() => 1)).toThrow(failing('NDI_E_INTERRUPTED'));
  });
});

describe('a transaction', () => {
  it('is undone as a whole when its work throws, with the ones inside it', () => {
    const db = openDb(path, table);
    expect(() =>
      db.transaction(() => {
        db.run('INSERT INTO t VALUES (1, NULL)');
        db.transaction(() => db.run('INSERT INTO t VALUES (2, NULL)'));
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(count(db)).toBe(0);
    expect(db.transaction(() => db.run('INSERT INTO t VALUES (1, NULL)'))).toBe(1);
    expect(count(db)).toBe(1);
    db.close();
  });

  it('waits for another connection’s, and is busy when that takes too long', () => {
    const db = openDb(path, { ...table, busyTimeoutMs: 20 });
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    expect(() => db.transaction(() => 1)).toThrow(failing('NDI_E_LEDGER_BUSY'));
    other.exec('ROLLBACK');
    expect(db.transaction(() => 1)).toBe(1);
    other.close();
    db.close();
  });
});

describe('a migration', () => {
  const steps = ['CREATE TABLE t (x INTEGER)', 'ALTER TABLE t ADD COLUMN y', 'CREATE TABLE u (z INTEGER)'];

  it('takes the steps that a file lacks, once', () => {
    openDb(path, { ...STORE, migrations: steps.slice(0, 1) }).close();
    for (let n = 0; n < 2; n += 1) {
      const db = openDb(path, { ...STORE, migrations: steps });
      expect(db.get('PRAGMA user_version')?.user_version).toBe(3);
      db.close();
    }
  });

  it('takes all steps or none', () => {
    const db = openDb(path, STORE);
    expect(() => migrate(db, [...steps, 'CREATE NONSENSE'], 'NDI_E_LEDGER_NEWER')).toThrow();
    expect(db.get(`SELECT name FROM sqlite_schema WHERE name = 't'`)).toBeUndefined();
    expect(db.get('PRAGMA user_version')?.user_version).toBe(0);
    db.close();
  });

  it('leaves the file of a newer program alone, and holds no connection to it', () => {
    openDb(path, { ...STORE, migrations: steps }).close();
    const before = readFileSync(path);
    expect(() => openDb(path, { ...STORE, migrations: steps.slice(0, 2) })).toThrow(
      failing('NDI_E_LEDGER_NEWER'),
    );
    expect(readFileSync(path).equals(before)).toBe(true);
  });
});

describe('what goes wrong with a real file', () => {
  it('is damage when the file is no database', () => {
    writeFileSync(path, 'this is no database, and long enough to be looked at '.repeat(20));
    expect(() => openDb(path, STORE)).toThrow(failing('NDI_E_LEDGER'));
  });

  it('is not openable when a folder has its name, or a file its folder’s', () => {
    mkdirSync(path);
    expect(() => openDb(path, STORE)).toThrow(failing('NDI_E_SERVICE'));
    writeFileSync(join(dir, 'file'), '');
    expect(() => openDb(join(dir, 'file', 'store.sqlite'), STORE)).toThrow(failing('NDI_E_SERVICE'));
  });

  it('is a full disk when the file may not grow', () => {
    const db = openDb(path, table);
    db.exec('PRAGMA max_page_count = 4');
    expect(() => db.transaction(() => db.run('INSERT INTO t VALUES (1, ?)', 'x'.repeat(100_000)))).toThrow(
      failing('NDI_E_DISK_FULL'),
    );
    expect(count(db)).toBe(0);
    db.close();
  });

  it('is a read-only file when writing is refused', () => {
    const db = openDb(path, table);
    db.exec('PRAGMA query_only = ON');
    expect(() => db.run('INSERT INTO t VALUES (1, NULL)')).toThrow(failing('NDI_E_READ_ONLY'));
    db.close();
  });

  it.skipIf(process.getuid?.() === 0)('is a read-only folder when its file may not be written', () => {
    openDb(path, table).close();
    chmodSync(path, 0o400);
    expect(() => openDb(path, table).run('INSERT INTO t VALUES (1, NULL)')).toThrow(
      failing('NDI_E_READ_ONLY'),
    );
  });

  it('is a mistake in the program when a row breaks a constraint, or the SQL is wrong', () => {
    const db = openDb(path, table);
    db.run('INSERT INTO t VALUES (1, NULL)');
    expect(() => db.run('INSERT INTO t VALUES (1, NULL)')).toThrow(failing('NDI_E_INTERNAL'));
    expect(() => db.get('SELECT nothing FROM t')).toThrow(failing('NDI_E_INTERNAL'));
    db.close();
  });

  // The limit makes write(2) fail with EFBIG, which SQLite reports as IOERR_WRITE, as it does EIO.
  it.skipIf(process.platform === 'win32')('is the disk’s error, not damage, when a write fails', () => {
    openDb(path, table).close();
    const script = `
      import { openDb } from ${JSON.stringify(new URL('./db.ts', import.meta.url).href)};
      const db = openDb(${JSON.stringify(path)}, ${JSON.stringify(STORE)});
      try {
        db.run('INSERT INTO t VALUES (1, ?)', 'x'.repeat(2_000_000));
      } catch (error) {
        console.log(error.code, error.class, error.cause.errcode);
      }`;
    const { stdout, stderr } = spawnSync(
      'sh',
      [
        '-c',
        `trap '' XFSZ; ulimit -f 512; exec "$0" --input-type=module-typescript -e "$1"`,
        process.execPath,
        script,
      ],
      { encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    expect(stdout.trim()).toBe('NDI_E_DISK_IO retryable 778');
    const db = openDb(path, table);
    expect(count(db)).toBe(0);
    db.close();
  });
});

describe('a copy', () => {
  it('holds what was committed, while the original is in use, and leaves it as it is', async () => {
    const db = openDb(path, table);
    db.run('INSERT INTO t VALUES (1, NULL)');
    const before = readFileSync(path);
    const copy = join(dir, 'copy.sqlite');
    await copyDb(path, copy, STORE.codes);
    expect(readFileSync(path).equals(before)).toBe(true);
    const copied = openDb(copy, table);
    expect(count(copied)).toBe(1);
    copied.close();
    db.close();
  });

  it('of nothing, or of no database, is an error of the store', async () => {
    const copy = join(dir, 'copy.sqlite');
    await expect(copyDb(join(dir, 'none'), copy, STORE.codes)).rejects.toMatchObject({
      code: 'NDI_E_SERVICE',
    });
    writeFileSync(path, 'this is no database, and long enough to be looked at '.repeat(20));
    await expect(copyDb(path, copy, STORE.codes)).rejects.toMatchObject({ code: 'NDI_E_LEDGER' });
  });
});

describe('a sliced query', () => {
  it('gives all rows in order, and lets its reader write between slices', () => {
    const db = openDb(path, { ...table, durability: 'process-death' });
    const rows = 2 * SLICE_ROWS + 1;
    db.transaction(() => {
      for (let x = 0; x < rows; x += 1) db.run('INSERT INTO t VALUES (?, NULL)', x);
    });
    const next = (last: Row | undefined): Row[] =>
      db.all('SELECT x FROM t WHERE x > ? ORDER BY x LIMIT ?', last?.x ?? -1, SLICE_ROWS);
    let seen = 0;
    for (const row of sliced(next)) {
      expect(row.x).toBe(seen);
      db.run('UPDATE t SET y = ? WHERE x = ?', 'seen', row.x ?? 0);
      seen += 1;
    }
    expect(seen).toBe(rows);
    expect(db.get(`SELECT count(*) AS n FROM t WHERE y = 'seen'`)?.n).toBe(rows);
    db.close();
  });
});
