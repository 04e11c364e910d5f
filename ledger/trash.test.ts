import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
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

  it('keeps a binary when the dataset loses it, and other bytes of its uid apart', () => {
    const trash = openTrash(join(dir, 'ledger.sqlite'));
    const path = join(dir, 'uid');
    writeFileSync(path, 'bytes');
    trash.put([
      {
        ...entry('a'),
        files: [
          { uid: 'uid', path },
          { uid: 'elsewhere', path: null },
        ],
      },
    ]);
    rmSync(path);
    writeFileSync(path, 'other');
    trash.put([
      { ...entry('b'), files: [{ uid: 'uid', path }] },
      { ...entry('c'), files: [{ uid: 'uid', path }] },
    ]);
    rmSync(path);
    const contents = [...trash.entries()].map(({ ndiId, files }) => [
      ndiId,
      files.map((file) => {
        const kept = trash.pathOf(file);
        return kept === undefined ? undefined : readFileSync(kept, 'utf8');
      }),
    ]);
    expect(contents.sort()).toEqual([
      ['a', ['bytes', undefined]],
      ['b', ['other']],
      ['c', ['other']],
    ]);
    expect(readdirSync(join(trash.dir, 'files')).sort()).toEqual(['uid', 'uid-2']);
  });

  it('puts nothing when a binary cannot be kept', () => {
    const trash = openTrash(join(dir, 'ledger.sqlite'));
    const refused = (path: string, uid = 'uid') =>
      expect(() => trash.put([entry('a'), { ...entry('b'), files: [{ uid, path }] }])).toThrow(
        expect.objectContaining({
          code: expect.stringMatching(/^NDI_E_(?:FILE_UNREADABLE|READ_ONLY|BAD_ID)$/),
        }),
      );
    refused(dir);
    refused(join(dir, 'none'));
    refused(join(dir, 'none'), '../uid');
    expect([...trash.entries()]).toEqual([]);
  });

  it('has an entry once, however often a run puts it, and both when the content differs', () => {
    openTrash(join(dir, 'ledger.sqlite')).put([entry('a')]);
    const trash = openTrash(join(dir, 'ledger.sqlite'));
    trash.put([entry('a'), { ...entry('a'), side: 'cloud' }]);
    trash.put([entry('a'), { ...entry('a'), hash: 'other' }, { ...entry('a'), runKey: 'later' }]);
    expect([...trash.entries()].map(({ side, hash, runKey }) => `${side} ${hash} ${runKey}`).sort()).toEqual([
      'cloud h run',
      'local h later',
      'local h run',
      'local other run',
    ]);
    expect([...trash.entriesOfRun('run')]).toHaveLength(3);
  });

  it('holds batches of any size', () => {
    const trash = openTrash(join(dir, 'ledger.sqlite'));
    const body = '\n'.repeat(12 * 1024 * 1024);
    trash.put(['a', 'b', 'c'].map((ndiId) => ({ ...entry(ndiId), body })));
    expect([...trash.entries()].map((one) => one.body.length)).toEqual(Array(3).fill(body.length));
  });

  it('reads what an earlier version wrote', () => {
    const trash = openTrash(join(dir, 'ledger.sqlite'));
    mkdirSync(join(trash.dir, 'files'), { recursive: true });
    const old = { version: 1, at: '2026-01-01T00:00:00.000Z', ...entry('a'), files: ['uid'] };
    writeFileSync(join(trash.dir, '2026-run-1-1.jsonl'), `${JSON.stringify(old)}\n`);
    writeFileSync(join(trash.dir, 'files', 'uid'), 'bytes');
    const [only] = [...trash.entries()];
    expect(only?.files).toEqual([{ uid: 'uid', name: 'uid' }]);
    expect(readFileSync(trash.pathOf(only!.files[0]!) ?? '', 'utf8')).toBe('bytes');
  });

  /** How old something is that came before now, on both sides of the file system's clock tick. */
  const ageOfNow = async (): Promise<() => { olderThanMs: number }> => {
    const wait = () => new Promise((resolve) => setTimeout(resolve, 20));
    await wait();
    const now = Date.now();
    await wait();
    return () => ({ olderThanMs: Date.now() - now });
  };

  it('lets go of what is older than it keeps, by the time when it came here', async () => {
    const trash = openTrash(join(dir, 'ledger.sqlite'));
    trash.put([entry('a')]);
    utimesSync(join(trash.dir, readdirSync(trash.dir)[0]!), 0, 0);
    expect(trash.expire({ olderThanMs: 60_000 })).toBe(0);
    const before = await ageOfNow();
    expect(trash.expire(before())).toBe(1);
    expect([...trash.entries()]).toEqual([]);
  });

  it('keeps a binary as long as an entry names it, and while a line cannot be read', async () => {
    const trash = openTrash(join(dir, 'ledger.sqlite'));
    const [one, two] = [join(dir, 'one'), join(dir, 'two')];
    writeFileSync(one, '1');
    writeFileSync(two, '2');
    const files = () => readdirSync(join(trash.dir, 'files')).sort();
    const both = [
      { uid: 'one', path: one },
      { uid: 'two', path: two },
    ];
    trash.put([{ ...entry('a'), files: both }]);
    const second = await ageOfNow();
    trash.put([{ ...entry('b'), files: [{ uid: 'two', path: two }] }]);
    appendFileSync(join(trash.dir, readdirSync(trash.dir).sort()[1]!), '{"version":3}\n');
    expect(trash.expire(second())).toBe(1);
    expect(files()).toEqual(['one', 'two']);
    const third = await ageOfNow();
    trash.put([{ ...entry('c'), files: [{ uid: 'two', path: two }] }]);
    expect(trash.expire(third())).toBe(1);
    expect(files()).toEqual(['two']);
  });

  it('holds no more bytes than it may, the oldest going first', () => {
    const trash = openTrash(join(dir, 'ledger.sqlite'));
    const path = join(dir, 'uid');
    writeFileSync(path, 'x'.repeat(10_000));
    trash.put([{ ...entry('a'), files: [{ uid: 'large', path }] }]);
    trash.put([entry('b')]);
    expect(trash.expire({ olderThanMs: 60_000, keepBytes: 20_000 })).toBe(0);
    expect(trash.expire({ olderThanMs: 60_000, keepBytes: 9_000 })).toBe(1);
    expect([...trash.entries()].map(({ ndiId }) => ndiId)).toEqual(['b']);
    expect(readdirSync(join(trash.dir, 'files'))).toEqual([]);
  });
});
