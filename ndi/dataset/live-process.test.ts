/** Other processes that change a live dataset: killed in the middle, or without permission. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { D, fingerprint, inTempDir, rows, tamper } from '../../test/fixtures/dataset.ts';
import { build, content, wrongOwners } from '../../test/fixtures/live-dataset.ts';
import { databasePath, ndiDir } from './layout.ts';

const url = (file: string): string => JSON.stringify(join(import.meta.dirname, file));

/**
 * Batch n gives all of ten documents the version n, adds document 1000 + n and removes the one of the batch
 * before; a binary passes from the one to the other.
 */
const WRITER = `
  import { openLiveDataset } from ${url('live.ts')};
  import { newDocument } from ${url('../document/classes.ts')};
  import { canonicalHash } from ${url('../document/canonical.ts')};
  const id = (n) => '41269700' + String(n).padStart(8, '0') + '_40b0000000000000';
  const common = (n) => ({ id: id(n), sessionId: '${D}', createdAt: 0 });
  const version = (n, v) => newDocument('subject', { ...common(n), values: { subject: { local_identifier: 'v' + v, description: '' } } });
  const owner = (v) => newDocument('demoNDI', { ...common(1000 + v), values: { demoNDI: { value: v } },
    files: [{ name: 'filename1.ext', uid: id(1), location: '/nowhere' }] });
  const live = openLiveDataset(process.argv[1]);
  for (let v = 0; ; v += 1) {
    const results = live.apply([
      ...Array.from({ length: 10 }, (_, n) => ({
        kind: 'put', document: version(10 + n, v), expected: v === 0 ? null : canonicalHash(version(10 + n, v - 1)),
      })),
      { kind: 'put', document: owner(v), expected: null },
      ...(v === 0 ? [] : [{ kind: 'remove', ndiId: id(1000 + v - 1), expected: canonicalHash(owner(v - 1)) }]),
    ]);
    if (results.some(({ outcome }) => outcome !== 'done')) throw new Error(JSON.stringify(results));
    process.stdout.write('.');
  }`;

const run = (script: string, ...args: string[]): string[] => [
  '--input-type=module-typescript',
  '-e',
  script,
  ...args,
];

describe.each([
  ['matlab', 'DELETE'],
  ['python', 'DELETE'],
  ['matlab', 'WAL'],
] as const)('a writer that is killed, on a dataset of %s in the mode %s', (layout, mode) => {
  it('leaves each batch whole or not there', () =>
    inTempDir(async (dir) => {
      for (const [kill, delayMs] of [3, 11, 18, 29].entries()) {
        const target = join(dir, `${kill}`);
        await build(target, [], layout);
        tamper(target, `PRAGMA journal_mode = ${mode}`);
        const child = spawn(process.execPath, run(WRITER, target));
        await once(child.stdout, 'data');
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        child.kill('SIGKILL');
        await once(child, 'close');
        // Opening rolls back what the dead writer left.
        const names = rows(
          target,
          `SELECT value, count(*) AS n FROM doc_data JOIN fields USING (field_idx)
           WHERE field_name = 'subject.local_identifier' GROUP BY value`,
        );
        expect(names).toEqual([{ value: expect.stringMatching(/^v\d+$/), n: 10 }]);
        const version = Number(String(names[0]?.value).slice(1));
        expect(rows(target, 'SELECT doc_id, uid FROM files JOIN docs USING (doc_idx)')).toEqual([
          {
            doc_id: expect.stringMatching(new RegExp(`^41269700${String(1000 + version).padStart(8, '0')}_`)),
            uid: expect.any(String),
          },
        ]);
        // The session, ten documents, and the owner of the binary.
        expect(rows(target, 'SELECT count(*) AS n FROM docs')).toEqual([{ n: 12 }]);
        expect(wrongOwners(target)).toEqual([]);
        expect(content(target).slice(-3)).toEqual([[], [], []]);
        expect(rows(target, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
        expect(rows(target, 'PRAGMA journal_mode')).toEqual([{ journal_mode: mode.toLowerCase() }]);
      }
    }));
});

describe.skipIf(process.platform === 'win32')('a writer without permission', () => {
  /** As a user who is not root, whom permissions do not stop. */
  const unprivileged = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const codeOf = (work: string, ...args: string[]): string => {
    const script = `
      import { openLiveDataset } from ${url('live.ts')};
      import { makeRestorePoint } from ${url('restore-points.ts')};
      import { newDocument } from ${url('../document/classes.ts')};
      import { canonicalHash } from ${url('../document/canonical.ts')};
      const [, dir, points] = process.argv;
      const document = (name) =>
        newDocument('subject', { id: '4126970000000009_40b0000000000009', sessionId: '${D}', createdAt: 0, name });
      const add = (name) => openLiveDataset(dir).apply([{ kind: 'put', document: document(name), expected: null }]);
      const replace = (name, by) =>
        openLiveDataset(dir).apply([{ kind: 'put', document: document(by), expected: canonicalHash(document(name)) }]);
      try {
        ${work}
        console.log('done');
      } catch (error) {
        console.log(error.code);
      }`;
    const options = { encoding: 'utf8', ...unprivileged } as const;
    const { stdout, stderr } = spawnSync(process.execPath, run(script, ...args), options);
    expect(stderr).toBe('');
    return stdout.trim();
  };
  it.each([
    ['database', 0o444, 0o777],
    ['folder', 0o666, 0o555],
  ])('says so of a read-only %s, and changes nothing', (_, fileMode, folderMode) =>
    inTempDir(async (dir) => {
      await build(dir, []);
      chmodSync(dir, 0o755);
      chmodSync(databasePath(dir), 0o666);
      chmodSync(ndiDir(dir), 0o777);
      expect(codeOf(`add('one');`, dir)).toBe('done');
      chmodSync(databasePath(dir), fileMode);
      chmodSync(ndiDir(dir), folderMode);
      const before = fingerprint(dir);
      expect(codeOf(`replace('one', 'two');`, dir)).toBe('NDI_E_READ_ONLY');
      expect(codeOf(`await makeRestorePoint(dir, points, 'run');`, dir, join(dir, 'points'))).toBe(
        'NDI_E_READ_ONLY',
      );
      expect(fingerprint(dir)).toEqual(before);
      chmodSync(ndiDir(dir), 0o777);
    }),
  );
});
