/** Restore points, and the way back to them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fingerprint, inTempDir, rows, tamper } from '../../test/fixtures/dataset.ts';
import { build, change, content, idOf, subject, versionOf } from '../../test/fixtures/live-dataset.ts';
import { canonicalHash } from '../document/canonical.ts';
import { databasePath, ndiDir } from './layout.ts';
import { type Leaving, type LiveChange, openLiveDataset } from './live.ts';
import { restore } from './restore.ts';
import { listRestorePoints, makeRestorePoint } from './restore-points.ts';

const failing = (code: string, detail = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(detail) });
const ignore = { onLeaving: () => undefined };

function apply(dir: string, changes: readonly LiveChange[]): void {
  const live = openLiveDataset(dir);
  live.apply(changes);
  live.close();
}

describe.each(['matlab', 'python'] as const)('a dataset made by %s', (layout) => {
  it('comes back to its point, row by row, whatever was done since', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 8 }), (changes) =>
        inTempDir(async (dir) => {
          const points = join(dir, 'points');
          await build(dir, [versionOf(0, 0), versionOf(1, 3), versionOf(2, 4)], layout);
          // A value as its own client wrote it, and a document that MATLAB deleted: only its branch row goes.
          tamper(dir, `UPDATE doc_data SET value = '[1x3] double' WHERE value = 'animal 0'`);
          tamper(
            dir,
            `DELETE FROM branch_docs WHERE doc_idx = (SELECT doc_idx FROM docs WHERE doc_id = '${idOf(2)}')`,
          );
          const before = content(dir);
          const owners = 'SELECT doc_id, uid FROM files JOIN docs USING (doc_idx) ORDER BY 1, 2';
          const ownersBefore = rows(dir, owners);
          await makeRestorePoint(dir, points, 'run');
          const live = openLiveDataset(dir);
          for (const { item, version, what } of changes) {
            const document = versionOf(item, version);
            const [found] = live.apply([{ kind: 'remove', ndiId: idOf(item), expected: 'look' }]);
            const expected = found?.found ?? null;
            if (what === 'put') live.apply([{ kind: 'put', document, expected }]);
            else if (expected !== null) live.apply([{ kind: 'remove', ndiId: idOf(item), expected }]);
          }
          live.close();
          const leaving: Leaving[] = [];
          const restored = await restore(dir, points, 'run', { onLeaving: (some) => leaving.push(...some) });
          expect(content(dir)).toEqual(before);
          expect(rows(dir, owners)).toEqual(ownersBefore);
          expect(leaving.map(({ ndiId }) => ndiId).sort()).toEqual(
            [...restored.removed, ...restored.replaced].sort(),
          );
          expect(rows(dir, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
          const again = await restore(dir, points, 'run', ignore);
          expect([again.back, again.replaced, again.removed]).toEqual([[], [], []]);
        }),
      ),
      { numRuns: 20 },
    );
  });
});

describe('a restore', () => {
  const ada = subject(0, 'ada');
  const hash = canonicalHash(ada);

  it('says what changed, and keeps file, journal mode and the connections of others', () =>
    inTempDir(async (dir) => {
      await build(dir, [ada, subject(1, 'bo')]);
      tamper(dir, 'PRAGMA journal_mode = WAL');
      const points = join(ndiDir(dir), 'courier', 'restore');
      await makeRestorePoint(dir, points, 'run');
      apply(dir, [
        { kind: 'put', document: subject(0, 'cy'), expected: hash },
        { kind: 'remove', ndiId: idOf(1), expected: canonicalHash(subject(1, 'bo')) },
        { kind: 'put', document: subject(2, 'cy'), expected: null },
      ]);
      const other = new DatabaseSync(databasePath(dir));
      const names = other.prepare(
        `SELECT value FROM doc_data JOIN fields USING (field_idx) WHERE field_name = 'subject.local_identifier' ORDER BY 1`,
      );
      expect(names.all().map(({ value }) => value)).toEqual(['cy', 'cy']);
      const { ino } = statSync(databasePath(dir));
      const { back, replaced, removed } = await restore(dir, points, 'run', ignore);
      expect({ back, replaced, removed }).toEqual({
        back: [idOf(1)],
        replaced: [idOf(0)],
        removed: [idOf(2)],
      });
      expect(names.all().map(({ value }) => value)).toEqual(['ada', 'bo']);
      expect(other.prepare('PRAGMA journal_mode').get()).toMatchObject({ journal_mode: 'wal' });
      expect(statSync(databasePath(dir)).ino).toBe(ino);
      other.close();
    }));

  it('changes nothing when what leaves cannot be kept, or the database is busy', () =>
    inTempDir(async (dir) => {
      await build(dir, [ada]);
      const points = join(dir, 'points');
      await makeRestorePoint(dir, points, 'run');
      apply(dir, [{ kind: 'put', document: subject(0, 'cy'), expected: hash }]);
      const before = content(dir);
      const full = () => {
        throw new Error('the trash is full');
      };
      await expect(restore(dir, points, 'run', { onLeaving: full })).rejects.toThrow('the trash is full');
      const other = new DatabaseSync(databasePath(dir));
      other.exec('BEGIN IMMEDIATE');
      await expect(restore(dir, points, 'run', { ...ignore, busyTimeoutMs: 30 })).rejects.toEqual(
        failing('NDI_E_DATABASE_BUSY'),
      );
      other.close();
      expect(content(dir)).toEqual(before);
    }));

  it('needs a point that is there and sound', () =>
    inTempDir(async (dir) => {
      await build(dir, [ada]);
      const points = join(dir, 'points');
      await makeRestorePoint(dir, points, 'run');
      await expect(restore(dir, points, 'other', ignore)).rejects.toEqual(
        failing('NDI_E_NOT_FOUND', 'Runs that have one: run'),
      );
      const [{ path } = { path: '' }] = listRestorePoints(points);
      const bytes = readFileSync(path);
      bytes.fill(0x5a, 4096, 12_288);
      writeFileSync(path, bytes);
      const before = fingerprint(ndiDir(dir));
      await expect(restore(dir, points, 'run', ignore)).rejects.toEqual(
        failing('NDI_E_DATABASE_CORRUPT', path),
      );
      expect(fingerprint(ndiDir(dir))).toEqual(before);
    }));

  it('is whole or not at all when it is killed', () =>
    inTempDir(async (dir) => {
      const points = join(dir, 'points');
      await build(dir, [ada]);
      await makeRestorePoint(dir, points, 'run');
      const put = (n: number): LiveChange => ({
        kind: 'put',
        document: {
          ...subject(0, 'x'),
          base: {
            ...(subject(0, 'x').base as object),
            id: `41269700${String(n).padStart(8, '0')}_40b0000000000000`,
          },
        },
        expected: null,
      });
      const script = `
        import { restore } from '${import.meta.dirname}/restore.ts';
        process.stdout.write('.');
        await restore(process.argv[1], process.argv[2], 'run', { onLeaving: () => undefined });`;
      for (const [kill, delayMs] of [0, 20, 60].entries()) {
        apply(
          dir,
          Array.from({ length: 1500 }, (_, n) => put(1000 + n)),
        );
        const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script, dir, points]);
        await once(child.stdout, 'data');
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        child.kill('SIGKILL');
        await once(child, 'close');
        const [count] = rows(dir, 'SELECT count(*) AS n FROM docs');
        expect([2, 1502], `kill ${kill}`).toContain(count?.n);
        expect(rows(dir, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
      }
      await restore(dir, points, 'run', ignore);
      expect(rows(dir, 'SELECT count(*) AS n FROM docs')).toEqual([{ n: 2 }]);
    }));
});

describe('a restore point', () => {
  it('is made once for a run, and the last three are kept', () =>
    inTempDir(async (dir) => {
      await build(dir, [subject(0, 'ada')]);
      const points = join(dir, 'points');
      mkdirSync(points);
      writeFileSync(join(points, 'dead.partial'), 'half');
      const before = fingerprint(ndiDir(dir));
      for (const run of ['a', 'b', 'b', 'c', 'd']) {
        const point = await makeRestorePoint(dir, points, run);
        expect(point).toMatchObject({ runKey: run });
        expect(existsSync(point.path)).toBe(true);
      }
      expect(listRestorePoints(points).map(({ runKey }) => runKey)).toEqual(['d', 'c', 'b']);
      expect(readdirSync(points)).toHaveLength(3);
      expect(fingerprint(ndiDir(dir))).toEqual(before);
      const [newest] = listRestorePoints(points);
      expect(Math.abs(Date.parse(newest?.at ?? '') - Date.now())).toBeLessThan(60_000);
    }));

  it('holds what is in the write-ahead log of another program', () =>
    inTempDir(async (dir) => {
      await build(dir, []);
      const other = new DatabaseSync(databasePath(dir));
      other.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0');
      other.exec(`UPDATE docs SET json_code = 'new'`);
      const { path } = await makeRestorePoint(dir, join(dir, 'points'), 'run');
      other.close();
      const point = new DatabaseSync(path);
      expect(point.prepare('SELECT json_code FROM docs').get()).toMatchObject({ json_code: 'new' });
      point.close();
    }));

  it('is not made of a database that is locked, damaged or missing, and leaves nothing half', () =>
    inTempDir(async (dir) => {
      const points = join(dir, 'points');
      await expect(makeRestorePoint(dir, points, 'run')).rejects.toEqual(failing('NDI_E_NOT_A_DATASET'));
      await build(dir, [subject(0, 'ada')]);
      const other = new DatabaseSync(databasePath(dir));
      other.exec('BEGIN EXCLUSIVE');
      await expect(makeRestorePoint(dir, points, 'run', { busyTimeoutMs: 30 })).rejects.toEqual(
        failing('NDI_E_DATABASE_BUSY'),
      );
      other.close();
      const bytes = readFileSync(databasePath(dir));
      bytes.fill(0x5a, 8192);
      writeFileSync(databasePath(dir), bytes);
      await expect(makeRestorePoint(dir, points, 'run')).rejects.toEqual(failing('NDI_E_DATABASE_CORRUPT'));
      expect(readdirSync(points)).toEqual([]);
      rmSync(points, { recursive: true });
      expect(listRestorePoints(points)).toEqual([]);
    }));
});
