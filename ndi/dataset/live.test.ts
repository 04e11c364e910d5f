/** Changing a dataset that people use: by random batches, against a model and against a dataset built anew. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inTempDir, rows, tamper } from '../../test/fixtures/dataset.ts';
import {
  build,
  type Change,
  change,
  content,
  idOf,
  recording,
  subject,
  UIDS,
  versionOf,
  wrongOwners,
} from '../../test/fixtures/live-dataset.ts';
import { canonicalHash } from '../document/canonical.ts';
import { databasePath } from './layout.ts';
import { type Leaving, type LiveChange, type LiveDataset, type LiveResult, openLiveDataset } from './live.ts';
import { placeFile } from './place.ts';
import { openDataset } from './read.ts';
import { databaseStamp } from './stamp.ts';

type Model = Map<number, number>;

/** Applies one batch to the dataset and to the model, and compares their answers. */
function applyToBoth(live: LiveDataset, model: Model, batch: readonly Change[]): void {
  const hashOf = (item: number): string | null => {
    const version = model.get(item);
    return version === undefined ? null : canonicalHash(versionOf(item, version));
  };
  const expectations: Partial<LiveResult>[] = [];
  const touched = new Set<number>();
  const changes = batch.map(({ item, version, what, isStale }): LiveChange => {
    const found = hashOf(item);
    const ndiId = idOf(item);
    const expected = isStale || (what === 'remove' && found === null) ? 'stale' : found;
    const wanted = what === 'remove' ? null : canonicalHash(versionOf(item, version));
    const isDone = wanted === found || (!isStale && (what === 'put' || found !== null));
    // Back to what was expected, within a batch that had changed it.
    const isRewrite = touched.has(item) && wanted === expected;
    const outcome = isDone ? (wanted === found && !isRewrite ? 'already' : 'done') : 'moved';
    expectations.push({ ndiId, found, outcome });
    if (outcome === 'done') touched.add(item);
    if (isDone && what === 'remove') model.delete(item);
    else if (isDone) model.set(item, version);
    return what === 'remove'
      ? { kind: 'remove', ndiId, expected: expected ?? '' }
      : { kind: 'put', document: versionOf(item, version), expected };
  });
  expect(live.apply(changes)).toEqual(expectations);
}

describe.each(['matlab', 'python'] as const)('a dataset that people use, made by %s', (layout) => {
  it('holds after any batches what a dataset built anew with the same documents holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 4 }), (batches) =>
        inTempDir(async (dir) => {
          const [lived, built] = [join(dir, 'lived'), join(dir, 'built')];
          await build(lived, [versionOf(0, 0), versionOf(1, 3)], layout);
          const model: Model = new Map([
            [0, 0],
            [1, 3],
          ]);
          const live = openLiveDataset(lived);
          expect(live.layout).toBe(layout);
          for (const batch of batches) applyToBoth(live, model, batch);
          live.close();
          const documents = [...model].map(([item, version]) => versionOf(item, version));
          await build(built, documents, layout);
          expect(content(lived)).toEqual(content(built));
          expect(wrongOwners(lived)).toEqual([]);
          expect(rows(lived, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
          expect(rows(lived, 'PRAGMA foreign_key_check')).toEqual([]);
          expect(rows(lived, 'PRAGMA journal_mode')).toEqual([{ journal_mode: 'delete' }]);
          const reader = openDataset(lived);
          expect(reader.documentCount()).toBe(model.size + 1);
          reader.close();
        }),
      ),
      { numRuns: 20 },
    );
  });

  it('writes times in the unit of its maker', () =>
    inTempDir(async (dir) => {
      await build(dir, [], layout);
      const live = openLiveDataset(dir);
      live.apply([{ kind: 'put', document: subject(2, 'cy'), expected: null }]);
      live.close();
      const times = rows(dir, 'SELECT timestamp FROM docs').map(({ timestamp }) => Number(timestamp));
      for (const time of times) expect(time < 1e7 ? 'matlab' : 'python').toBe(layout);
      expect(times).toHaveLength(2);
    }));
});

describe('a dataset that people use', () => {
  it('is changed by nothing of a batch when what leaves could not be kept', () =>
    inTempDir(async (dir) => {
      await build(dir, [subject(0, 'ada'), subject(1, 'bo')]);
      const before = content(dir);
      const seen: Leaving[] = [];
      const live = openLiveDataset(dir, {
        onLeaving: (leaving) => {
          seen.push(...leaving);
          throw new Error('the trash is full');
        },
      });
      const expected = canonicalHash(subject(0, 'ada'));
      expect(() =>
        live.apply([
          { kind: 'put', document: subject(2, 'cy'), expected: null },
          { kind: 'remove', ndiId: idOf(0), expected },
        ]),
      ).toThrow('the trash is full');
      live.close();
      expect(seen).toMatchObject([{ ndiId: idOf(0), hash: expected }]);
      expect(content(dir)).toEqual(before);
    }));

  it('that another program writes is waited for, and then the program is named', () =>
    inTempDir(async (dir) => {
      await build(dir, []);
      const script = `
        const database = new (require('node:sqlite').DatabaseSync)(process.argv[1]);
        database.exec('BEGIN EXCLUSIVE');
        process.stdout.write('locked');
        setInterval(() => {}, 1000);`;
      const other = spawn(process.execPath, ['-e', script, databasePath(dir)]);
      await once(other.stdout, 'data');
      const change = { kind: 'put', document: subject(2, 'cy'), expected: null } as const;
      const holder = process.platform === 'linux' ? `locked in node (process ${other.pid})` : 'locked';
      try {
        expect(() => openLiveDataset(dir, { busyTimeoutMs: 50 }).apply([change])).toThrow(
          expect.objectContaining({
            code: 'NDI_E_DATABASE_BUSY',
            class: 'needs-person',
            detail: expect.stringContaining(holder),
          }),
        );
      } finally {
        other.kill('SIGKILL');
        await once(other, 'close');
      }
      const live = openLiveDataset(dir, { busyTimeoutMs: 50 });
      expect(live.apply([change])).toMatchObject([{ outcome: 'done' }]);
      live.close();
    }));

  it('whose database is replaced meanwhile is not written any more', () =>
    inTempDir(async (dir) => {
      await build(dir, []);
      const live = openLiveDataset(dir);
      copyFileSync(databasePath(dir), join(dir, 'other'));
      renameSync(join(dir, 'other'), databasePath(dir));
      const change = { kind: 'put', document: subject(2, 'cy'), expected: null } as const;
      expect(() => live.apply([change])).toThrow(
        expect.objectContaining({ code: 'NDI_E_DATABASE_REPLACED', class: 'moved' }),
      );
      expect(rows(dir, 'SELECT doc_id FROM docs')).toHaveLength(1);
      rmSync(databasePath(dir));
      expect(() => live.apply([change])).toThrow(
        expect.objectContaining({ code: 'NDI_E_DATABASE_REPLACED' }),
      );
      live.close();
      expect(existsSync(databasePath(dir))).toBe(false);
    }));

  it('is not made where it is missing, and a damaged one is named', () =>
    inTempDir(async (dir) => {
      expect(() => openLiveDataset(dir)).toThrow(expect.objectContaining({ code: 'NDI_E_NOT_A_DATASET' }));
      mkdirSync(join(dir, '.ndi'));
      expect(() => openLiveDataset(dir)).toThrow(expect.objectContaining({ code: 'NDI_E_NOT_A_DATASET' }));
      expect(readdirSync(join(dir, '.ndi'))).toEqual([]);
      writeFileSync(databasePath(dir), 'no database, and long enough to be looked at '.repeat(100));
      expect(() => openLiveDataset(dir)).toThrow(expect.objectContaining({ code: 'NDI_E_DATABASE_CORRUPT' }));
    }));

  it('keeps its write-ahead log, and its readers, while it is changed', () =>
    inTempDir(async (dir) => {
      await build(dir, []);
      tamper(dir, 'PRAGMA journal_mode = WAL');
      const other = new DatabaseSync(databasePath(dir));
      other.exec('BEGIN');
      other.prepare('SELECT count(*) FROM docs').get();
      const live = openLiveDataset(dir, { busyTimeoutMs: 50 });
      expect(live.apply([{ kind: 'put', document: subject(2, 'cy'), expected: null }])).toMatchObject([
        { outcome: 'done' },
      ]);
      live.close();
      other.exec('COMMIT');
      expect(other.prepare('SELECT count(*) AS n FROM docs').get()?.n).toBe(2);
      expect(other.prepare('PRAGMA journal_mode').get()?.journal_mode).toBe('wal');
      other.close();
    }));

  it('leaves the rows of a document that is there already as its own client wrote them', () =>
    inTempDir(async (dir) => {
      const ada = subject(0, 'ada');
      await build(dir, [ada]);
      tamper(dir, `UPDATE doc_data SET value = '[1x3] double' WHERE value = 'ada'`);
      tamper(
        dir,
        `UPDATE docs SET json_code = replace(json_code, '{"document_class"', '{ "document_class"')`,
      );
      const before = content(dir);
      const live = openLiveDataset(dir);
      const expected = canonicalHash(ada);
      for (const one of [expected, null])
        expect(live.apply([{ kind: 'put', document: ada, expected: one }])).toMatchObject([
          { outcome: 'already' },
        ]);
      live.close();
      expect(content(dir)).toEqual(before);
    }));

  it('compares a document whose text is stored as bytes', () =>
    inTempDir(async (dir) => {
      await build(dir, [subject(0, 'ada')]);
      tamper(dir, 'UPDATE docs SET json_code = CAST(json_code AS BLOB)');
      const live = openLiveDataset(dir);
      const expected = canonicalHash(subject(0, 'ada'));
      expect(live.apply([{ kind: 'put', document: subject(0, 'bo'), expected }])).toMatchObject([
        { outcome: 'done', found: expected },
      ]);
      live.close();
    }));

  it('loses no binary that a document uses', () =>
    inTempDir(async (dir) => {
      const [uid] = UIDS;
      const second = (item: number): string => `${idOf(item)}_filename1.ext`;
      await build(dir, [recording(0, 1, uid), recording(1, 2, uid)]);
      const source = join(dir, 'source');
      writeFileSync(source, 'bytes');
      const uses = [0, 1].map((item) => ({ documentId: idOf(item), name: 'filename1.ext' }));
      expect(placeFile(dir, uid, source, uses)).toBe('done');
      const live = openLiveDataset(dir);
      const remove = (item: number, value: number): LiveChange => ({
        kind: 'remove',
        ndiId: idOf(item),
        expected: canonicalHash(recording(item, value, uid)),
      });
      live.apply([remove(0, 1)]);
      expect([...live.unusedFiles]).toEqual([second(0)]);
      expect(rows(dir, 'SELECT doc_id FROM files JOIN docs USING (doc_idx)')).toEqual([{ doc_id: idOf(1) }]);
      expect(live.discardFiles([uid, second(0), second(1)])).toEqual([second(0)]);
      live.apply([remove(1, 2)]);
      expect(live.discardFiles([uid, second(1), '../../source'])).toEqual([uid, second(1)]);
      live.close();
      expect(readdirSync(join(dir, '.ndi', 'files'))).toEqual([]);
      expect(readFileSync(source, 'utf8')).toBe('bytes');
    }));
});

describe('the stamp of a database', () => {
  it('grows with each change, and is not touched by reading', () =>
    inTempDir(async (dir) => {
      await build(dir, []);
      const before = databaseStamp(dir);
      openDataset(dir).close();
      expect(databaseStamp(dir)).toEqual(before);
      const live = openLiveDataset(dir);
      live.apply([{ kind: 'put', document: subject(2, 'cy'), expected: null }]);
      live.close();
      const after = databaseStamp(dir);
      expect(after.inode).toBe(before.inode);
      expect(after.changes).toBeGreaterThan(before.changes);
    }));
});
