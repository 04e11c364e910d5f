import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { placeFile } from './place.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'place-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const bytes = (text: string) => {
  const own = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  own.write(text);
  return own;
};
const place = (name: string, text: string, more: { folder?: string; force?: boolean } = {}) => {
  const target = join(more.folder ?? dir, name);
  return placeFile({ bytes: bytes(text), partial: `${target}.partial`, target, force: more.force ?? false });
};

describe('placeFile', () => {
  it.each([true, false])(
    'puts many files into several folders, empty ones too (forced: %s)',
    async (force) => {
      const folder = join(dir, 'other');
      mkdirSync(folder);
      const names = Array.from({ length: 500 }, (_, n) => `f${n}`);
      const textOf = (n: number): string => 'x'.repeat(n % 3 === 0 ? 0 : n);
      await Promise.all(
        names.map((name, n) => place(name, textOf(n), { force, ...(n % 2 === 0 ? { folder } : {}) })),
      );
      for (const [n, name] of names.entries()) {
        expect(readFileSync(join(n % 2 === 0 ? folder : dir, name), 'utf8')).toBe(textOf(n));
      }
      expect(readdirSync(dir)).toHaveLength(251);
    },
  );

  it('replaces what is there, and says which of many could not be placed', async () => {
    writeFileSync(join(dir, 'b'), 'something longer than what comes');
    const ends = await Promise.allSettled([
      place('a', '1'),
      place('x', '2', { folder: join(dir, 'none') }),
      place('b', '3'),
    ]);
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(ends[1]).toMatchObject({ reason: { code: 'NDI_E_FILE_MISSING' } });
    expect(readFileSync(join(dir, 'b'), 'utf8')).toBe('3');
  });

  it('lets two tries for one object end with one file', async () => {
    await Promise.all(Array.from({ length: 40 }, () => place('same', 'the same bytes', { force: true })));
    expect(readFileSync(join(dir, 'same'), 'utf8')).toBe('the same bytes');
    expect(readdirSync(dir)).toEqual(['same']);
  });
});
