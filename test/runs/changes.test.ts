/**
 * An upload sees what was changed: here, in the cloud, on both sides; nothing changed is skipped in silence.
 */
import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openLedger } from '../../ledger/open.ts';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { databasePath, uidPath } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { openForWriting } from '../../ndi/dataset/write.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { TransferResult, UploadResult } from '../../workflows/contracts/index.ts';
import { cloudIds, cloudRequest } from '../support/cloud-state.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';

let lab: Lab;
let source: string;
let made = 0;
beforeAll(async () => {
  lab = await createLab();
});
afterAll(() => lab?.close());
beforeEach(async () => {
  made += 1;
  source = join(lab.dir, `source-${made}`);
  await makeDataset(source, { documents: 40, files: 6, fileBytes: 3_000, seed: made });
});

const tuning = { ...TEST_TUNING, importQuietMs: 1_000 };
const NOTHING = { changedHere: 0, changedThere: 0, goneHere: 0, onlyInCloud: 0 };
const upload = async (more: object = {}): Promise<UploadResult> =>
  (await lab.upload(source, { tuning, ...more })) as UploadResult;

/** A subject document without files, and one of its texts. */
function someDocument(): { id: string; text: string } {
  const reader = openDataset(source);
  try {
    for (const stored of reader.documents()) {
      const facts = describeDocument(parseDocument(stored.text));
      if (facts.className === 'subject' && facts.files.length === 0) return { ...stored };
    }
    throw new Error('there is no subject');
  } finally {
    reader.close();
  }
}

/** Edits a document as a person with a SQLite tool does. */
function edit(id: string, description: string): void {
  const database = new DatabaseSync(databasePath(source));
  const [before] = database.prepare('SELECT json_code FROM docs WHERE doc_id = ?').all(id);
  const document = JSON.parse(String(before?.json_code)) as { subject: object };
  const after = JSON.stringify({ ...document, subject: { ...document.subject, description } });
  database.prepare('UPDATE docs SET json_code = ? WHERE doc_id = ?').run(after, id);
  database.close();
}

async function inCloud(result: TransferResult, id: string): Promise<{ subject: { description: string } }> {
  const ids = await cloudIds(lab, result.datasetId);
  return (await cloudRequest(lab, 'GET', `/datasets/${result.datasetId}/documents/${ids.get(id)}`)) as never;
}

async function editInCloud(result: TransferResult, id: string, description: string): Promise<void> {
  const ids = await cloudIds(lab, result.datasetId);
  const path = `/datasets/${result.datasetId}/documents/${ids.get(id)}`;
  const { id: _, ...body } = await cloudRequest(lab, 'GET', path);
  await cloudRequest(lab, 'POST', path, { ...body, subject: { ...(body.subject as object), description } });
}

const baseOf = (id: string) => {
  const ledger = openLedger(join(source, '.ndi/courier/ledger.sqlite'));
  const base = ledger.base.item('document', id);
  ledger.close();
  return base;
};

describe('an upload of a dataset', () => {
  it('reads back what it sent, and writes into the base what both sides agreed on', async () => {
    const result = await upload();
    const { total } = result.documents;
    expect(result).toMatchObject({
      status: 'done',
      differences: {
        documents: { ...NOTHING, new: total, equal: 0 },
        files: { ...NOTHING, new: 6, equal: 0 },
      },
    });
    const base = baseOf(someDocument().id)!;
    expect(base.local.how).toBe('read');
    expect(base.cloud).toMatchObject({ how: 'read-back', hash: base.local.hash });
    const again = await upload();
    expect(again).toMatchObject({
      status: 'done',
      bytes: 0,
      differences: {
        documents: { ...NOTHING, new: 0, equal: total },
        files: { ...NOTHING, new: 0, equal: 6 },
      },
    });
  });

  it('with --verify ids takes the cloud’s list for it, and the base says so', async () => {
    expect(await upload({ verify: 'ids' })).toMatchObject({ status: 'done' });
    expect(baseOf(someDocument().id)!.cloud).toMatchObject({ how: 'listed', hash: null });
  });

  it('lists a document that was edited here, and leaves the cloud’s as it is', async () => {
    await upload();
    const { id } = someDocument();
    edit(id, 'edited here');
    const result = await upload();
    expect(result).toMatchObject({
      status: 'done-with-leftovers',
      documents: { failed: 1, transferred: 0 },
      differences: { documents: { ...NOTHING, changedHere: 1, new: 0 } },
      problems: [{ kind: 'document', id, code: 'NDI_E_CHANGED_HERE' }],
    });
    expect((await inCloud(result, id)).subject.description).not.toBe('edited here');
    const report = JSON.parse(readFileSync(result.reportPath, 'utf8'));
    expect(report.differing.documents.changedHere).toMatchObject([{ uid: id }]);
    // It is not forgotten: the next one says so again.
    expect(await upload()).toMatchObject({ differences: { documents: { changedHere: 1 } } });
  });

  it('replaces a document that was edited here, when it is told to, once', async () => {
    await upload();
    const { id } = someDocument();
    edit(id, 'replaced from here');
    const result = await upload({ onChange: 'replace' });
    expect(result).toMatchObject({ status: 'done', documents: { transferred: 1 }, problems: [] });
    expect((await inCloud(result, id)).subject.description).toBe('replaced from here');
    expect(baseOf(id)!.cloud.hash).toBe(baseOf(id)!.local.hash);
    expect((await cloudIds(lab, result.datasetId)).size).toBe(result.documents.total);
    expect(await upload({ onChange: 'replace' })).toMatchObject({
      status: 'done',
      documents: { transferred: 0 },
    });
  });

  it('does not overwrite a document that was changed in the cloud while it worked', async () => {
    const first = await upload();
    const { id } = someDocument();
    edit(id, 'from here');
    lab.sandbox.faults.set({
      route: 'GET /datasets/:d/files',
      kind: 'latency',
      count: 1,
      params: { ms: 1_500 },
    });
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning, onChange: 'replace' }));
    await lab.until(handle, ({ phase }) => phase === 'planning');
    await editInCloud(first, id, 'from there');
    lab.sandbox.faults.clear();
    const result: UploadResult = await handle.result();
    expect((await inCloud(result, id)).subject.description).toBe('from there');
    expect(result.problems).toMatchObject([{ id, code: 'NDI_E_CHANGED_THERE' }]);
  });

  it('knows that a document was changed in the cloud when it reads it for the first time', async () => {
    const first = await upload({ verify: 'ids' });
    const { id } = someDocument();
    await editInCloud(first, id, 'edited there');
    expect(await upload({ onChange: 'replace' })).toMatchObject({
      status: 'done-with-leftovers',
      differences: { documents: { ...NOTHING, changedThere: 1 } },
      problems: [{ kind: 'document', id, code: 'NDI_E_CHANGED_THERE' }],
    });
    expect((await inCloud(first, id)).subject.description).toBe('edited there');
  });

  it('compares content where no base is at hand, and guesses nothing', async () => {
    const first = await upload();
    const { id } = someDocument();
    await editInCloud(first, id, 'edited there');
    rmSync(join(source, '.ndi/courier'), { recursive: true });
    const result = await upload();
    expect(result).toMatchObject({
      documents: { skipped: first.documents.total - 1, failed: 1 },
      differences: { documents: { ...NOTHING, changedHere: 1 } },
      problems: [{ kind: 'document', id, code: 'NDI_E_CHANGED_HERE' }],
    });
    expect((await inCloud(first, id)).subject.description).toBe('edited there');
  });

  it('names what the cloud made of a document that it took in', async () => {
    lab.sandbox.faults.set({
      route: 'GET /datasets/:d/files',
      kind: 'latency',
      skip: 1,
      params: { ms: 1_500 },
    });
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning }));
    const { cloudDatasetId } = await lab.until(handle, ({ phase }) => phase === 'verifying');
    const { id } = someDocument();
    await expect
      .poll(async () => (await cloudIds(lab, cloudDatasetId!)).has(id), { timeout: 5_000 })
      .toBe(true);
    await editInCloud({ datasetId: cloudDatasetId } as TransferResult, id, 'as the importer had it');
    const result: UploadResult = await handle.result();
    lab.sandbox.faults.clear();
    expect(result.problems).toEqual([
      expect.objectContaining({
        id,
        code: 'NDI_E_CHANGED_BY_CLOUD',
        detail: expect.stringMatching(
          /^First difference: subject\.description: .* here, .*as the importer had it.* there\.$/,
        ),
      }),
    ]);
  });

  it('tells what is gone here from what only the cloud has', async () => {
    const first = await upload();
    const { id } = someDocument();
    const writer = openForWriting(source);
    writer.removeDocuments([id]);
    writer.close();
    const text = JSON.stringify({
      base: { id: `${'a'.repeat(16)}_${'b'.repeat(16)}`, name: 'x' },
      document_class: { class_name: 'base' },
    });
    await cloudRequest(lab, 'POST', `/datasets/${first.datasetId}/documents`, JSON.parse(text));
    expect(await upload()).toMatchObject({
      status: 'done',
      differences: { documents: { ...NOTHING, goneHere: 1, onlyInCloud: 1 } },
    });
  });
});

describe('a file', () => {
  function someFile(): { uid: string; path: string } {
    const reader = openDataset(source);
    try {
      for (const stored of reader.documents()) {
        for (const { file } of reader.files(describeDocument(parseDocument(stored.text)))) {
          if (file.kind === 'local') return { uid: file.uid, path: uidPath(source, file.uid) };
        }
      }
      throw new Error('there is no file');
    } finally {
      reader.close();
    }
  }
  const object = async (result: TransferResult, uid: string): Promise<Buffer> => {
    const detail = await cloudRequest(lab, 'GET', `/datasets/${result.datasetId}/files/${uid}/detail`);
    const answer = await fetch(String(detail.downloadUrl));
    return Buffer.from(await answer.arrayBuffer());
  };

  it('that was overwritten at equal size is listed, and sent again when it is to be replaced', async () => {
    const first = await upload();
    const { uid, path } = someFile();
    const before = readFileSync(path);
    writeFileSync(path, Buffer.alloc(before.length, 7));
    const listed = await upload();
    expect(listed).toMatchObject({
      status: 'done-with-leftovers',
      differences: { files: { ...NOTHING, changedHere: 1, equal: 5 } },
      problems: [{ kind: 'file', id: uid, code: 'NDI_E_CHANGED_HERE' }],
    });
    expect(await object(first, uid)).toEqual(before);
    const replaced = await upload({ onChange: 'replace' });
    expect(replaced).toMatchObject({ status: 'done', files: { transferred: 1 }, problems: [] });
    expect(await object(first, uid)).toEqual(Buffer.alloc(before.length, 7));
    expect(await upload()).toMatchObject({ status: 'done', files: { transferred: 0 } });
  });

  it('that the cloud has other bytes of when it is verified is sent again', async () => {
    lab.sandbox.faults.set({
      route: 'POST /datasets/:d/documents/bulk-upload',
      kind: 'latency',
      params: { ms: 1_500 },
    });
    const handle = await lab.startUpload(lab.uploadInput(source, { tuning }));
    const { cloudDatasetId } = await lab.until(handle, ({ phase }) => phase === 'documents');
    const { uid, path } = someFile();
    const { organizationId } = lab.sandbox.users[0]!;
    const address = await cloudRequest(
      lab,
      'GET',
      `/datasets/${organizationId}/${cloudDatasetId}/files/${uid}`,
    );
    const mine = readFileSync(path);
    await fetch(String(address.url), { method: 'PUT', body: Buffer.alloc(mine.length, 5) });
    const result: UploadResult = await handle.result();
    lab.sandbox.faults.clear();
    expect(result).toMatchObject({ status: 'done', problems: [] });
    expect(await object(result, uid)).toEqual(mine);
  });

  it('whose bytes change on the way is refused by the store, also where its ETags prove nothing', async () => {
    const big = join(lab.dir, `big-${made}`);
    await makeDataset(big, {
      documents: 30,
      files: 2,
      fileBytes: 1_000,
      bigFileBytes: 3_000_000,
      seed: made,
    });
    await fetch(`${lab.sandbox.controlUrl}/knobs`, { method: 'POST', body: '{"etag":"opaque"}' });
    try {
      lab.sandbox.faults.set({ route: 'PUT object', kind: 'corrupt-put', count: 2 });
      const result = await lab.upload(big, { strategy: 'serial', tuning });
      expect(lab.sandbox.faults.list()[0]!.fired).toBe(2);
      expect(result).toMatchObject({ status: 'done', problems: [] });
      const copy = join(lab.dir, `big-copy-${made}`);
      await lab.download(result.datasetId, copy, { tuning });
      expect(await compareDatasets(big, copy)).toMatchObject({ equal: true });
    } finally {
      lab.sandbox.faults.clear();
      await fetch(`${lab.sandbox.controlUrl}/knobs`, { method: 'POST', body: '{"etag":"md5"}' });
    }
  });

  it('that was only touched is equal', async () => {
    await upload();
    const { path } = someFile();
    utimesSync(path, new Date(), new Date(Date.now() - 86_400_000));
    expect(await upload()).toMatchObject({
      status: 'done',
      differences: { files: { ...NOTHING, equal: 6 } },
    });
  });

  it('of other bytes under its uid in the cloud is listed where no base is at hand', async () => {
    const first = await upload();
    const { uid, path } = someFile();
    const copy = join(lab.dir, `copy-${made}`);
    await lab.download(first.datasetId, copy);
    writeFileSync(path, Buffer.alloc(readFileSync(path).length, 9));
    rmSync(join(source, '.ndi/courier'), { recursive: true });
    expect(await upload()).toMatchObject({
      differences: { files: { changedHere: 1, equal: 5 } },
      problems: [{ id: uid, code: 'NDI_E_CHANGED_HERE' }],
    });
  });
});
