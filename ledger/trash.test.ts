import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type NewTrashEntry, openTrash } from './trash.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'trash-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const entry = (ndiId: string): NewTrashEntry => ({
  ndiId,
  side: 'local',
  cloudId: null,
  why: 'deleted',
  runKey: 'run',
  hash: 'h',
  body: `{"base":{"id":"${ndiId}"}}`,
  files: [],
});

describe('the trash', () => {
  it('gives back what was put in, the newest batch first, each entry by its name', () => {
    const trash = openTrash(join(dir, 'ledger.sqlite'));
    trash.put([entry('a'), entry('b')]);
    trash.put([entry('c')]);
    const entries = [...trash.entries()];
    expect(entries.map(({ ndiId }) => ndiId).sort()).toEqual(['a', 'b', 'c']);
    for (const one of entries) expect(trash.get(one.name)).toEqual(one);
    expect(() => trash.get('../ledger:1')).toThrow(expect.objectContaining({ code: 'NDI_E_NOT_FOUND' }));
  });

  it('passes over a line that somebody broke', () => {
    const trash = openTrash(join(dir, 'ledger.sqlite'));
    trash.put([entry('a')]);
    appendFileSync(join(trash.dir, readdirSync(trash.dir)[0]!), '{"half\n');
    expect([...trash.entries()].map(({ ndiId }) => ndiId)).toEqual(['a']);
  });

  it('of a ledger apart from its dataset is not shared with other ledgers', () => {
    openTrash(join(dir, 'one.sqlite')).put([entry('a')]);
    expect([...openTrash(join(dir, 'two.sqlite')).entries()]).toEqual([]);
  });

  it('takes a binary, whole, and once', () => {
    const trash = openTrash(join(dir, 'ledger.sqlite'));
    const path = join(dir, 'uid');
    writeFileSync(path, 'bytes');
    trash.takeFile(path);
    trash.takeFile(path);
    expect(existsSync(path)).toBe(false);
    expect(existsSync(trash.filePath('uid'))).toBe(true);
  });

  it('lets go of what is older than it keeps', async () => {
    const trash = openTrash(join(dir, 'ledger.sqlite'));
    trash.put([entry('a')]);
    utimesSync(join(trash.dir, readdirSync(trash.dir)[0]!), 0, 0);
    expect(trash.expire(60_000)).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(trash.expire(10)).toBe(1);
    expect([...trash.entries()]).toEqual([]);
  });
});
