import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  D,
  exampleDocuments,
  IDS,
  inTempDir,
  rows,
  T,
  tamper,
  writeExample,
} from '../../test/fixtures/dataset.ts';
import { newDocument } from '../document/classes.ts';
import { parseDocument, stringifyDocument } from '../document/codec.ts';
import type { JsonObject } from '../document/types.ts';
import { newNdiId } from '../ids.ts';
import { finishDataset } from './finish.ts';
import { databasePath, documentFilePath, filesDir, ndiDir, uidPath } from './layout.ts';
import { openDataset } from './read.ts';
import { createDataset, linkFileNames, localDatenum, openForWriting } from './write.ts';

const subject = (id: string): JsonObject =>
  newDocument('subject', { id, sessionId: D, createdAt: Date.parse(T) });

describe('writing a dataset', () => {
  it('the worked example is written row for row', () =>
    inTempDir(async (dir) => {
      writeExample(dir);
      await finishDataset(dir);

      expect(rows(dir, 'SELECT branch_id, parent_id FROM branches')).toEqual([
        { branch_id: 'a', parent_id: null },
      ]);
      const documents = exampleDocuments(dir);
      expect(rows(dir, 'SELECT doc_idx, doc_id, json_code FROM docs ORDER BY 1')).toEqual(
        [IDS.session, IDS.subject, IDS.demo].map((doc_id, at) => ({
          doc_idx: at + 1,
          doc_id,
          json_code: stringifyDocument(documents[at]!),
        })),
      );
      expect(rows(dir, 'SELECT branch_id, doc_idx FROM branch_docs ORDER BY 2')).toEqual(
        [1, 2, 3].map((doc_idx) => ({ branch_id: 'a', doc_idx })),
      );
      const fields = [
        ...['class', 'superclass', 'datestamp', 'creation', 'deletion', 'depends_on'].map((name) => [
          'meta',
          name,
        ]),
        ...['id', 'session_id', 'name', 'datestamp'].map((name) => ['base', name]),
        ['session', 'reference'],
        ['subject', 'local_identifier'],
        ['subject', 'description'],
        ['demoNDI', 'value'],
      ];
      expect(rows(dir, 'SELECT * FROM fields ORDER BY field_idx')).toEqual(
        fields.map(([group, name], at) => ({
          class: group,
          field_name: `${group}.${name}`,
          json_name: `${group}___${name}`,
          field_idx: at + 1,
        })),
      );
      const meta = (name: string): unknown[] => [name, 'base', T, null, null, null];
      expect(
        rows(dir, 'SELECT doc_idx, field_idx, value FROM doc_data ORDER BY rowid').map(Object.values),
      ).toEqual([
        ...[...meta('session'), IDS.session, D, null, T, 'ts_ds'].map((value, at) => [1, at + 1, value]),
        ...[...meta('subject'), IDS.subject, D, null, T].map((value, at) => [2, at + 1, value]),
        [2, 12, 'mouse1@lab.org'],
        [2, 13, 'a mouse'],
        ...[...meta('demoNDI'), IDS.demo, D, 'doc1', T].map((value, at) => [3, at + 1, value]),
        [3, 14, 7],
      ]);
      expect(rows(dir, 'SELECT DISTINCT typeof(value) AS t FROM doc_data WHERE field_idx = 14')).toEqual([
        { t: 'real' },
      ]);
      expect(rows(dir, 'SELECT * FROM files')).toEqual([
        {
          doc_idx: 3,
          filename: 'filename1.ext',
          uid: IDS.file,
          orig_location: uidPath(dir, IDS.file),
          cached_location: uidPath(dir, IDS.file),
          type: 'file',
          parameters: null,
        },
      ]);
      expect(rows(dir, 'SELECT name, seq FROM sqlite_sequence ORDER BY 1')).toEqual([
        { name: 'docs', seq: 3 },
        { name: 'fields', seq: 14 },
      ]);
      expect(
        rows(dir, "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1"),
      ).toEqual(['doc_data_value', 'docs_doc_id', 'fields_field_name'].map((name) => ({ name })));
      const [stamp] = rows(dir, 'SELECT timestamp FROM docs');
      expect(Math.abs(Number(stamp?.timestamp) - localDatenum())).toBeLessThan(0.01);

      expect(readFileSync(join(ndiDir(dir), 'reference.txt'), 'utf8')).toBe('ts_ds');
      expect(readFileSync(join(ndiDir(dir), 'unique_reference.txt'), 'utf8')).toBe(D);
      expect(readFileSync(join(ndiDir(dir), 'ndi_object_type.txt'), 'utf8')).toBe('dataset');
      expect(readFileSync(uidPath(dir, IDS.file), 'utf8')).toBe('hello bytes');
      expect(statSync(documentFilePath(dir, IDS.demo, 'filename1.ext')).ino).toBe(
        statSync(uidPath(dir, IDS.file)).ino,
      );
      // One quiet file in delete mode, and nothing left over.
      expect(readFileSync(databasePath(dir))[18]).toBe(1);
      expect(readdirSync(ndiDir(dir)).sort()).toEqual([
        'did-sqlite.sqlite',
        'files',
        'ndi_object_type.txt',
        'reference.txt',
        'unique_reference.txt',
      ]);
    }));

  it('the example’s documents have the text of the format', () => {
    const [session, subjectDocument] = exampleDocuments('/abs').map(stringifyDocument);
    expect(session).toBe(
      `{"document_class":{"definition":"$NDIDOCUMENTPATH/session.json","validation":"$NDISCHEMAPATH/session.json","class_name":"session","property_list_name":"session","class_version":1,"superclasses":[{"definition":"$NDIDOCUMENTPATH/base.json"}]},"depends_on":[],"base":{"id":"${IDS.session}","session_id":"${D}","name":"","datestamp":"${T}"},"session":{"reference":"ts_ds"}}`,
    );
    expect(subjectDocument).toBe(
      `{"document_class":{"definition":"$NDIDOCUMENTPATH/subject.json","validation":"$NDISCHEMAPATH/subject_schema.json","class_name":"subject","property_list_name":"subject","class_version":1,"superclasses":[{"definition":"$NDIDOCUMENTPATH/base.json"}]},"base":{"id":"${IDS.subject}","session_id":"${D}","name":"","datestamp":"${T}"},"subject":{"local_identifier":"mouse1@lab.org","description":"a mouse"}}`,
    );
  });

  it('adding is idempotent by id and counts what was new', () =>
    inTempDir((dir) => {
      writeExample(dir);
      const writer = openForWriting(dir);
      const id = newNdiId();
      expect(writer.addDocuments([...exampleDocuments(dir), subject(id), subject(id)])).toBe(1);
      expect(writer.documentCount()).toBe(4);
      expect(writer.hasDocument(id)).toBe(true);
      expect(writer.hasDocument(newNdiId())).toBe(false);
      expect(writer.problems).toEqual([]);
      writer.close();
      expect(rows(dir, 'SELECT count(*) AS n FROM files')).toEqual([{ n: 1 }]);
    }));

  it('a batch with one bad id changes nothing', () =>
    inTempDir((dir) => {
      writeExample(dir);
      const writer = openForWriting(dir);
      expect(() => writer.addDocuments([subject(newNdiId()), { base: { id: '../x' } }])).toThrow(
        expect.objectContaining({ code: 'NDI_E_BAD_ID' }),
      );
      expect(writer.documentCount()).toBe(3);
      expect(writer.addDocuments([subject(newNdiId())])).toBe(1);
      writer.close();
    }));

  it('a transaction that fails forgets the fields it made', () =>
    inTempDir((dir) => {
      writeExample(dir);
      const writer = openForWriting(dir);
      const cyclic: JsonObject = { base: { id: newNdiId() }, group: {} };
      (cyclic.group as JsonObject).self = [cyclic, 1];
      const fresh = { base: { id: newNdiId() }, novel: { field: 'x' } };
      expect(() => writer.addDocuments([fresh, cyclic])).toThrow(
        expect.objectContaining({ code: 'NDI_E_BAD_JSON' }),
      );
      // Takes the number that `novel.field` had for a moment.
      writer.addDocuments([{ base: { id: newNdiId() }, other: { field: 'y' } }]);
      writer.addDocuments([fresh]);
      writer.close();
      expect(
        rows(
          dir,
          "SELECT f.field_name AS name, v.value AS value FROM doc_data v JOIN fields f USING (field_idx) WHERE f.class IN ('novel', 'other') ORDER BY v.rowid",
        ),
      ).toEqual([
        { name: 'other.field', value: 'y' },
        { name: 'novel.field', value: 'x' },
      ]);
    }));

  it('two documents may share a uid: the batch goes in and the repeat is reported', () =>
    inTempDir((dir) => {
      writeExample(dir);
      const twin = { ...exampleDocuments(dir)[2], base: { id: newNdiId(), session_id: D } };
      const writer = openForWriting(dir);
      expect(writer.addDocuments([twin])).toBe(1);
      expect(writer.problems).toEqual([
        { kind: 'repeated-uid', documentId: twin.base.id, name: 'filename1.ext', uid: IDS.file },
      ]);
      // The binary stays while one of them needs it.
      writer.removeDocuments([IDS.demo]);
      expect(existsSync(uidPath(dir, IDS.file))).toBe(true);
      expect(existsSync(documentFilePath(dir, IDS.demo, 'filename1.ext'))).toBe(false);
      writer.removeDocuments([twin.base.id]);
      expect(existsSync(uidPath(dir, IDS.file))).toBe(false);
      writer.close();
    }));

  it('a document that MATLAB deleted comes back with the new text, once', () =>
    inTempDir((dir) => {
      writeExample(dir);
      tamper(dir, 'DELETE FROM branch_docs WHERE doc_idx = 3');
      const changed = { ...exampleDocuments(dir)[2], demoNDI: { value: 8 } };
      const writer = openForWriting(dir);
      expect(writer.hasDocument(IDS.demo)).toBe(false);
      expect(writer.addDocuments([changed])).toBe(1);
      expect(writer.problems).toEqual([{ kind: 'revived', documentId: IDS.demo }]);
      writer.close();
      const reader = openDataset(dir);
      expect(parseDocument(reader.document(IDS.demo)?.text ?? '').demoNDI).toEqual({ value: 8 });
      reader.close();
      expect(rows(dir, 'SELECT value FROM doc_data WHERE doc_idx = 3 AND field_idx = 14')).toEqual([
        { value: 8 },
      ]);
      expect(rows(dir, 'SELECT count(*) AS n FROM files')).toEqual([{ n: 1 }]);
    }));

  it('removal leaves no row and no binary behind, and keeps foreign keys', () =>
    inTempDir((dir) => {
      writeExample(dir);
      const writer = openForWriting(dir);
      writer.removeDocuments([IDS.demo, newNdiId()]);
      expect(writer.documentCount()).toBe(2);
      writer.close();
      for (const table of ['docs', 'branch_docs', 'doc_data', 'files']) {
        expect(rows(dir, `SELECT count(*) AS n FROM ${table} WHERE doc_idx = 3`)).toEqual([{ n: 0 }]);
      }
      expect(rows(dir, 'PRAGMA foreign_key_check')).toEqual([]);
      expect(readdirSync(filesDir(dir))).toEqual([]);
    }));

  it('removal spares a document of another branch', () =>
    inTempDir((dir) => {
      writeExample(dir);
      tamper(dir, "INSERT INTO branches VALUES ('b', 'a', 0); INSERT INTO branch_docs VALUES ('b', 3, 0)");
      const writer = openForWriting(dir);
      writer.removeDocuments([IDS.demo]);
      expect(writer.hasDocument(IDS.demo)).toBe(false);
      writer.close();
      expect(rows(dir, 'SELECT count(*) AS n FROM doc_data WHERE doc_idx = 3')).not.toEqual([{ n: 0 }]);
      expect(existsSync(uidPath(dir, IDS.file))).toBe(true);
    }));

  it('hybrid documents get the row that MATLAB needs; a directory built aside names its final place', () =>
    inTempDir((dir) => {
      createDataset(join(dir, 'aside'));
      const writer = openForWriting(join(dir, 'aside'), { finalDir: join(dir, 'final') });
      const location = { uid: 'u2', location: 'ndic://cloud/u2', location_type: 'ndicloud' };
      writer.addDocuments([
        exampleDocuments(join(dir, 'final'))[2],
        { base: { id: IDS.subject }, files: { file_info: { name: 'f', locations: location } } },
      ]);
      writer.close();
      expect(
        rows(
          join(dir, 'aside'),
          'SELECT uid, orig_location, cached_location, type FROM files ORDER BY doc_idx',
        ),
      ).toEqual([
        {
          uid: IDS.file,
          orig_location: uidPath(join(dir, 'final'), IDS.file),
          cached_location: uidPath(join(dir, 'final'), IDS.file),
          type: 'file',
        },
        { uid: 'u2', orig_location: 'ndic://cloud/u2', cached_location: '', type: 'ndicloud' },
      ]);
    }));

  it('the second name follows the first, and a wrong one is replaced', () =>
    inTempDir((dir) => {
      createDataset(dir);
      writeFileSync(uidPath(dir, 'u1'), 'right');
      linkFileNames(dir, IDS.demo, 'a.bin', 'u1');
      linkFileNames(dir, IDS.demo, 'a.bin', 'u1');
      expect(statSync(documentFilePath(dir, IDS.demo, 'a.bin')).nlink).toBe(2);
      writeFileSync(documentFilePath(dir, IDS.demo, 'b.bin'), 'wrong');
      linkFileNames(dir, IDS.demo, 'b.bin', 'u1');
      expect(readFileSync(documentFilePath(dir, IDS.demo, 'b.bin'), 'utf8')).toBe('right');
      expect(() => linkFileNames(dir, IDS.demo, 'c.bin', 'u2')).toThrow(
        expect.objectContaining({ code: 'NDI_E_FILE_MISSING' }),
      );
      // Names that cannot be file names are left out: the uid is enough.
      for (const name of ['../c', 'raw/trace.bin', 'n'.repeat(234)]) linkFileNames(dir, IDS.demo, name, 'u1');
      expect(readdirSync(filesDir(dir)).filter((name) => name.startsWith('.'))).toEqual([]);
      expect(() => linkFileNames(dir, IDS.demo, 'c', '../u1')).toThrow(
        expect.objectContaining({ code: 'NDI_E_BAD_ID' }),
      );
      expect(readdirSync(filesDir(dir)).filter((name) => name.endsWith('.partial'))).toEqual([]);
    }));

  it('creating twice changes nothing; an empty database is not taken over', () =>
    inTempDir((dir) => {
      writeExample(dir);
      createDataset(dir);
      const writer = openForWriting(dir);
      expect(writer.documentCount()).toBe(3);
      writer.close();
      const broken = join(dir, 'broken');
      mkdirSync(filesDir(broken), { recursive: true });
      writeFileSync(databasePath(broken), '');
      expect(() => createDataset(broken)).toThrow(
        expect.objectContaining({ code: 'NDI_E_DATABASE_CORRUPT' }),
      );
      expect(() => openForWriting(broken)).toThrow(
        expect.objectContaining({ code: 'NDI_E_DATABASE_CORRUPT' }),
      );
      expect(() => openForWriting(join(dir, 'nowhere'))).toThrow(
        expect.objectContaining({ code: 'NDI_E_NOT_A_DATASET' }),
      );
      expect(statSync(databasePath(broken)).size).toBe(0);
    }));

  it('two processes may build one directory', () =>
    inTempDir(async (dir) => {
      createDataset(dir);
      const script = join(dir, 'worker.ts');
      const here = import.meta.dirname;
      writeFileSync(
        script,
        `import { openForWriting } from ${JSON.stringify(join(here, 'write.ts'))};
       import { newDocument } from ${JSON.stringify(join(here, '../document/classes.ts'))};
       const writer = openForWriting(${JSON.stringify(dir)});
       for (let at = 0; at < 40; at += 1) {
         const documents = Array.from({ length: 10 }, () => newDocument('subject', { sessionId: '${D}' }));
         writer.addDocuments([...documents, { base: { id: 'shared-' + at }, ['g' + at]: { x: at } }]);
       }
       writer.close();`,
      );
      const run = promisify(execFile);
      await Promise.all([1, 2].map(() => run(process.execPath, [script])));
      expect(rows(dir, 'SELECT count(*) AS n FROM branch_docs')).toEqual([{ n: 2 * 400 + 40 }]);
      expect(rows(dir, "SELECT count(*) AS n FROM fields WHERE class LIKE 'g%'")).toEqual([{ n: 40 }]);
      expect(rows(dir, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    }));
});
