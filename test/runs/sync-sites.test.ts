/** Two services that sync one cloud dataset, each with a folder of its own: nothing is lost, nothing doubled. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../ndi/document/types.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createLab, type Lab } from '../support/lab.ts';
import {
  cloudSide,
  copyOf,
  documentsHere,
  hashesOf,
  nameOf,
  ofClass,
  renamed,
  writeHere,
} from '../support/sync-sides.ts';

let first: Lab;
let second: Lab;
beforeAll(async () => {
  first = await createLab();
  const { email, password } = first.sandbox.users[0]!;
  second = await createLab({
    env: { NDI_CLOUD_URL: first.sandbox.apiUrl, NDI_CLOUD_USERNAME: email, NDI_CLOUD_PASSWORD: password },
  });
});
afterAll(async () => {
  await second?.close();
  await first?.close();
});

describe('two sites at once', () => {
  it('bring both folders and the cloud to one state, whatever each did', async () => {
    const here = join(first.dir, 'here');
    const elsewhere = join(second.dir, 'elsewhere');
    await makeDataset(here, { documents: 50, files: 3, fileBytes: 1_000, seed: 9 });
    const { datasetId } = await first.upload(here);
    const cloud = first.uploadInput(here).cloud;
    await second.download(datasetId, elsewhere, { cloud });
    await Promise.all([first.sync(here), second.sync(elsewhere, { cloud })]);
    const [[, a], [, b]] = ofClass(documentsHere(here), 'subject') as [
      [string, JsonObject],
      [string, JsonObject],
    ];

    for (let round = 0; round < 3; round += 1) {
      writeHere(here, [copyOf(a, `here ${round}`), renamed(a, `a of here ${round}`)]);
      writeHere(elsewhere, [copyOf(b, `elsewhere ${round}`), renamed(b, `b of elsewhere ${round}`)]);
      await Promise.all([first.sync(here), second.sync(elsewhere, { cloud })]);
    }
    // What a site sent while the other looked comes with the next one.
    await first.sync(here);
    expect(await second.sync(elsewhere, { cloud })).toMatchObject({ status: 'done' });
    expect(await first.sync(here)).toMatchObject({ status: 'done', bytes: 0 });

    const there = cloudSide(first, () => datasetId);
    const documents = await there.documents();
    expect(hashesOf(documentsHere(here))).toEqual(hashesOf(documents));
    expect(hashesOf(documentsHere(elsewhere))).toEqual(hashesOf(documents));
    expect(await there.rowCount()).toBe(documents.size);
    expect([...documents.values()].map(nameOf)).toEqual(
      expect.arrayContaining([
        ...[0, 1, 2].flatMap((round) => [`here ${round}`, `elsewhere ${round}`]),
        'a of here 2',
        'b of elsewhere 2',
      ]),
    );
    await there.client.close();
  });

  it('that edit one document at once lose neither edit', async () => {
    const here = join(first.dir, 'edited-here');
    const elsewhere = join(second.dir, 'edited-elsewhere');
    await makeDataset(here, { documents: 40, files: 0, fileBytes: 0, seed: 10 });
    const { datasetId } = await first.upload(here, { target: { kind: 'as-new', name: 'Edited' } });
    const cloud = first.uploadInput(here).cloud;
    await second.download(datasetId, elsewhere, { cloud });
    await first.sync(here);
    await second.sync(elsewhere, { cloud });
    const [[id, document]] = ofClass(documentsHere(here), 'subject') as [[string, JsonObject]];
    writeHere(here, [renamed(document, 'mine')]);
    writeHere(elsewhere, [renamed(document, 'yours')]);
    const [one, two] = await Promise.all([first.sync(here), second.sync(elsewhere, { cloud })]);
    // Both looked before either wrote, or one came first: the later one finds that the cloud moved.
    const names = [documentsHere(here), documentsHere(elsewhere)].map((documents) =>
      nameOf(documents.get(id)),
    );
    expect(names).toEqual(['mine', 'yours']);
    const again = await Promise.all([first.sync(here), second.sync(elsewhere, { cloud })]);
    expect([one, two, ...again].some(({ documents }) => documents.conflicts > 0)).toBe(true);
    expect(
      [documentsHere(here), documentsHere(elsewhere)].map((documents) => nameOf(documents.get(id))),
    ).toEqual(['mine', 'yours']);
  });
});
