import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inTempDir, tamper } from '../../test/fixtures/dataset.ts';
import { compareDatasets } from '../dataset/compare.ts';
import { databasePath, filesDir, ndiDir } from '../dataset/layout.ts';
import { openDataset } from '../dataset/read.ts';
import { openForWriting } from '../dataset/write.ts';
import { parseDocument } from '../document/codec.ts';
import { describeDocument } from '../document/describe.ts';
import { rankDocuments } from '../document/order.ts';
import { makeDataset } from './dataset.ts';

const OPTIONS = { documents: 300, files: 40, fileBytes: 2_000, seed: 7 } as const;

describe('synthetic datasets', () => {
  it('MATLAB’s, Python’s and our own directory of one seed hold the same dataset', () =>
    inTempDir(async (root) => {
      const made = [];
      for (const style of ['both', 'matlab', 'python'] as const) {
        made.push(await makeDataset(join(root, style), { ...OPTIONS, style }));
      }
      expect(new Set(made.map(({ datasetId }) => datasetId)).size).toBe(1);
      expect(made[0]).toMatchObject({ documents: 300, files: 40, bytes: 80_000 });
      expect(Object.keys(made[0]!.classes).length).toBeGreaterThanOrEqual(10);
      for (const style of ['matlab', 'python']) {
        expect(await compareDatasets(join(root, 'both'), join(root, style))).toMatchObject({
          equal: true,
          sameDocuments: 300,
          sameFiles: 40,
          sameBytes: 80_000,
        });
      }
      const names = (style: string): string[] => readdirSync(filesDir(join(root, style))).sort();
      expect(names('both')).toHaveLength(80);
      expect(names('matlab').every((name) => name.length === 33)).toBe(true);
      expect(names('python').every((name) => name.length > 34)).toBe(true);
      expect(readdirSync(ndiDir(join(root, 'python')))).not.toContain('ndi_object_type.txt');
    }));

  it('the documents are what a real dataset has: chains, sessions, NaN, Infinity, Unicode, both shapes of a list', () =>
    inTempDir(async (dir) => {
      await makeDataset(dir, { ...OPTIONS, style: 'matlab' });
      const reader = openDataset(dir);
      expect(reader.identity.sessions).toHaveLength(2);
      const texts = [...reader.documents()].map(({ text }) => text);
      reader.close();
      const facts = texts.map((text) => describeDocument(parseDocument(text)));
      const ids = new Set(facts.map(({ id }) => id));
      for (const { dependsOn } of facts)
        for (const { value } of dependsOn) expect(value === '' || ids.has(value)).toBe(true);
      const { maxRank, cycles } = rankDocuments(facts);
      expect(cycles).toEqual([]);
      expect(maxRank).toBeGreaterThanOrEqual(2);
      for (const token of [
        'NaN',
        'Infinity',
        '線虫',
        '"file_info": {',
        '"superclasses": {',
        '"locations": {',
      ]) {
        expect(
          texts.some((text) => text.includes(token)),
          token,
        ).toBe(true);
      }
    }));

  it('the same options make the same bytes, other seeds other ids; one big file comes first', () =>
    inTempDir(async (root) => {
      const options = { ...OPTIONS, bigFileBytes: 3_500_000 };
      const a = await makeDataset(join(root, 'a'), options);
      await makeDataset(join(root, 'b'), options);
      await makeDataset(join(root, 'c'), { ...options, seed: 8 });
      expect((await compareDatasets(join(root, 'a'), join(root, 'b'))).equal).toBe(true);
      const other = await compareDatasets(join(root, 'a'), join(root, 'c'));
      expect(other.onlyInA).toHaveLength(300);
      expect(other.onlyInB).toHaveLength(300);
      expect(a.bytes).toBe(80_000 - 2_000 + 3_500_000);
    }));

  it('impossible sizes are refused', () =>
    inTempDir(async (dir) => {
      await expect(
        makeDataset(join(dir, 'x'), { documents: 20, files: 0, fileBytes: 1 }),
      ).rejects.toMatchObject({ code: 'NDI_E_USAGE' });
      await expect(
        makeDataset(join(dir, 'y'), { documents: 40, files: 39, fileBytes: 1 }),
      ).rejects.toMatchObject({ code: 'NDI_E_USAGE' });
      expect((await makeDataset(join(dir, 'z'), { documents: 30, files: 15, fileBytes: 0 })).files).toBe(15);
      expect(readdirSync(filesDir(join(dir, 'z')))).toHaveLength(30);
    }));

  it('a comparison names every difference', () =>
    inTempDir(async (root) => {
      const [a, b] = [join(root, 'a'), join(root, 'b')];
      await makeDataset(a, { ...OPTIONS, style: 'both' });
      cpSync(a, b, { recursive: true });
      const reader = openDataset(a);
      const documents = [...reader.documents()].map(({ text }) => describeDocument(parseDocument(text)));
      reader.close();
      const withFiles = documents.filter(({ files }) => files.length > 0);
      const plain = documents.filter(({ className }) => className === 'treatment');
      const uid = (at: number): string => withFiles[at]!.files[0]!.locations[0]!.uid;
      const bytes = readFileSync(join(filesDir(b), uid(0)));
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(join(filesDir(b), uid(0)), bytes);
      writeFileSync(join(filesDir(b), uid(1)), 'short');
      tamper(
        b,
        `UPDATE docs SET json_code = replace(json_code, 'food', 'water') WHERE doc_id = '${plain[0]!.id}'`,
      );
      const writer = openForWriting(b);
      writer.removeDocuments([plain[1]!.id, withFiles[2]!.id]);
      writer.addDocuments([
        { base: { id: 'extra' } },
        { base: { id: 'ignored' }, document_class: { class_name: 'dataset_remote' } },
      ]);
      writer.close();
      const difference = await compareDatasets(a, b, { ignoreClasses: ['dataset_remote'] });
      expect(difference).toMatchObject({
        equal: false,
        sameDocuments: 297,
        onlyInB: ['extra'],
        differentDocuments: [plain[0]!.id],
        sameFiles: 37,
      });
      expect([...difference.onlyInA].sort()).toEqual([plain[1]!.id, withFiles[2]!.id].sort());
      expect(difference.fileDifferences.map(({ documentId, reason }) => [documentId, reason])).toEqual([
        [withFiles[0]!.id, 'the bytes differ'],
        [withFiles[1]!.id, expect.stringContaining('5 in the second')],
      ]);
    }));

  it('another implementation of SQLite reads what we wrote', async (context) => {
    try {
      execFileSync('python3', ['-c', 'import sqlite3'], { stdio: 'ignore' });
    } catch {
      context.skip();
    }
    await inTempDir(async (dir) => {
      await makeDataset(dir, OPTIONS);
      const script = `
import json, sqlite3, sys
c = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)
one = lambda sql: c.execute(sql).fetchone()[0]
docs = [json.loads(t) for (t,) in c.execute('SELECT json_code FROM docs JOIN branch_docs USING (doc_idx)')]
print(json.dumps([one('PRAGMA integrity_check'), one('PRAGMA journal_mode'), one('PRAGMA user_version'), len(docs),
  one("SELECT count(*) FROM doc_data JOIN fields USING (field_idx) WHERE field_name = 'meta.class' AND value = 'element'"),
  len([d for d in docs if d['document_class']['class_name'] == 'element']),
  len(c.execute('PRAGMA foreign_key_check').fetchall()), one('SELECT count(*) FROM files')]))`;
      const answer = JSON.parse(
        execFileSync('python3', ['-c', script, databasePath(dir)], { encoding: 'utf8' }),
      );
      expect(answer).toEqual(['ok', 'delete', 0, 300, answer[5], answer[5], 0, 40]);
      expect(answer[5]).toBeGreaterThan(5);
    });
  });
});
