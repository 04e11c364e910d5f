import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fingerprint, inTempDir } from '../../test/fixtures/dataset.ts';
import { syncIndexPath } from './layout.ts';
import { localIso, readSyncIndex, type SyncIndex, writeSyncIndex } from './sync-index.ts';

const A = '41269700000000a1_3fd0000000000001';
const B = '41269700000000b2_3fd0000000000002';
const index = { localIds: [A, B], remoteIds: [A], syncedAt: new Date('2026-03-01T09:00:00.000Z') };

const toWrite = (from: Required<SyncIndex>) => ({
  localIds: () => from.localIds,
  remoteIds: () => from.remoteIds,
  syncedAt: from.syncedAt,
});

function put(dir: string, content: string | Uint8Array): void {
  mkdirSync(dirname(syncIndexPath(dir)), { recursive: true });
  writeFileSync(syncIndexPath(dir), content);
}

const inFile = (dir: string): Record<string, unknown> => JSON.parse(readFileSync(syncIndexPath(dir), 'utf8'));

/** As MATLAB reads it: camel case, a bare string is one id. */
const asMatlab = (dir: string) => [
  [inFile(dir).localDocumentIdsLastSync].flat(),
  [inFile(dir).remoteDocumentIdsLastSync].flat(),
];

/** As the older Python reads it: `data.get(key, [])`. */
const asPython = (dir: string) => [
  inFile(dir).local_doc_ids_last_sync ?? [],
  inFile(dir).remote_doc_ids_last_sync ?? [],
];

describe('an index of an NDI client', () => {
  it.each<[string, string, SyncIndex]>([
    [
      'MATLAB, with one id on one side and none on the other',
      `{"localDocumentIdsLastSync":"${A}","remoteDocumentIdsLastSync":[],"lastSyncTimestamp":"2026-03-01T10:00:00GMT+01:00"}`,
      { localIds: [A], remoteIds: [], syncedAt: index.syncedAt },
    ],
    [
      'MATLAB in UTC',
      `{"localDocumentIdsLastSync":["${A}","${B}"],"remoteDocumentIdsLastSync":["${A}"],"lastSyncTimestamp":"2026-03-01T09:00:00GMT"}`,
      index,
    ],
    [
      'MATLAB in New York, with a minus of its own and a missing id',
      `{"localDocumentIdsLastSync":["${A}",null],"remoteDocumentIdsLastSync":"","lastSyncTimestamp":"2026-03-01T04:00:00GMT\u221205:00"}`,
      { localIds: [A], remoteIds: [], syncedAt: index.syncedAt },
    ],
    [
      'the older Python',
      `{\n  "local_doc_ids_last_sync": [\n    "${A}",\n    "${B}"\n  ],\n  "remote_doc_ids_last_sync": ["${A}"],\n  "last_sync_timestamp": "2026-03-01T09:00:00.000000+00:00"\n}`,
      index,
    ],
    [
      'the older Python, which never synced',
      '{"local_doc_ids_last_sync": [], "remote_doc_ids_last_sync": null, "last_sync_timestamp": ""}',
      { localIds: [], remoteIds: [] },
    ],
    [
      'the newer Python, with MATLAB’s keys',
      `{"localDocumentIdsLastSync": ["${A}", "${B}", "${A}"], "remoteDocumentIdsLastSync": ["${A}"], "lastSyncTimestamp": "2026-03-01T10:00:00+0100"}`,
      index,
    ],
    [
      'an editor that marks its text, without a time',
      `\ufeff{"local_doc_ids_last_sync":["${A}"],"remote_doc_ids_last_sync":["${B}"],"last_sync_timestamp":7}`,
      { localIds: [A], remoteIds: [B] },
    ],
  ])('is read: of %s', (_, text, expected) =>
    inTempDir((dir) => {
      put(dir, text);
      expect(readSyncIndex(dir)).toEqual({ state: 'read', index: expected });
    }),
  );

  it('is the newer part of a file that has both', () =>
    inTempDir((dir) => {
      const file = (matlabAt: string, pythonAt: string) =>
        JSON.stringify({
          localDocumentIdsLastSync: A,
          remoteDocumentIdsLastSync: [],
          lastSyncTimestamp: matlabAt,
          local_doc_ids_last_sync: [B],
          remote_doc_ids_last_sync: [],
          last_sync_timestamp: pythonAt,
        });
      put(dir, file('2026-03-01T10:00:00GMT+01:00', '2026-03-01T09:30:00+00:00'));
      expect(readSyncIndex(dir)).toMatchObject({ index: { localIds: [B] } });
      put(dir, file('2026-03-01T10:00:00GMT-01:00', '2026-03-01T09:30:00+00:00'));
      expect(readSyncIndex(dir)).toMatchObject({ index: { localIds: [A] } });
      put(dir, file('2026-03-01T10:00:00GMT-01:00', 'yesterday'));
      expect(readSyncIndex(dir)).toMatchObject({ index: { localIds: [A] } });
    }));

  it('is none where there is none', () =>
    inTempDir((dir) => {
      expect(readSyncIndex(dir)).toEqual({ state: 'absent' });
    }));

  it.each<[string, string | Uint8Array, string]>([
    ['emptied', '', 'is empty'],
    ['blank', ' \n', 'is empty'],
    ['cut off', '{"localDocumentIdsLastSync":["', 'is not valid JSON'],
    ['of bytes', new Uint8Array([0, 255, 3]), 'is not valid JSON'],
    ['an array', '[]', 'does not have the lists'],
    ['null', 'null', 'does not have the lists'],
    ['without lists', '{}', 'does not have the lists'],
    [
      'with a number for a list',
      '{"localDocumentIdsLastSync":7,"remoteDocumentIdsLastSync":[]}',
      'does not have the lists',
    ],
    [
      'with numbers for ids',
      '{"local_doc_ids_last_sync":[1],"remote_doc_ids_last_sync":[]}',
      'does not have the lists',
    ],
    ['with one list', '{"local_doc_ids_last_sync":[]}', 'does not have the lists'],
  ])('says why it cannot be used: %s', (_, content, reason) =>
    inTempDir((dir) => {
      put(dir, content);
      const before = fingerprint(dir);
      expect(readSyncIndex(dir)).toMatchObject({
        state: 'unusable',
        reason: expect.stringContaining(reason),
      });
      expect(fingerprint(dir)).toEqual(before);
      writeSyncIndex(dir, toWrite(index));
      expect(readSyncIndex(dir)).toEqual({ state: 'read', index });
    }),
  );

  it('says why it cannot be used: a folder, or a file that has no end', () =>
    inTempDir((dir) => {
      mkdirSync(syncIndexPath(dir), { recursive: true });
      expect(readSyncIndex(dir)).toMatchObject({
        state: 'unusable',
        reason: expect.stringContaining('cannot be read'),
      });
      rmSync(syncIndexPath(dir), { recursive: true });
      symlinkSync('/dev/zero', syncIndexPath(dir));
      expect(readSyncIndex(dir)).toMatchObject({ state: 'unusable' });
    }));

  it('never throws, whatever is in the file', () =>
    inTempDir((dir) => {
      const part = fc.constantFrom(
        'localDocumentIdsLastSync',
        'remote_doc_ids_last_sync',
        'lastSyncTimestamp',
        'x',
      );
      const text = fc.oneof(
        fc.string(),
        fc.dictionary(part, fc.jsonValue()).map((value) => JSON.stringify(value)),
      );
      fc.assert(
        fc.property(text, (content) => {
          put(dir, content);
          expect(['read', 'unusable']).toContain(readSyncIndex(dir).state);
        }),
        { numRuns: 300 },
      );
    }));
});

describe('the index that is written', () => {
  it('is read by both clients and by us, whatever the ids', () =>
    inTempDir((dir) => {
      const ids = fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 6 });
      const times = fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true });
      fc.assert(
        fc.property(ids, ids, times, (localIds, remoteIds, syncedAt) => {
          writeSyncIndex(dir, toWrite({ localIds, remoteIds, syncedAt }));
          expect(asMatlab(dir)).toEqual([localIds, remoteIds]);
          expect(asPython(dir)).toEqual([localIds, remoteIds]);
          expect(readSyncIndex(dir)).toEqual({ state: 'read', index: { localIds, remoteIds, syncedAt } });
          expect(readdirSync(dirname(syncIndexPath(dir)))).toEqual(['index.json']);
        }),
        { numRuns: 200 },
      );
    }));

  it('keeps what others wrote into the file, as they wrote it', () =>
    inTempDir((dir) => {
      const foreign = '"note": {"a": [1.10, "}"], "lastSyncTimestamp": 9007199254740993}';
      put(dir, `{"localDocumentIdsLastSync":"${B}", ${foreign}, "last_sync_timestamp":"x","__proto__":1}`);
      writeSyncIndex(dir, toWrite(index));
      writeSyncIndex(dir, toWrite(index));
      const text = readFileSync(syncIndexPath(dir), 'utf8');
      expect(text.split(foreign)).toHaveLength(2);
      expect(text.split('"__proto__":1')).toHaveLength(2);
      expect(text.split('"last_sync_timestamp"')).toHaveLength(2);
      expect(asPython(dir)).toEqual([index.localIds, index.remoteIds]);
      expect(readSyncIndex(dir)).toEqual({ state: 'read', index });
    }));

  it('is written whole or not at all', () =>
    inTempDir((dir) => {
      writeSyncIndex(dir, toWrite(index));
      const before = readFileSync(syncIndexPath(dir), 'utf8');
      const breaksOff = function* () {
        yield A;
        throw new Error('the reader broke off');
      };
      expect(() => writeSyncIndex(dir, { ...toWrite(index), remoteIds: breaksOff })).toThrow('broke off');
      expect(readFileSync(syncIndexPath(dir), 'utf8')).toBe(before);
      expect(readdirSync(dirname(syncIndexPath(dir)))).toEqual(['index.json']);
    }));

  it('is refused where its folder cannot be', () =>
    inTempDir((dir) => {
      mkdirSync(join(dir, '.ndi'));
      writeFileSync(join(dir, '.ndi', 'sync'), 'a file');
      expect(() => writeSyncIndex(dir, toWrite(index))).toThrow(
        expect.objectContaining({ code: 'NDI_E_READ_ONLY' }),
      );
      expect(readSyncIndex(dir)).toMatchObject({ state: 'unusable' });
    }));

  it('has a local stamp that names the same moment in every zone', () => {
    const zone = process.env.TZ;
    try {
      for (const [tz, text] of [
        ['UTC', '2026-03-01T09:00:00+00:00'],
        ['Asia/Kolkata', '2026-03-01T14:30:00+05:30'],
        ['America/St_Johns', '2026-03-01T05:30:00-03:30'],
      ]) {
        process.env.TZ = tz;
        expect(localIso(index.syncedAt)).toBe(text);
      }
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
  });
});
