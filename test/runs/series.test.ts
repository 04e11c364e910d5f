/**
 * A file series: one document, a manifest, and members that only the manifest names. Everything goes up and
 * comes back.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { linkFileNames, openForWriting } from '../../ndi/dataset/write.ts';
import { newDocument } from '../../ndi/document/classes.ts';
import { newNdiId } from '../../ndi/ids.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { manifest } from '../fixtures/dataset.ts';
import { createLab, datasetIdOf, type Lab } from '../support/lab.ts';

const MEMBERS = 300;

let lab: Lab;
beforeAll(async () => {
  lab = await createLab();
});
afterAll(() => lab?.close());

describe('a file series', () => {
  it('goes up with its members, and comes back with them', async () => {
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 30, files: 2, fileBytes: 500, seed: 2 });
    const [documentId, series] = [newNdiId(), newNdiId()];
    // One slot is empty: such a member was never made.
    const members = Array.from({ length: MEMBERS }, (_, n) => (n === 7 ? '' : newNdiId()));
    writeFileSync(uidPath(source, series), manifest(members));
    for (const [n, uid] of members.entries())
      if (uid !== '') writeFileSync(uidPath(source, uid), `member ${n}`);
    const writer = openForWriting(source);
    const document = newDocument('demoNDI', {
      id: documentId,
      sessionId: datasetIdOf(source),
      files: [{ name: 'filename1.ext', uid: series, location: uidPath(source, series) }],
    });
    const files = {
      ...(document.files as object),
      series_info: { name: 'filename1.ext', count: MEMBERS, n_present: MEMBERS - 1 },
    };
    writer.addDocuments([{ ...document, files }]);
    writer.close();
    linkFileNames(source, documentId, 'filename1.ext', series);

    const up = await lab.upload(source);
    expect(up).toMatchObject({ status: 'done', files: { total: 2 + MEMBERS, failed: 0 } });
    const target = join(lab.dir, 'target');
    const down = await lab.download(up.datasetId, target);
    expect(down).toMatchObject({ status: 'done', files: { total: 2 + MEMBERS, transferred: 2 + MEMBERS } });
    expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
    expect(readFileSync(uidPath(target, members[MEMBERS - 1]!), 'utf8')).toBe(`member ${MEMBERS - 1}`);
  });
});
