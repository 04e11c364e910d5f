/**
 * One file ends every worker that works on it. Its unit goes alone after two deaths, the file is listed after
 * two more, and everything else arrives. A worker that is asked to stop, and one whose computer was switched
 * off, say nothing against an item.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workOff } from '../../activities/shared/alone.ts';
import { inScope } from '../../activities/step.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';
import { downloadAll, siteOf, stepContext } from '../support/site.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

/** Two while its unit shares the process, two while it is alone. */
const DEATHS = 4;

function firstUid(dir: string): string {
  const reader = openDataset(dir);
  try {
    for (const { text } of reader.documents()) {
      for (const { file } of reader.files(describeDocument(parseDocument(text))))
        if (file.kind === 'local') return file.uid;
    }
    throw new Error('no file');
  } finally {
    reader.close();
  }
}

describe('a file that ends every worker', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await createLab({ worker: 'control' });
  });
  afterAll(() => lab?.close());

  it('is listed, everything else arrives, and the same command tries it again', async () => {
    const start = () =>
      startWorkerProcess({
        roles: ['site'],
        controlQueue: lab.queue,
        sites: [{ siteId: lab.site, homeDir: lab.homeDir, env: lab.env }],
      });
    let worker = await start();
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 40, files: 8, fileBytes: 3_000, seed: 11 });
    const { datasetId } = await lab.upload(source);
    const uid = firstUid(source);
    // Long enough to be killed in: what works on the file does nothing else that could kill it.
    lab.sandbox.faults.set({
      route: 'GET object',
      kind: 'latency',
      params: { key: `^${datasetId}/${uid}$`, ms: 3_000 },
    });
    const target = join(lab.dir, 'target');
    const tuning = { ...TEST_TUNING, heartbeatTimeoutMs: 5_000 };
    const handle = await lab.startDownload(lab.downloadInput(datasetId, target, { tuning }));
    const ended = handle.result().then(() => 'ended' as const);
    let deaths = 0;
    const fired = (): number => lab.sandbox.faults.list()[0]?.fired ?? 0;
    for (let seen = 0; ; ) {
      const tick = new Promise<'tick'>((resolve) => setTimeout(() => resolve('tick'), 20));
      if ((await Promise.race([ended, tick])) === 'ended') break;
      if (fired() === seen) continue;
      seen = fired();
      deaths += 1;
      await worker.kill();
      worker = await start();
    }
    expect(deaths).toBe(DEATHS);
    expect(await handle.result()).toMatchObject({
      status: 'done-with-leftovers',
      files: { total: 8, transferred: 7, failed: 1 },
      problems: [{ kind: 'file', id: uid, code: 'NDI_E_ENDS_WORKER' }],
    });
    lab.sandbox.faults.clear();
    expect(await lab.download(datasetId, target, { tuning })).toMatchObject({
      status: 'done',
      files: { transferred: 1 },
    });
    await worker.kill();
  }, 120_000);
});

describe('a death', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await createLab();
  });
  afterAll(() => lab?.close());

  it('counts only where the process is gone from a computer that went on, and nobody had asked it to stop', async () => {
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 40, files: 2, fileBytes: 1_000, seed: 12 });
    const { datasetId } = await lab.upload(source);
    const { deps, close } = siteOf(lab, 'by-hand');
    const ref = await downloadAll(deps, lab.downloadInput(datasetId, join(lab.dir, 'target')), 'by-hand');
    const stopping = new AbortController();
    await inScope(deps, { ...stepContext(), signal: stopping.signal }, ref, async (scope) => {
      const unit = scope.ledger.units.get(0);
      const items = scope.ledger.items.ofUnit(0);
      const fact = RUN_FACTS.unitNote(0);
      const note = () => scope.ledger.facts.get(fact);
      const begunBy = (worker: string, boot: string): void =>
        scope.ledger.facts.set(fact, { deaths: 0, items: {}, begun: { worker, boot, item: null } });
      const done = { together: async () => {}, alone: async () => {} };

      begunBy('1 long gone', deps.bootId);
      await workOff(scope, unit, items, done);
      expect(note()).toMatchObject({ begun: null, deaths: 1 });
      begunBy('1 long gone', 'before the power cut');
      await workOff(scope, unit, items, done);
      expect(note()).toMatchObject({ begun: null, deaths: 0 });
      begunBy(deps.worker, deps.bootId);
      await workOff(scope, unit, items, done);
      expect(note()).toMatchObject({ begun: null, deaths: 0 });

      const stopped = workOff(scope, unit, items, {
        ...done,
        together: async () => {
          expect(note()?.begun).toMatchObject({ worker: deps.worker });
          stopping.abort();
          expect(note()?.begun).toBeNull();
        },
      });
      await stopped;
    });
    await close();
  });
});
