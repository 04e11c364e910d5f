/**
 * A power cut takes what was written and not forced to disk: documents out of the database, bytes out of
 * files that keep their name. Here it is done by hand, under another boot id; what a real one takes is less.
 */
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildDirOf } from '../../activities/download/build-dir.ts';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { openForWriting } from '../../ndi/dataset/write.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { RunRef } from '../../workflows/steps.ts';
import { createLab, type Lab } from '../support/lab.ts';
import { downloadAll, finish, type Site, siteOf } from '../support/site.ts';

let lab: Lab;
let site: Site;
let source: string;
let cloudId: string;
let made = 0;
beforeAll(async () => {
  lab = await createLab();
  site = siteOf(lab, 'other-home');
  source = join(lab.dir, 'source');
  await makeDataset(source, { documents: 60, files: 12, fileBytes: 3_000, bigFileBytes: 200_000, seed: 4 });
  cloudId = (await lab.upload(source)).datasetId;
});
afterAll(async () => {
  await site?.close();
  await lab?.close();
});

async function downloaded(): Promise<{
  input: DownloadInput;
  ref: RunRef;
  files: string[];
  documents: string[];
}> {
  made += 1;
  const input = lab.downloadInput(cloudId, join(lab.dir, `target-${made}`));
  const ref = await downloadAll(site.deps, input, `run-${made}`);
  const ledger = site.deps.ledgers.open(ref.ledgerPath);
  const ids = (kind: 'file' | 'document') =>
    [...ledger.run(ref.runKey).items.each({ kind, states: ['done'] })].map((item) => item.id);
  return { input, ref, files: ids('file'), documents: ids('document') };
}

/** Documents that others depend on are harder to miss than the last ones. */
function removeDocuments(dir: string, ids: readonly string[]): void {
  const writer = openForWriting(dir);
  writer.removeDocuments(ids);
  writer.close();
}

describe('a download and a power cut', () => {
  it('fetches again what the power cut took, before the dataset is made', async () => {
    const { input, ref, files, documents } = await downloaded();
    const dir = buildDirOf(input);
    const bytesOf = (uid: string) => {
      const path = uidPath(dir, uid);
      return existsSync(path) ? readFileSync(path, 'latin1') : undefined;
    };
    const whole = files.map(bytesOf);
    const [gone, empty, zeroes, ...rest] = files.map((uid) => uidPath(dir, uid));
    rmSync(gone!);
    truncateSync(empty!);
    const ledger = site.deps.ledgers.open(ref.ledgerPath);
    writeFileSync(zeroes!, Buffer.alloc(ledger.run(ref.runKey).items.get('file', files[2]!)!.sizeBytes));
    expect(rest.length).toBeGreaterThan(5);
    removeDocuments(dir, documents.slice(-3));
    const lost = files.filter((uid, n) => bytesOf(uid) !== whole[n]);
    const before = structuredClone(lab.sandbox.faults.requests().objects);
    const result = await finish({ ...site.deps, bootId: 'another' }, input, ref);
    expect(result).toMatchObject({ status: 'done', problems: [] });
    expect(await compareDatasets(source, input.targetDir)).toMatchObject({ equal: true });
    const after = lab.sandbox.faults.requests().objects;
    const again = files.filter((uid) => {
      const key = `${cloudId}/${uid}`;
      return (after[key]?.gets ?? 0) > (before[key]?.gets ?? 0);
    });
    expect(again).toEqual(lost);
    expect(lost.length).toBeLessThan(files.length / 2);
  });

  it('does not end as done when a file is gone without a power cut', async () => {
    const { input, ref, files } = await downloaded();
    rmSync(uidPath(buildDirOf(input), files[0]!));
    await expect(finish(site.deps, input, ref)).rejects.toMatchObject({ code: 'NDI_E_OPEN_CHECK' });
  });

  it('trusts no small file that an earlier run left before the power cut', async () => {
    const { input, files } = await downloaded();
    const dir = buildDirOf(input);
    for (const uid of files) writeFileSync(uidPath(dir, uid), '');
    const deps = { ...site.deps, bootId: 'another' };
    site.deps.ledgers.open(site.deps.ledgers.locate(dir, cloudId)).lease.release(`run-${made}`);
    const ref = await downloadAll(deps, input, `run-${made}-again`);
    const result = await finish(deps, input, ref);
    expect(result).toMatchObject({ status: 'done', problems: [] });
    expect(await compareDatasets(source, input.targetDir)).toMatchObject({ equal: true });
  });
});
