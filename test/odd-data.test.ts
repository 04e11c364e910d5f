/**
 * One odd item never stops the others: it goes up and comes down as it is, or it is listed with its own
 * reason.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareDatasets } from '../ndi/dataset/compare.ts';
import { makeDataset } from '../ndi/synthetic/dataset.ts';
import { cloudIds, cloudRequest, documentsInCloud } from './support/cloud-state.ts';
import { createLab, type Lab } from './support/lab.ts';
import { ODDITIES, OddDataset, type Oddity } from './support/oddities.ts';

describe('a dataset with', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await createLab();
  });
  afterAll(() => lab?.close());

  const here = ODDITIES.filter(({ isPosixOnly }) => isPosixOnly !== true || process.platform !== 'win32');

  it.concurrent.each(here)('$name goes up and comes down', async (oddity: Oddity) => {
    const number = ODDITIES.indexOf(oddity);
    const source = join(lab.dir, `source-${number}`);
    const target = join(lab.dir, `target-${number}`);
    await makeDataset(source, { documents: 32, files: 3, fileBytes: 500, seed: 100 + number });
    const before = new OddDataset(source);
    oddity.make(before);
    const up = await lab.upload(source, {
      datasetDir: source,
      target: { kind: 'as-new', name: oddity.name },
    });
    const problems = up.problems.map(({ code, id, detail }) => ({ code, id, detail }));
    const cloud = await documentsInCloud(lab, up.datasetId);
    expect(cloud.doubled).toEqual([]);
    const down = await lab.download(up.datasetId, target);
    if (oddity.outcome.kind === 'equal') {
      expect(problems).toEqual([]);
      expect(cloud.count).toBe(up.documents.total);
      expect(down.problems).toEqual([]);
      expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
    } else {
      const { code, detail } = oddity.outcome;
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatchObject({ code, detail: expect.stringMatching(detail ?? /./) });
      expect(cloud.count).toBe(up.documents.total - up.documents.failed);
      // The binary that is not in the cloud is said to be missing here too.
      const isFile = up.files.failed === 1;
      expect(down.problems.map(({ code }) => code)).toEqual(isFile ? ['NDI_E_NOT_FOUND'] : []);
      const compared = await compareDatasets(source, target);
      expect(compared.onlyInB).toEqual([]);
      const isChanged = code === 'NDI_E_CHANGED_BY_CLOUD';
      expect(compared.differentDocuments).toEqual(isChanged ? [before.plain] : []);
      expect(compared.onlyInA).toEqual(up.documents.failed === 1 ? [before.plain] : []);
      expect(compared.fileDifferences.length).toBeLessThanOrEqual(1);
    }
    oddity.check?.(before, new OddDataset(target));
    expect(existsSync(join(target, '.ndi'))).toBe(true);
  });

  it('a path of this computer in a cloud document is no binary: it is neither taken nor sent', async () => {
    const source = join(lab.dir, 'foreign');
    const secret = join(lab.dir, 'secret.txt');
    writeFileSync(secret, 'of this computer alone');
    await makeDataset(source, { documents: 32, files: 3, fileBytes: 500, seed: 99 });
    const { datasetId } = await lab.upload(source);
    const dataset = new OddDataset(source);
    const sound = dataset.location();
    const put = async (uid: string): Promise<void> => {
      dataset.change((body, location) => {
        const places = [
          { uid, location: '' },
          { uid: '', location: secret },
        ];
        body.files!.file_info[0]!.locations = places.map((place) => ({ ...location, ...place }));
      });
      const cloudId = (await cloudIds(lab, datasetId)).get(dataset.withFile);
      const text = dataset.bytes(dataset.withFile).toString();
      await cloudRequest(lab, 'POST', `/datasets/${datasetId}/documents/${cloudId}`, text);
    };
    await put(sound.uid);
    expect(await lab.download(datasetId, join(lab.dir, 'foreign-1'))).toMatchObject({ problems: [] });
    await put('41268d7001aaaaaa_06c45d18aaaaaaaa');
    const target = join(lab.dir, 'foreign-2');
    const down = await lab.download(datasetId, target);
    expect(down.problems).toMatchObject([{ code: 'NDI_E_NOT_FOUND' }]);
    const up = await lab.upload(target);
    expect(up.files).toMatchObject({ transferred: 0 });
    expect(JSON.stringify(up.problems)).not.toContain(secret);
  });
});
