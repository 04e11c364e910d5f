/**
 * A worker process is killed with SIGKILL while the answer to a request is on its way: the cloud has done the
 * work, and nobody here will ever know. Once for every kind of request that an upload and a download make,
 * the list being what the cloud saw of a run without a crash. Here lies what the ledger cannot have noted: a
 * dataset created, a dataset renamed, a zip taken in, but not marked.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { type FaultSpec, type Sandbox, startSandbox } from '../../sandbox/server.ts';
import type { TransferResult, UploadStrategy } from '../../workflows/contracts/index.ts';
import {
  bytesOf,
  createSlots,
  expectDownloaded,
  expectUploadedOnce,
  failuresOf,
  within,
} from '../support/crash.ts';
import type { WorkerSite } from '../support/crashing-worker.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

const tuning = { ...TEST_TUNING, window: 3, zipBytes: 100_000, documentsPerUnit: 30, importQuietMs: 1_500 };
const DATASET = { documents: 50, files: 8, fileBytes: 6_000, bigFileBytes: 150_000, seed: 6 };
/** No unit of this dataset is larger. */
const UNIT_BYTES = 160_000;
const SLACK_BYTES = 4_000;
/** The answer is held back for longer than any test runs. */
const NEVER_MS = 600_000;
const DYING_AT_ONCE = 4;

/** A kind of request, and the part of the store that it is about. */
interface Request {
  readonly route: string;
  readonly key: string | null;
}
const label = ({ route, key }: Request): string => (key === null ? route : `${route} ${key}`);

/** Every kind of request that the sandbox saw. */
function requestsOf(sandbox: Sandbox): Request[] {
  const { routes, objects } = sandbox.faults.requests();
  return Object.keys(routes).flatMap((route): Request[] => {
    if (!route.endsWith(' object')) return [{ route, key: null }];
    const what = route.startsWith('PUT') ? 'puts' : 'gets';
    const keys = Object.entries(objects).filter(([, count]) => count[what] > 0);
    const parts = keys.map(([key]) => (/^bulk-/.test(key) ? key.split('/')[0]! : '[0-9a-f]{24}'));
    return [...new Set(parts)].map((part) => ({ route, key: `^${part}/` }));
  });
}

const heldBack = ({ route, key }: Request): FaultSpec => ({
  route,
  kind: '504-after-work',
  count: 1,
  params: { delayMs: NEVER_MS, ...(key === null ? {} : { key }) },
});

describe('a worker killed before the answer', () => {
  let lab: Lab;
  let survivor: WorkerProcess;
  let places = 0;
  const slot = createSlots(DYING_AT_ONCE);
  const sandboxes: Sandbox[] = [];

  beforeAll(async () => {
    lab = await createLab({ worker: 'control' });
    survivor = await startWorkerProcess({ roles: ['site'], controlQueue: lab.queue });
  });
  afterAll(async () => {
    await survivor?.kill();
    await Promise.all(sandboxes.map((sandbox) => sandbox.close()));
    await lab?.close();
  });

  interface Place {
    readonly sandbox: Sandbox;
    readonly source: string;
    readonly target: string;
    readonly up: WorkerSite;
    readonly down: WorkerSite;
    startUpload(strategy: UploadStrategy): ReturnType<Lab['startUpload']>;
    startDownload(cloudId: string): ReturnType<Lab['startDownload']>;
  }

  /** Each has a cloud of its own, so that a fault meets the run it is meant for. */
  async function newPlace(): Promise<Place> {
    places += 1;
    const name = `place-${String(places).padStart(3, '0')}`;
    const dir = join(lab.dir, name);
    mkdirSync(dir);
    const sandbox = await startSandbox({
      stateDir: join(dir, 'cloud'),
      importDelayMs: 30,
      bulkDownloadDelayMs: 30,
    });
    sandboxes.push(sandbox);
    const env = { ...lab.env, NDI_CLOUD_URL: sandbox.apiUrl };
    const site = (what: string) => ({ siteId: `${lab.site}-${name}-${what}`, homeDir: join(dir, what), env });
    const cloud = { baseUrl: sandbox.apiUrl, profile: null, organizationId: null };
    const [source, target] = [join(dir, 'source'), join(dir, 'target')];
    const [up, down] = [site('up'), site('down')];
    await makeDataset(source, DATASET);
    return {
      sandbox,
      source,
      target,
      up,
      down,
      startUpload: (strategy) =>
        lab.startUpload(
          lab.uploadInput(source, {
            site: up.siteId,
            cloud,
            strategy,
            tuning,
            target: { kind: 'linked-or-new', name: 'Once' },
          }),
        ),
      startDownload: (cloudId) =>
        lab.startDownload(lab.downloadInput(cloudId, target, { site: down.siteId, cloud, tuning })),
    };
  }

  async function crashed(
    sandbox: Sandbox,
    site: WorkerSite,
    request: Request | undefined,
    start: () => ReturnType<Lab['startUpload']>,
  ): Promise<TransferResult> {
    let fault: string | undefined;
    if (request !== undefined) fault = sandbox.faults.set(heldBack(request));
    const handle = await start();
    if (fault !== undefined) {
      await slot(async () => {
        const worker = await startWorkerProcess({
          roles: ['site'],
          controlQueue: lab.queue,
          sites: [site],
        });
        try {
          await within(60_000, 'The request comes', untilFired(sandbox, fault));
          // What the cloud does for a request takes milliseconds; only the answer is held.
          await sleep(200);
        } finally {
          await worker.kill();
        }
      });
    }
    await survivor.serve(site);
    return within(90_000, 'The run ends', handle.result());
  }

  async function untilFired(sandbox: Sandbox, id: string): Promise<void> {
    while (sandbox.faults.list().find((fault) => fault.id === id)?.fired !== 1) await sleep(10);
  }

  it('looks before it repeats anything', async () => {
    const clean = await newPlace();
    const up = await crashed(clean.sandbox, clean.up, undefined, () => clean.startUpload('zip'));
    const ups = requestsOf(clean.sandbox);
    const upBytes = bytesOf(clean.sandbox, up.datasetId).received;
    clean.sandbox.faults.resetRequests();
    await crashed(clean.sandbox, clean.down, undefined, () => clean.startDownload(up.datasetId));
    const downs = requestsOf(clean.sandbox);
    const downBytes = bytesOf(clean.sandbox, up.datasetId).sent;
    const serial = await newPlace();
    await crashed(serial.sandbox, serial.up, undefined, () => serial.startUpload('serial'));
    const known = new Set(ups.map(label));
    const more = requestsOf(serial.sandbox).filter((request) => !known.has(label(request)));

    expect(ups.map(label)).toContain('POST /organizations/:org/datasets');
    expect(ups.map(label)).toEqual(
      expect.arrayContaining(['PUT object ^bulk-files/', 'PUT object ^bulk-documents/']),
    );
    expect(more.map(label)).toContain('POST /datasets/:d/documents');
    expect(downs.map(label)).toEqual(
      expect.arrayContaining(['GET object ^bulk-downloads/', 'GET object ^[0-9a-f]{24}/']),
    );

    const uploads = [
      ...ups.map((request) => ({ request, strategy: 'zip' }) as const),
      ...more.map((request) => ({ request, strategy: 'serial' }) as const),
    ];
    const scenarios = uploads.map(({ request, strategy }, n) => ({
      name: `${strategy}: ${label(request)}${downs[n] === undefined ? '' : `, then ${label(downs[n])}`}`,
      run: async () => {
        const place = await newPlace();
        const { sandbox } = place;
        const result = await crashed(sandbox, place.up, request, () => place.startUpload(strategy));
        await expectUploadedOnce({ ...lab, sandbox }, result, 'Once');
        if (strategy === 'zip') {
          const { received } = bytesOf(sandbox, result.datasetId);
          expect(received).toBeLessThanOrEqual(upBytes + tuning.window * UNIT_BYTES + SLACK_BYTES);
        }
        const down = await crashed(sandbox, place.down, downs[n], () =>
          place.startDownload(result.datasetId),
        );
        await expectDownloaded(down, place.source, place.target);
        const { sent } = bytesOf(sandbox, result.datasetId);
        expect(sent).toBeLessThanOrEqual(downBytes + tuning.window * UNIT_BYTES + SLACK_BYTES);
      },
    }));
    expect(scenarios.length).toBeGreaterThanOrEqual(downs.length);
    expect(await failuresOf(scenarios)).toEqual({});
  }, 280_000);
});
