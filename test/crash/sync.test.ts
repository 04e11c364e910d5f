/**
 * A worker process is killed with SIGKILL at every boundary of every step of a sync: before the step begins,
 * and after it is done but before anybody was told. Another process goes on, and both sides end as they do
 * when nothing happens.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openTrash } from '../../ledger/trash.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { DocumentFacts, JsonObject } from '../../ndi/document/types.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { SyncResult } from '../../workflows/contracts/index.ts';
import { createSlots, within } from '../support/crash.ts';
import type { WorkerSite } from '../support/crashing-worker.ts';
import { type Boundary, boundaryName, dieAt } from '../support/dying-worker.ts';
import { stepCalls } from '../support/history.ts';
import { createLab, TEST_TUNING } from '../support/lab.ts';
import {
  cloudSide,
  copyOf,
  documentsHere,
  hashesOf,
  ledgerOf,
  nameOf,
  ofClass,
  renamed,
  writeHere,
} from '../support/sync-sides.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

/** A dead worker is noticed soon: nothing here keeps the thread for long. */
const tuning = { ...TEST_TUNING, documentsPerUnit: 20, heartbeatTimeoutMs: 6_000 };
const SCENARIOS_AT_ONCE = 6;
const ENDS_WITHIN_MS = 60_000;
const SCENARIO_WITHIN_MS = 600_000;

const isExpendable = ({ className, files }: DocumentFacts): boolean =>
  files.length === 0 && !/subject|session|dataset/.test(className);

describe('a worker killed amid a sync', async () => {
  const lab = await createLab({ worker: 'control' });
  const survivor = await startWorkerProcess({ roles: ['site'], controlQueue: lab.queue });
  await survivor.serve({ siteId: lab.site, homeDir: lab.homeDir, env: lab.env });
  const slot = createSlots(SCENARIOS_AT_ONCE);
  let places = 0;
  const close = async (): Promise<void> => {
    await survivor.kill();
    await lab.close();
  };
  afterAll(close);

  /** A dataset that both sides agree on, and then changed on both sides in every way. */
  async function changedPlace() {
    places += 1;
    const place = places;
    const dir = join(lab.dir, `place-${place}`);
    await makeDataset(dir, { documents: 60, files: 3, fileBytes: 2_000, seed: 100 + place });
    const { datasetId } = await lab.upload(dir, { target: { kind: 'as-new', name: `Place ${place}` } });
    await lab.sync(dir);
    const cloud = cloudSide(lab, () => datasetId);
    const here = documentsHere(dir);
    const [[, a], [, b]] = ofClass(here, 'subject') as [[string, JsonObject], [string, JsonObject]];
    // Nothing else stands on these.
    const others = [...here].filter(([, one]) => isExpendable(describeDocument(one)));
    const [[gone], [goneThere]] = others as [[string, JsonObject], [string, JsonObject]];
    const withFile = [...here.values()].find((one) => describeDocument(one).files.length > 0)!;
    writeHere(
      dir,
      [renamed(a, 'edited here'), copyOf(a, 'new here'), copyOf(withFile, 'new here, with a file')],
      [gone],
    );
    await cloud.write(renamed(b, 'edited there'));
    await cloud.write(copyOf(b, 'new there'));
    await cloud.remove(goneThere);
    const site: WorkerSite = { siteId: `${lab.site}-${place}`, homeDir: `${dir}-home`, env: lab.env };
    return { dir, cloud, site, gone, goneThere };
  }

  type Place = Awaited<ReturnType<typeof changedPlace>>;

  const start = ({ dir, site }: Place) =>
    lab.startSync(lab.syncInput(dir, { site: site.siteId, deletes: true, tuning }));

  async function crashed(place: Place, boundary: Boundary | undefined): Promise<SyncResult> {
    const { site } = place;
    const handle = await start(place);
    if (boundary !== undefined) await dieAt(lab.queue, site, boundary);
    await survivor.serve(site);
    return within(ENDS_WITHIN_MS, 'The run ends', handle.result());
  }

  const clean = await changedPlace();
  const expected = await crashed(clean, undefined);
  const calls = await stepCalls(lab.client.workflow.getHandle(expectedId(clean)));
  // Steps of an upload have a matrix of their own: here they die once they have acted.
  const boundaries = calls.flatMap(({ step, call }): Boundary[] => [
    ...(/^(plan|write|delete|finish)Sync/.test(step) ? [{ step, call, when: 'before' } as const] : []),
    ...(step.startsWith('next') ? [] : [{ step, call, when: 'after' } as const]),
  ]);

  function expectedId({ dir, site }: Place): string {
    const reader = openDataset(dir);
    reader.close();
    return `sync/${reader.identity.datasetId}@${site.siteId}`;
  }

  async function expectRight(place: Place, result: SyncResult): Promise<void> {
    const { documents, files, status } = result;
    expect({ status, documents, files }).toEqual({
      status: 'done',
      documents: expected.documents,
      files: expected.files,
    });
    const here = documentsHere(place.dir);
    const there = await place.cloud.documents();
    expect(hashesOf(there)).toEqual(hashesOf(here));
    expect(await place.cloud.rowCount()).toBe(there.size);
    expect([...here.values()].map(nameOf)).toEqual(
      expect.arrayContaining([
        'edited here',
        'edited there',
        'new here',
        'new there',
        'new here, with a file',
      ]),
    );
    for (const id of [place.gone, place.goneThere]) expect(here.has(id)).toBe(false);
    const trash = [...openTrash(ledgerOf(place.dir)).entries()];
    expect(new Set(trash.filter(({ why }) => why === 'deleted').map(({ ndiId }) => ndiId))).toEqual(
      new Set([place.gone, place.goneThere]),
    );
    const reader = openDataset(place.dir);
    for (const { text } of reader.documents())
      for (const { file } of reader.files(describeDocument(parseDocument(text))))
        if (file.kind === 'local')
          expect(readFileSync(uidPath(place.dir, file.uid)).length).toBe(file.sizeBytes);
    reader.close();
    expect(await lab.sync(place.dir, { deletes: true })).toMatchObject({ status: 'done', bytes: 0 });
  }

  it('is killed at every step there is', () => {
    expect(new Set(calls.map(({ step }) => step))).toEqual(
      new Set([
        'openSync',
        'observeSync',
        'planSync',
        'nextSyncUnits',
        'planSyncFiles',
        'writeSync',
        'planSyncUpload',
        'nextUploadUnits',
        'sendUnit',
        'settleDocuments',
        'verifyUpload',
        'deleteSync',
        'finishSync',
      ]),
    );
    expect(expected).toMatchObject({
      status: 'done',
      documents: {
        uploaded: 2,
        downloaded: 1,
        updatedLocal: 1,
        updatedCloud: 1,
        deletedLocal: 1,
        deletedCloud: 1,
      },
    });
  });

  for (const boundary of boundaries) {
    it.concurrent(
      `loses and doubles nothing: ${boundaryName(boundary)}`,
      async () => {
        await slot(async () => {
          const place = await changedPlace();
          await expectRight(place, await crashed(place, boundary));
          await place.cloud.client.close();
        });
      },
      SCENARIO_WITHIN_MS,
    );
  }
});
