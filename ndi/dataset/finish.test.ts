import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { D, exampleDocuments, IDS, inTempDir, rows, writeExample } from '../../test/fixtures/dataset.ts';
import { newDocument } from '../document/classes.ts';
import type { NdiDocument } from '../document/types.ts';
import { newNdiId } from '../ids.ts';
import { completeBookkeeping, finishDataset, linkRemote, trackingDocument, unlinkRemote } from './finish.ts';
import { databasePath, ndiDir } from './layout.ts';
import { openDataset } from './read.ts';
import { createDataset, openForWriting } from './write.ts';

const S1 = '41269700000000b1_3fd0000000000002';
const S2 = '41269700000000b2_3fd0000000000003';
const CLOUD = '682e7772cdf3f24938176fac';

function directoryOf(dir: string, documents: readonly NdiDocument[]): void {
  createDataset(dir);
  const writer = openForWriting(dir);
  writer.addDocuments(documents);
  writer.close();
}

const subject = (sessionId: string): NdiDocument => newDocument('subject', { sessionId });
const session = (sessionId: string, reference: string): NdiDocument =>
  newDocument('session', { sessionId, values: { session: { reference } } });

describe('finishing a dataset', () => {
  it('a dataset that says what it is needs nothing', () =>
    inTempDir((dir) => {
      directoryOf(dir, exampleDocuments(dir));
      expect(completeBookkeeping(dir)).toEqual({
        datasetId: D,
        reference: 'ts_ds',
        added: [],
        ambiguous: [],
      });
    }));

  it('the one session that is nobody’s member is the dataset, as MATLAB has it', () =>
    inTempDir(async (dir) => {
      // The tracking document lost its own session id, as one of Python’s may.
      const tracking = { ...trackingDocument(D, S1, 'member'), base: { id: newNdiId(), session_id: '' } };
      directoryOf(dir, [session(S1, 'member'), session(D, 'own'), tracking]);
      expect(completeBookkeeping(dir)).toMatchObject({
        datasetId: D,
        reference: 'own',
        added: [],
        ambiguous: [],
      });
    }));

  it('a missing session document is made, once', () =>
    inTempDir(async (dir) => {
      directoryOf(dir, [trackingDocument(D, S1, 'member'), session(S1, 'member'), subject(S1)]);
      const first = completeBookkeeping(dir, 'my data');
      expect(first).toMatchObject({ datasetId: D, reference: 'my data', ambiguous: [] });
      expect(first.added).toHaveLength(1);
      expect(completeBookkeeping(dir, 'my data').added).toEqual([]);
      const identity = await finishDataset(dir);
      expect(identity).toMatchObject({
        datasetId: D,
        reference: 'my data',
        sessions: [{ sessionId: S1, linked: false }],
      });
    }));

  it('the most frequent session id is the dataset where there is no session document, as Python has it', () =>
    inTempDir(async (dir) => {
      directoryOf(dir, [subject(S1), subject(S2), subject(S2), subject(''), subject(''), subject('')]);
      expect(completeBookkeeping(dir, 'r')).toMatchObject({ datasetId: S2, ambiguous: [] });
      expect((await finishDataset(dir)).datasetId).toBe(S2);
    }));

  it('an ambiguous dataset is decided, said so, and opens from then on', () =>
    inTempDir(async (dir) => {
      directoryOf(dir, [session(S1, 'one'), session(S2, 'two'), subject(S2)]);
      const result = completeBookkeeping(dir);
      expect(result).toMatchObject({ datasetId: S2, reference: 'two', ambiguous: [S2, S1] });
      expect(result.added).toHaveLength(1);
      expect(completeBookkeeping(dir)).toMatchObject({ datasetId: S2, added: [], ambiguous: [] });
      expect((await finishDataset(dir)).sessions).toEqual([
        { sessionId: S1, reference: 'one', linked: false, path: '' },
      ]);
    }));

  it('documents without any session get one, and keep it', () =>
    inTempDir(async (dir) => {
      directoryOf(dir, [subject('')]);
      const { datasetId, added, ambiguous } = completeBookkeeping(dir, 'bare');
      expect(added).toHaveLength(1);
      expect(ambiguous).toEqual([]);
      expect(completeBookkeeping(dir, 'bare')).toMatchObject({ datasetId, added: [] });
      expect(await finishDataset(dir)).toMatchObject({ datasetId, reference: 'bare' });
    }));

  it('linking is one document, whatever is repeated; another link is refused or replaced', () =>
    inTempDir(async (dir) => {
      writeExample(dir);
      await finishDataset(dir);
      const target = { cloudDatasetId: CLOUD, organizationId: 'org', datasetId: D };
      const id = linkRemote(dir, target);
      expect(linkRemote(dir, target)).toBe(id);
      const identity = () => {
        const reader = openDataset(dir);
        reader.close();
        return reader.identity;
      };
      expect(identity().remotes).toEqual([{ documentId: id, cloudDatasetId: CLOUD, organizationId: 'org' }]);
      expect(identity().datasetId).toBe(D);
      expect(() => linkRemote(dir, { ...target, cloudDatasetId: '67f723d574f5f79c6062389d' })).toThrow(
        expect.objectContaining({ code: 'NDI_E_TWO_REMOTES' }),
      );
      const replaced = linkRemote(dir, {
        ...target,
        cloudDatasetId: '67f723d574f5f79c6062389d',
        replace: true,
      });
      expect(identity().remotes.map((remote) => remote.documentId)).toEqual([replaced]);
      expect(unlinkRemote(dir, CLOUD)).toEqual([]);
      expect(unlinkRemote(dir)).toEqual([replaced]);
      expect(identity().remotes).toEqual([]);
      // Linking a dataset of NDI's leaves it one file in delete mode.
      expect(readdirSync(ndiDir(dir)).filter((name) => name.startsWith('did-sqlite'))).toEqual([
        'did-sqlite.sqlite',
      ]);
      expect(rows(dir, 'PRAGMA journal_mode')).toEqual([{ journal_mode: 'delete' }]);
    }));

  it(
    'it refuses while another writer is at work, and may be done twice',
    () =>
      inTempDir(async (dir) => {
        writeExample(dir);
        const other = openForWriting(dir);
        other.documentCount();
        await expect(finishDataset(dir)).rejects.toMatchObject({ code: 'NDI_E_DATABASE_BUSY' });
        other.close();
        await finishDataset(dir);
        const before = readFileSync(join(ndiDir(dir), 'unique_reference.txt'), 'utf8');
        await finishDataset(dir);
        expect(readFileSync(join(ndiDir(dir), 'unique_reference.txt'), 'utf8')).toBe(before);
      }),
    60_000,
  );

  it('it notices a database that does not read back', () =>
    inTempDir(async (dir) => {
      writeExample(dir);
      await finishDataset(dir);
      // One letter of one key in an index.
      const [index] = rows(dir, "SELECT rootpage FROM sqlite_master WHERE name = 'docs_doc_id'");
      const bytes = readFileSync(databasePath(dir));
      const at = bytes.indexOf(IDS.demo, (Number(index?.rootpage) - 1) * 4_096);
      bytes.write('f', at + 10, 'latin1');
      writeFileSync(databasePath(dir), bytes);
      await expect(finishDataset(dir)).rejects.toMatchObject({ code: 'NDI_E_OPEN_CHECK' });
    }));
});
