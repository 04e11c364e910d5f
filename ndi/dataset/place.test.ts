import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { haveSameBytes } from '../../disk/same-bytes.ts';
import { IDS, inTempDir } from '../../test/fixtures/dataset.ts';
import { filesDir, uidPath } from './layout.ts';
import { placeFile } from './place.ts';

const USES = [{ documentId: IDS.demo, name: 'filename1.ext' }];

describe('a binary that comes into a dataset', () => {
  it('has both names, once, and leaves nothing else', () =>
    inTempDir((dir) => {
      const source = join(dir, 'source');
      writeFileSync(source, 'bytes');
      expect(placeFile(dir, IDS.file, source, USES)).toBe('done');
      writeFileSync(join(dir, 'copy'), 'bytes');
      expect(placeFile(dir, IDS.file, join(dir, 'copy'), USES)).toBe('already');
      expect(readdirSync(filesDir(dir)).sort()).toEqual([`${IDS.demo}_filename1.ext`, IDS.file].sort());
      expect(readFileSync(uidPath(dir, IDS.file), 'utf8')).toBe('bytes');
    }));

  it('never takes the place of other bytes', () =>
    inTempDir((dir) => {
      mkdirSync(filesDir(dir), { recursive: true });
      writeFileSync(uidPath(dir, IDS.file), 'others');
      writeFileSync(join(dir, 'source'), 'bytes!');
      expect(placeFile(dir, IDS.file, join(dir, 'source'), USES)).toBe('moved');
      expect(readFileSync(uidPath(dir, IDS.file), 'utf8')).toBe('others');
      expect(readdirSync(filesDir(dir))).toEqual([IDS.file]);
    }));

  it('is the file that a link leads to, never the link, a folder or a device', () =>
    inTempDir((dir) => {
      writeFileSync(join(dir, 'source'), 'bytes');
      symlinkSync(join(dir, 'source'), join(dir, 'link'));
      expect(placeFile(dir, IDS.file, join(dir, 'link'))).toBe('done');
      expect(statSync(uidPath(dir, IDS.file)).isFile()).toBe(true);
      const code = (work: () => unknown): unknown => {
        try {
          return work();
        } catch (error) {
          return (error as { code?: string }).code;
        }
      };
      expect(code(() => placeFile(dir, 'one', dir))).toBe('NDI_E_FILE_UNREADABLE');
      expect(code(() => placeFile(dir, 'one', '/dev/zero'))).toBe('NDI_E_FILE_UNREADABLE');
      expect(code(() => placeFile(dir, 'one', join(dir, 'none')))).toBe('NDI_E_FILE_MISSING');
      expect(code(() => placeFile(dir, '../one', join(dir, 'source')))).toBe('NDI_E_BAD_ID');
    }));

  it('is compared to the last byte', () =>
    inTempDir((dir) => {
      const bytes = Buffer.alloc(1024 * 1024 + 3, 7);
      const other = Buffer.from(bytes);
      other[bytes.length - 1] = 8;
      writeFileSync(join(dir, 'a'), bytes);
      writeFileSync(join(dir, 'b'), bytes);
      writeFileSync(join(dir, 'c'), other);
      expect(haveSameBytes(join(dir, 'a'), join(dir, 'b'))).toBe(true);
      expect(haveSameBytes(join(dir, 'a'), join(dir, 'c'))).toBe(false);
    }));
});
