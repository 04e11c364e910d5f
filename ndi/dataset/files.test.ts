import { mkdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  exampleDocuments,
  IDS,
  inTempDir,
  manifest,
  tamper,
  writeExample,
} from '../../test/fixtures/dataset.ts';
import { describeDocument } from '../document/describe.ts';
import type { DocumentFacts, JsonObject } from '../document/types.ts';
import { readManifest, resolveFiles } from './files.ts';
import { finishDataset } from './finish.ts';
import { documentFilePath, uidPath } from './layout.ts';
import { openDataset } from './read.ts';
import { createDataset } from './write.ts';

const factsOf = (files: JsonObject): DocumentFacts => describeDocument({ base: { id: IDS.demo }, files });
const fileWith = (...locations: JsonObject[]): DocumentFacts =>
  factsOf({ file_info: { name: 'f.bin', locations } });
const none = (): readonly string[] => [];

describe('where a binary lies', () => {
  it('is not answered once the whole dataset has gone, as a share that was taken away', () =>
    inTempDir(async (dir) => {
      const source = join(dir, 'source');
      mkdirSync(source);
      writeExample(source);
      await finishDataset(source);
      const facts = describeDocument(exampleDocuments(source)[2]);
      const reader = openDataset(source);
      renameSync(source, `${source}-away`);
      // An unmounted share leaves its empty mount point.
      mkdirSync(source);
      expect(() => reader.files(facts)).toThrow(
        expect.objectContaining({ code: 'NDI_E_DISK_IO', class: 'retryable' }),
      );
      rmSync(source, { recursive: true });
      renameSync(`${source}-away`, source);
      expect(reader.files(facts)).toMatchObject([{ file: { kind: 'local' } }]);
      reader.close();
    }));

  it('is looked for under MATLAB’s name, Python’s, a files row, the location, and in the cloud, in this order', () =>
    inTempDir(async (dir) => {
      writeExample(dir);
      await finishDataset(dir);
      const facts = describeDocument(exampleDocuments(dir)[2]);
      const look = () => {
        const reader = openDataset(dir);
        const [found] = reader.files(facts);
        reader.close();
        return found;
      };
      const name = 'filename1.ext';
      expect(look()).toMatchObject({
        name,
        file: { kind: 'local', path: uidPath(dir, IDS.file), uid: IDS.file, sizeBytes: 11 },
      });

      unlinkSync(uidPath(dir, IDS.file));
      const pythonPath = documentFilePath(dir, IDS.demo, name);
      expect(look()).toMatchObject({ name, file: { kind: 'local', path: pythonPath, uid: IDS.file } });

      // MATLAB gave the binary another uid when it took it in: the document still names it.
      renameSync(pythonPath, uidPath(dir, 'other-uid'));
      tamper(dir, "UPDATE files SET uid = 'other-uid', cached_location = '/gone/other-uid'");
      expect(look()).toMatchObject({
        file: { kind: 'local', path: uidPath(dir, 'other-uid'), uid: IDS.file },
      });

      renameSync(uidPath(dir, 'other-uid'), join(dir, 'raw.dat'));
      const raw = fileWith({ uid: 'u1', location: join(dir, 'raw.dat'), location_type: 'file' });
      expect(resolveFiles(dir, raw, none)).toMatchObject([
        { file: { kind: 'local', path: join(dir, 'raw.dat'), uid: 'u1' } },
      ]);

      const cloud = fileWith({ uid: 'u1', location: 'ndic://682e7772cdf3f24938176fac/u1' });
      expect(resolveFiles(dir, cloud, none)).toEqual([
        { name: 'f.bin', file: { kind: 'remote', uri: 'ndic://682e7772cdf3f24938176fac/u1', uid: 'u1' } },
      ]);
      expect(look()).toMatchObject({ file: { kind: 'missing', uid: IDS.file } });
    }));

  it('is told for every location with bytes of its own; without any, one answer stands for the file', () =>
    inTempDir((dir) => {
      createDataset(dir);
      writeFileSync(uidPath(dir, 'u1'), '1');
      writeFileSync(uidPath(dir, 'u2'), '22');
      const facts = fileWith(
        { uid: 'u1', location: '' },
        { uid: 'u2', location: '' },
        { uid: 'u3', location: 'https://x.org/y' },
      );
      expect(resolveFiles(dir, facts, none).map(({ file }) => [file.kind, file.uid])).toEqual([
        ['local', 'u1'],
        ['local', 'u2'],
      ]);
      unlinkSync(uidPath(dir, 'u1'));
      unlinkSync(uidPath(dir, 'u2'));
      expect(resolveFiles(dir, facts, none)).toEqual([
        { name: 'f.bin', file: { kind: 'remote', uri: 'https://x.org/y', uid: 'u3' } },
      ]);
    }));

  it('is nowhere for a file without a location or a uid, with the reason', () =>
    inTempDir((dir) => {
      createDataset(dir);
      expect(resolveFiles(dir, factsOf({ file_info: { name: 'f.bin', locations: [] } }), none)).toMatchObject(
        [{ file: { kind: 'missing', reason: 'the document gives no location' } }],
      );
      expect(resolveFiles(dir, fileWith({ location: '/x' }), none)).toMatchObject([
        { file: { kind: 'missing', reason: 'the location has no uid' } },
      ]);
    }));

  it('is not where a hostile files row or a folder in its place says', () =>
    inTempDir((dir) => {
      createDataset(dir);
      writeFileSync(join(dir, 'secret'), 'x');
      const facts = fileWith({ uid: 'u1', location: '../../secret' });
      expect(resolveFiles(dir, facts, () => ['../../secret'])).toMatchObject([{ file: { kind: 'missing' } }]);
      expect(resolveFiles(dir, fileWith({ uid: 'u1', location: dir }), none)).toMatchObject([
        { file: { kind: 'missing' } },
      ]);
    }));

  it('is found through the manifest for members of a file series; absent slots are skipped', () =>
    inTempDir((dir) => {
      createDataset(dir);
      const members = ['4126970000000011_40b0000000000000', '', '4126970000000013_40b0000000000000'];
      writeFileSync(uidPath(dir, 'm1'), manifest(members, ['a', '', 'c']));
      writeFileSync(uidPath(dir, members[0]!), 'member');
      const series = (location: string): DocumentFacts =>
        factsOf({
          file_info: [{ name: 'chunk.bin', locations: { uid: 'm1', location } }],
          series_info: { name: 'chunk.bin', count: 3, n_present: 2 },
        });
      expect(
        resolveFiles(dir, series(''), none).map(({ name, file }) => [name, file.kind, file.uid]),
      ).toEqual([
        ['chunk.bin', 'local', 'm1'],
        ['chunk.bin_1', 'local', members[0]],
        ['chunk.bin_3', 'missing', members[2]],
      ]);
      expect(resolveFiles(dir, series('ndic://cloud/m1'), none)[2]?.file).toEqual({
        kind: 'remote',
        uri: `ndic://cloud/${members[2]}`,
        uid: members[2],
      });
      writeFileSync(uidPath(dir, 'm1'), manifest(members).subarray(0, 60));
      expect(resolveFiles(dir, series(''), none)[1]?.file).toMatchObject({ kind: 'missing', uid: 'm1' });
    }));

  it('is read from a manifest only where the file is one', () =>
    inTempDir((dir) => {
      const path = join(dir, 'm');
      const write = (edit: (bytes: Buffer) => void): unknown => {
        const bytes = manifest(['u1']);
        edit(bytes);
        writeFileSync(path, bytes);
        return readManifest(path);
      };
      expect(write(() => {})).toEqual(['u1']);
      expect(write((bytes) => bytes.write('../x', 32))).toEqual([undefined]);
      expect(write((bytes) => bytes.writeUInt32LE(2, 8))).toBeUndefined();
      expect(write((bytes) => bytes.writeUInt32LE(4_000_000_000, 16))).toBeUndefined();
      expect(write((bytes) => bytes.writeUInt32LE(0, 20))).toBeUndefined();
      expect(write((bytes) => bytes.write('XXXX'))).toBeUndefined();
      writeFileSync(path, 'short');
      expect(readManifest(path)).toBeUndefined();
    }));
});
