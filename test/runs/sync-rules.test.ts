/** Rules of a sync on real datasets: what is out stays as it is on both sides, with its files. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectCloud } from '../../ndi/auth/index.ts';
import type { CloudClient } from '../../ndi/cloud/types.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { openForWriting } from '../../ndi/dataset/write.ts';
import { newDocument } from '../../ndi/document/classes.ts';
import { newNdiId } from '../../ndi/ids.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { parseIncludeRules } from '../../sync/include.ts';
import { createLab, type Lab } from '../support/lab.ts';

let lab: Lab;
let dir: string;
let cloudId: string;
let cloud: CloudClient;

beforeAll(async () => {
  lab = await createLab();
  dir = join(lab.dir, 'dataset');
  await makeDataset(dir, { documents: 30, files: 2, fileBytes: 2_000, seed: 3 });
  cloud = connectCloud({ env: lab.env, homeDir: lab.homeDir }).client;
  cloudId = (await lab.upload(dir, { target: { kind: 'as-new', name: 'Rules' } })).datasetId;
});
afterAll(async () => {
  await cloud.close();
  await lab.close();
});

/** A document of this class with one file, written here. */
function addWithFile(className: 'demoNDI' | 'generic_file', fileName: string): { id: string; uid: string } {
  const [id, uid] = [newNdiId(), newNdiId()];
  const reader = openDataset(dir);
  const sessionId = reader.identity.datasetId;
  reader.close();
  writeFileSync(uidPath(dir, uid), `bytes of ${id}`);
  const writer = openForWriting(dir);
  const files = [{ name: fileName, uid, location: uidPath(dir, uid) }];
  writer.addDocuments([newDocument(className, { id, sessionId, name: 'rig3 one', files })]);
  writer.close();
  return { id, uid };
}

const hasDocument = async (id: string): Promise<boolean> => {
  const { rows } = await cloud.documents.list(cloudId, { page: 1, pageSize: 500 });
  return rows.some(({ ndiId }) => ndiId === id);
};

const hasFile = async (uid: string): Promise<boolean> => {
  for await (const rows of cloud.files.list(cloudId))
    if (rows.some((row) => row.uid === uid && row.uploaded !== false)) return true;
  return false;
};

describe('the rules of a sync', () => {
  it('take the files of a document with it, and leave the others', async () => {
    await lab.sync(dir);
    const wanted = addWithFile('demoNDI', 'filename1.ext');
    const other = addWithFile('generic_file', 'generic_file.ext');
    const rules = parseIncludeRules(['class=demoNDI']);
    expect(await lab.sync(dir, { rules })).toMatchObject({
      status: 'done',
      documents: { uploaded: 1 },
      files: { uploaded: 1 },
    });
    expect([await hasDocument(wanted.id), await hasFile(wanted.uid)]).toEqual([true, true]);
    expect([await hasDocument(other.id), await hasFile(other.uid)]).toEqual([false, false]);
    const without = parseIncludeRules([], ['name=rig3*']);
    expect(await lab.sync(dir, { rules: without })).toMatchObject({
      documents: { uploaded: 0 },
      files: { uploaded: 0 },
    });
    expect(await lab.sync(dir)).toMatchObject({ documents: { uploaded: 1 }, files: { uploaded: 1 } });
    expect([await hasDocument(other.id), await hasFile(other.uid)]).toEqual([true, true]);
  });
});
