import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, isCourierError } from '../../errors/index.ts';
import {
  D,
  exampleDocuments,
  fingerprint,
  IDS,
  inTempDir,
  tamper,
  writeExample,
} from '../../test/fixtures/dataset.ts';
import { newDocument } from '../document/classes.ts';
import { newNdiId } from '../ids.ts';
import { finishDataset, linkRemote, trackingDocument, unlinkRemote } from './finish.ts';
import { databasePath, ndiDir } from './layout.ts';
import { openDataset } from './read.ts';
import { createDataset, openForWriting } from './write.ts';

const S1 = '41269700000000b1_3fd0000000000002';
const ALL = [IDS.session, IDS.subject, IDS.demo];

const built = async (dir: string): Promise<void> => {
  writeExample(dir);
  await finishDataset(dir);
};

/** Reads everything there is and proves that nothing under `dir` changed. Options keep the waits short. */
function readUntouched(dir: string): { ids: string[]; copied: boolean } {
  const before = fingerprint(dir);
  const scratchDir = join(dir, '..', 'scratch');
  mkdirSync(scratchDir, { recursive: true });
  const reader = openDataset(dir, { busyTimeoutMs: 100, scratchDir });
  const ids = [...reader.documents()].map(({ id }) => id);
  expect([...reader.documentIds()]).toEqual(ids);
  expect(reader.documentCount()).toBe(ids.length);
  const copied = reader.readFromCopy;
  expect(readdirSync(scratchDir).length).toBe(copied ? 1 : 0);
  reader.close();
  expect(readdirSync(scratchDir)).toEqual([]);
  expect(fingerprint(dir)).toEqual(before);
  return { ids, copied };
}

/** The code of the refusal, which must not change anything either. */
function refusal(dir: string): ErrorCode | undefined {
  const before = existsSync(dir) ? fingerprint(dir) : [];
  try {
    openDataset(dir, { busyTimeoutMs: 50 }).close();
    return undefined;
  } catch (error) {
    expect(existsSync(dir) ? fingerprint(dir) : []).toEqual(before);
    if (!isCourierError(error)) throw error;
    return error.code;
  }
}

describe('reading a dataset', () => {
  it('a quiet dataset is read in place and stays as it is', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      await built(dir);
      expect(readUntouched(dir)).toEqual({ ids: ALL, copied: false });
    }));

  it('a folder that cannot be written to is read all the same', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      await built(dir);
      chmodSync(ndiDir(dir), 0o555);
      chmodSync(databasePath(dir), 0o444);
      try {
        expect(readUntouched(dir).ids).toEqual(ALL);
      } finally {
        chmodSync(ndiDir(dir), 0o755);
      }
    }));

  it('a live write-ahead log is read from a private copy, with what is only in the log', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      writeExample(dir);
      const writer = openForWriting(dir);
      const id = newNdiId();
      writer.addDocuments([newDocument('subject', { id, sessionId: D })]);
      expect(readdirSync(ndiDir(dir))).toContain('did-sqlite.sqlite-wal');
      expect(readUntouched(dir)).toEqual({ ids: [...ALL, id], copied: true });
      writer.addDocuments([newDocument('subject', { sessionId: D })]);
      writer.close();
      // WAL mode without a log: reading in place would make one.
      expect(readUntouched(dir).copied).toBe(true);
    }));

  it('reading does not cost an open writer its locks', (context) =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      writeExample(dir);
      const writer = openForWriting(dir);
      writer.addDocuments([newDocument('subject', { sessionId: D })]);
      openDataset(dir).close();
      // An SQLite before 3.51, as Python brings it, that closes the database last removes the log; it
      // believes to be the last when the writer has lost its lock. Newer ones look twice.
      const script = `import sqlite3, sys
c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM docs').fetchone(); c.close()`;
      try {
        execFileSync('python3', ['-c', script, databasePath(dir)], { stdio: 'ignore' });
      } catch {
        context.skip();
      }
      expect(existsSync(`${databasePath(dir)}-wal`)).toBe(true);
      writer.close();
    }));

  it('while another program is inside a transaction the state before it is read, from a copy', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      await built(dir);
      const other = new DatabaseSync(databasePath(dir));
      other.exec('BEGIN IMMEDIATE; DELETE FROM branch_docs');
      expect(existsSync(`${databasePath(dir)}-journal`)).toBe(true);
      expect(readUntouched(dir)).toEqual({ ids: ALL, copied: true });
      other.exec('ROLLBACK');
      other.close();
    }));

  it('a database locked for a commit is busy, not damaged', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      await built(dir);
      const other = new DatabaseSync(databasePath(dir));
      other.exec('BEGIN EXCLUSIVE');
      expect(refusal(dir)).toBe('NDI_E_DATABASE_BUSY');
      other.exec('ROLLBACK');
      other.close();
      expect(readUntouched(dir).ids).toEqual(ALL);
    }));

  it('the journal of a writer that died is rolled back on a copy only', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      await built(dir);
      // A copy taken in mid-transaction, after pages went to the file, is what a crash leaves.
      const crashed = join(root, 'crashed');
      mkdirSync(ndiDir(crashed), { recursive: true });
      const other = new DatabaseSync(databasePath(dir));
      other.exec(
        'PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; DELETE FROM branch_docs; DELETE FROM doc_data',
      );
      const fill = other.prepare('INSERT INTO doc_data VALUES (1, 1, ?)');
      for (let at = 0; at < 2_000; at += 1) fill.run('x'.repeat(200));
      for (const suffix of ['', '-journal'])
        copyFileSync(databasePath(dir) + suffix, databasePath(crashed) + suffix);
      other.exec('ROLLBACK');
      other.close();
      expect(readUntouched(crashed)).toEqual({ ids: ALL, copied: true });
      // A second time, too: nothing was repaired in place.
      expect(readUntouched(crashed)).toEqual({ ids: ALL, copied: true });
    }));

  it('what is not a dataset or is damaged is told apart', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      await built(dir);
      expect(refusal(join(root, 'nowhere'))).toBe('NDI_E_NOT_A_DATASET');
      expect(refusal(root)).toBe('NDI_E_NOT_A_DATASET');
      const variant = (name: string, make: (path: string) => void): ErrorCode | undefined => {
        const target = join(root, name);
        mkdirSync(ndiDir(target), { recursive: true });
        make(databasePath(target));
        return refusal(target);
      };
      expect(variant('no-database', () => {})).toBe('NDI_E_NOT_A_DATASET');
      expect(variant('zero', (path) => writeFileSync(path, ''))).toBe('NDI_E_DATABASE_CORRUPT');
      expect(variant('text', (path) => writeFileSync(path, 'x'.repeat(500)))).toBe('NDI_E_DATABASE_CORRUPT');
      expect(variant('foreign', (path) => new DatabaseSync(path).exec('CREATE TABLE t(x)'))).toBe(
        'NDI_E_DATABASE_CORRUPT',
      );
      expect(
        variant('cut-off', (path) => {
          copyFileSync(databasePath(dir), path);
          truncateSync(path, 8_192);
        }),
      ).toBe('NDI_E_DATABASE_CORRUPT');
      expect(
        variant('scrambled', (path) => {
          const bytes = readFileSync(databasePath(dir));
          bytes.fill(0x5a, 4_096);
          writeFileSync(path, bytes);
        }),
      ).toBe('NDI_E_DATABASE_CORRUPT');
      expect(variant('folder', (path) => mkdirSync(path))).toBe('NDI_E_NOT_A_DATASET');
    }));

  it('a document whose text is not JSON is handed on as it is', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      await built(dir);
      tamper(
        dir,
        `UPDATE docs SET json_code = '{"session": oops' WHERE doc_idx = 2; UPDATE docs SET json_code = CAST(json_code AS BLOB) WHERE doc_idx = 3`,
      );
      const reader = openDataset(dir);
      expect([...reader.documents()].map(({ text }) => text.slice(0, 16))).toEqual([
        '{"document_class',
        '{"session": oops',
        '{"document_class',
      ]);
      reader.close();
      expect(readUntouched(dir).ids).toEqual(ALL);
    }));

  it('documents that MATLAB deleted are not there', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      await built(dir);
      tamper(dir, 'DELETE FROM branch_docs WHERE doc_idx = 2');
      expect(readUntouched(dir).ids).toEqual([IDS.session, IDS.demo]);
      const reader = openDataset(dir);
      expect(reader.document(IDS.subject)).toBeUndefined();
      expect(reader.document(IDS.demo)?.id).toBe(IDS.demo);
      reader.close();
    }));

  it('another database name and another branch are found', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      await built(dir);
      tamper(dir, "INSERT INTO branches VALUES ('main', NULL, 0); UPDATE branch_docs SET branch_id = 'main'");
      expect(readUntouched(dir).ids).toEqual(ALL);
      renameSync(databasePath(dir), join(ndiDir(dir), 'ndi.db'));
      expect(readUntouched(dir).ids).toEqual(ALL);
      // An empty one with the usual name beside it, as a confused opener leaves.
      createDataset(join(root, 'empty'));
      copyFileSync(databasePath(join(root, 'empty')), databasePath(dir));
      expect(readUntouched(dir).ids).toEqual(ALL);
      // What we write goes to the one that is read.
      const writer = openForWriting(dir);
      expect(writer.documentCount()).toBe(3);
      writer.close();
      // Something else beside an empty dataset does not make it damaged.
      writeFileSync(join(ndiDir(join(root, 'empty')), 'notes.db'), 'not a database');
      const reader = openDataset(join(root, 'empty'), { allowAmbiguousId: true });
      expect(reader.documentCount()).toBe(0);
      reader.close();
    }));

  it('a damaged database is not replaced by a backup beside it', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      await built(dir);
      copyFileSync(databasePath(dir), join(ndiDir(dir), 'backup.sqlite'));
      writeFileSync(databasePath(dir), '');
      expect(refusal(dir)).toBe('NDI_E_DATABASE_CORRUPT');
      expect(() => openForWriting(dir)).toThrow(expect.objectContaining({ code: 'NDI_E_DATABASE_CORRUPT' }));
    }));

  it('a loop over documents may be left early and pages are complete', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      createDataset(dir);
      const writer = openForWriting(dir);
      const documents = Array.from({ length: 1_001 }, () => newDocument('subject', { sessionId: D }));
      writer.addDocuments([exampleDocuments(dir)[0], ...documents]);
      writer.close();
      await finishDataset(dir);
      const reader = openDataset(dir);
      for (const { id } of reader.documents()) if (id !== IDS.session) break;
      expect([...reader.documents()]).toHaveLength(1_002);
      // A writer is not kept waiting by a reader that stands between two pages.
      const half = reader.documents();
      half.next();
      tamper(dir, 'PRAGMA busy_timeout = 0; DELETE FROM branch_docs WHERE doc_idx > 900');
      expect([...half]).toHaveLength(899);
      reader.close();
    }));

  const identityWith = (
    root: string,
    sql: string,
    documents = exampleDocuments(root),
  ): ReturnType<typeof openDataset>['identity'] => {
    const dir = join(root, `ds-${newNdiId()}`);
    createDataset(dir);
    const writer = openForWriting(dir);
    writer.addDocuments(documents);
    writer.close();
    if (sql !== '') tamper(dir, sql);
    const reader = openDataset(dir);
    reader.close();
    return reader.identity;
  };

  const session = (sessionId: string, reference: string) =>
    newDocument('session', { sessionId, values: { session: { reference } } });
  const entry = (sessionId: string, is_linked: number | boolean, path = '') => ({
    session_id: sessionId,
    session_reference: `ref ${sessionId}`,
    is_linked,
    session_creator: 'ndi.session.dir',
    session_creator_input1: '',
    session_creator_input2: path,
    session_creator_input3: sessionId,
    session_creator_input4: '',
    session_creator_input5: '',
    session_creator_input6: '',
  });

  it('its identity is the only session, else what tracking documents say, and legacy tracking wins', () =>
    inTempDir((root) => {
      expect(identityWith(root, '')).toEqual({ datasetId: D, reference: 'ts_ds', remotes: [], sessions: [] });

      const tracked = newDocument('session_in_a_dataset', {
        sessionId: D,
        values: { session_in_a_dataset: entry(S1, 0) },
      });
      const again = newDocument('session_in_a_dataset', {
        sessionId: D,
        values: { session_in_a_dataset: { ...entry(S1, false), session_reference: 'again' } },
      });
      expect(
        identityWith(root, '', [session(S1, 'member'), session(D, 'own'), tracked, again] as never),
      ).toEqual({
        datasetId: D,
        reference: 'own',
        remotes: [],
        sessions: [{ sessionId: S1, reference: `ref ${S1}`, linked: false, path: '' }],
      });

      const legacy = newDocument('dataset_session_info', {
        sessionId: D,
        values: { dataset_session_info: { dataset_session_info: [entry(S1, true, '/lab/s1')] } },
      });
      const linked = identityWith(root, '', [
        session(S1, 'x'),
        session(newNdiId(), 'y'),
        legacy,
        session(D, 'own'),
      ] as never);
      expect(linked.datasetId).toBe(D);
      expect(linked.sessions[0]).toEqual({
        sessionId: S1,
        reference: `ref ${S1}`,
        linked: true,
        path: '/lab/s1',
      });
      const other = trackingDocument(S1, newNdiId(), 'not ours');
      expect(identityWith(root, '', [other, legacy, session(D, 'own')] as never).datasetId).toBe(D);
      expect(identityWith(root, '', [other, session(D, 'own'), session(S1, 'x')] as never).datasetId).toBe(
        S1,
      );
      // A session that nobody tracks is ingested all the same.
      expect(linked.sessions[1]).toMatchObject({ reference: 'y', linked: false });
    }));

  it('its remotes are all listed, Python’s without an organisation', () =>
    inTempDir((root) => {
      const remote = (sessionId: string, dataset_id: string, organization_id: string) =>
        newDocument('dataset_remote', {
          sessionId,
          values: { dataset_remote: { dataset_id, organization_id } },
        });
      const { remotes } = identityWith(root, '', [
        ...exampleDocuments(root),
        remote(D, '682e7772cdf3f24938176fac', 'org'),
        remote('', '67f723d574f5f79c6062389d', ''),
      ] as never);
      expect(remotes.map(({ cloudDatasetId, organizationId }) => [cloudDatasetId, organizationId])).toEqual([
        ['682e7772cdf3f24938176fac', 'org'],
        ['67f723d574f5f79c6062389d', ''],
      ]);
    }));

  it('its identity is ambiguous with several sessions and no tracking, unless the caller can live with it', () =>
    inTempDir(async (root) => {
      const dir = join(root, 'ds');
      createDataset(dir, { datasetId: D });
      const writer = openForWriting(dir);
      writer.addDocuments([session(S1, 'a'), session(D, 'b')]);
      writer.close();
      expect(refusal(dir)).toBe('NDI_E_AMBIGUOUS_DATASET_ID');
      const reader = openDataset(dir, { allowAmbiguousId: true });
      expect(reader.identity.datasetId).toBe('');
      expect(reader.documentCount()).toBe(2);
      reader.close();
    }));

  it('its identity is that of the text file where there is no session document', () =>
    inTempDir((root) => {
      const dir = join(root, 'ds');
      createDataset(dir, { datasetId: D, reference: 'from text' });
      const reader = openDataset(dir);
      expect(reader.identity).toEqual({ datasetId: D, reference: 'from text', remotes: [], sessions: [] });
      reader.close();
      rmSync(join(ndiDir(dir), 'unique_reference.txt'));
      expect(refusal(dir)).toBe('NDI_E_AMBIGUOUS_DATASET_ID');
    }));

  it('what a dataset is linked to is read anew after every change, even one that leaves size and time as they were', () =>
    inTempDir(async (dir) => {
      await built(dir);
      const remotes = (): string[] => {
        const reader = openDataset(dir);
        reader.close();
        return reader.identity.remotes.map((remote) => remote.cloudDatasetId);
      };
      const opened = openDataset(dir);
      opened.close();
      const { datasetId } = opened.identity;
      const path = databasePath(dir);
      const { mtime, atime } = statSync(path);
      const link = (cloudDatasetId: string): void => {
        linkRemote(dir, { cloudDatasetId, organizationId: 'o'.repeat(24), datasetId, replace: true });
        utimesSync(path, atime, mtime);
      };
      expect(remotes()).toEqual([]);
      expect(remotes()).toEqual([]);
      link('a'.repeat(24));
      expect(remotes()).toEqual(['a'.repeat(24)]);
      const { size } = statSync(path);
      link('b'.repeat(24));
      expect(statSync(path).size).toBe(size);
      expect(remotes()).toEqual(['b'.repeat(24)]);
      unlinkRemote(dir);
      utimesSync(path, atime, mtime);
      expect(remotes()).toEqual([]);
    }));
});
