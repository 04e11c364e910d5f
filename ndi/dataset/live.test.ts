/** Changing a dataset that people use: by random batches, against a model and against a dataset built anew. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { D, inTempDir, rows, T } from '../../test/fixtures/dataset.ts';
import { canonicalHash } from '../document/canonical.ts';
import { newDocument } from '../document/classes.ts';
import type { NdiDocument } from '../document/types.ts';
import { finishDataset } from './finish.ts';
import { databasePath } from './layout.ts';
import { type Leaving, type LiveChange, openLiveDataset } from './live.ts';
import { openDataset } from './read.ts';
import { databaseStamp } from './stamp.ts';
import { createDataset, openForWriting } from './write.ts';

const idOf = (item: number): string => `412697000000000${item}_40b000000000000${item}`;

const subject = (item: number, name: string): NdiDocument =>
  newDocument('subject', {
    id: idOf(item),
    sessionId: D,
    createdAt: Date.parse(T),
    values: { subject: { local_identifier: name, description: `animal ${item}` } },
  });

const session = newDocument('session', {
  id: '4126970000000001_40b0000000000000',
  sessionId: D,
  createdAt: Date.parse(T),
  values: { session: { reference: 'live' } },
});

async function build(dir: string, documents: readonly NdiDocument[]): Promise<void> {
  mkdirSync(dir, { recursive: true });
  createDataset(dir);
  const writer = openForWriting(dir);
  writer.addDocuments([session, ...documents]);
  writer.close();
  await finishDataset(dir);
}

/** Everything the database says of each document, in an order that does not depend on when it came. */
const content = (dir: string): unknown[] => [
  rows(dir, 'SELECT doc_id, json_code FROM docs ORDER BY doc_id'),
  rows(dir, 'SELECT doc_id, branch_id FROM branch_docs JOIN docs USING (doc_idx) ORDER BY doc_id'),
  rows(
    dir,
    `SELECT doc_id, field_name, json_name, class, value FROM doc_data JOIN docs USING (doc_idx) JOIN fields USING (field_idx)
     ORDER BY doc_id, field_name, value`,
  ),
  rows(
    dir,
    'SELECT doc_id, filename, uid, cached_location, type FROM files JOIN docs USING (doc_idx) ORDER BY 1, 2',
  ),
];

const change = fc.record({
  item: fc.nat(5),
  name: fc.constantFrom('ada', 'bo', 'cy'),
  what: fc.constantFrom('put', 'put', 'remove'),
  isStale: fc.boolean(),
});

describe('a dataset that people use', () => {
  it('holds after any batches what a dataset built anew with the same documents holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 4 }), (batches) =>
        inTempDir(async (dir) => {
          const lived = join(dir, 'lived');
          await build(lived, [subject(0, 'ada'), subject(1, 'bo')]);
          const model = new Map([
            [0, 'ada'],
            [1, 'bo'],
          ]);
          const live = openLiveDataset(lived);
          const hashOf = (item: number): string | null => {
            const name = model.get(item);
            return name === undefined ? null : canonicalHash(subject(item, name));
          };
          for (const batch of batches) {
            // One change for each document of a batch: a plan has one decision for each.
            const once = [...new Map(batch.map((one) => [one.item, one])).values()];
            const changes = once.map(({ item, name, what, isStale }): LiveChange => {
              const expected = isStale ? 'stale' : hashOf(item);
              return what === 'remove'
                ? { kind: 'remove', ndiId: idOf(item), expected: expected ?? 'stale' }
                : { kind: 'put', document: subject(item, name), expected };
            });
            const results = live.apply(changes);
            for (const [at, { item, name, what, isStale }] of once.entries()) {
              const wanted = what === 'remove' ? null : canonicalHash(subject(item, name));
              const isThere = hashOf(item) === wanted;
              const isMoved = isStale && !isThere;
              expect(results[at]).toMatchObject({ ndiId: idOf(item), found: hashOf(item) });
              expect(results[at]?.outcome === 'moved').toBe(isMoved);
              if (isMoved) continue;
              if (what === 'remove') model.delete(item);
              else model.set(item, name);
            }
          }
          live.close();
          const built = join(dir, 'built');
          await build(
            built,
            [...model].map(([item, name]) => subject(item, name)),
          );
          expect(content(lived)).toEqual(content(built));
          const reader = openDataset(lived);
          expect(reader.documentCount()).toBe(model.size + 1);
          reader.close();
        }),
      ),
      { numRuns: 40 },
    );
  });

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

  it('that another program writes is waited for, and then named', () =>
    inTempDir(async (dir) => {
      await build(dir, []);
      const other = new DatabaseSync(databasePath(dir));
      other.exec('BEGIN EXCLUSIVE');
      const change = { kind: 'put', document: subject(2, 'cy'), expected: null } as const;
      expect(() => openLiveDataset(dir, { busyTimeoutMs: 50 }).apply([change])).toThrow(
        expect.objectContaining({ code: 'NDI_E_DATABASE_BUSY' }),
      );
      other.exec('ROLLBACK');
      other.close();
      const live = openLiveDataset(dir, { busyTimeoutMs: 50 });
      expect(live.apply([change])).toMatchObject([{ outcome: 'done' }]);
      live.close();
    }));

  it.skipIf(process.getuid?.() === 0)('that cannot be written says so', () =>
    inTempDir(async (dir) => {
      await build(dir, []);
      chmodSync(databasePath(dir), 0o400);
      const change = { kind: 'put', document: subject(2, 'cy'), expected: null } as const;
      expect(() => openLiveDataset(dir).apply([change])).toThrow(
        expect.objectContaining({ code: 'NDI_E_READ_ONLY' }),
      );
    }),
  );

  it('keeps whole batches when its writer is killed', () =>
    inTempDir(async (dir) => {
      await build(dir, []);
      const script = `
        import { openLiveDataset } from '${import.meta.dirname}/live.ts';
        import { newDocument } from '${import.meta.dirname}/../document/classes.ts';
        const live = openLiveDataset(process.argv[1]);
        const id = (n) => '41269700' + String(n).padStart(8, '0') + '_40b0000000000000';
        for (let batch = 0; ; batch += 1) {
          live.apply(Array.from({ length: 20 }, (_, at) => ({
            kind: 'put', expected: null,
            document: newDocument('subject', { id: id(100 + batch * 20 + at), sessionId: '${D}', createdAt: 0 }),
          })));
          process.stdout.write('.');
        }`;
      for (let kill = 0; kill < 3; kill += 1) {
        const target = join(dir, `${kill}`);
        await build(target, []);
        const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script, target]);
        await once(child.stdout, 'data');
        await new Promise((resolve) => setTimeout(resolve, 5 + kill * 10));
        child.kill('SIGKILL');
        await once(child, 'close');
        const reader = openDataset(target);
        const documents = reader.documentCount() - 1;
        reader.close();
        expect(documents).toBeGreaterThanOrEqual(20);
        expect(documents % 20).toBe(0);
        expect(rows(target, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
      }
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
