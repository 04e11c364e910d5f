/**
 * A worker process is killed with SIGKILL at every boundary of every step of an upload and of a download:
 * before the step begins, and after it is done but before anybody was told. Another process goes on.
 *
 * The steps are those of runs that are recorded while the tests are collected, so a new step cannot be
 * forgotten, and each boundary is a test with a name. Each has a site, a dataset and a cloud dataset of its
 * own; all run side by side, because each waits for the server to notice that a process is dead.
 */
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openLedger } from '../../ledger/open.ts';
import type { UnitKind } from '../../ledger/types.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { TransferResult, UploadStrategy } from '../../workflows/contracts/index.ts';
import type { RunRef } from '../../workflows/steps.ts';
import { bytesOf, createSlots, expectDownloaded, expectUploadedOnce, within } from '../support/crash.ts';
import type { WorkerSite } from '../support/crashing-worker.ts';
import { type Boundary, boundaryName, dieAt } from '../support/dying-worker.ts';
import { type StepCall, stepCalls } from '../support/history.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

/** Small units, so that a run has several of each kind: zips of files, a file alone, documents in waves. */
const tuning = { ...TEST_TUNING, window: 3, zipBytes: 100_000, documentsPerUnit: 30 };
const DATASET = { documents: 50, files: 8, fileBytes: 6_000, bigFileBytes: 150_000, seed: 5 };
/** Zips of the same documents differ by the ids and paths that are in them. */
const SLACK_BYTES = 4_000;
/** Processes at once that are on their way to their death. */
const DYING_AT_ONCE = 4;

/**
 * The server takes 20 s to notice that a process is dead; a step that failed meanwhile waits for its next
 * try.
 */
const ENDS_WITHIN_MS = 90_000;
/** All scenarios start at once, and most of this time is spent waiting for a slot to die in. */
const SCENARIO_WITHIN_MS = 600_000;

const boundariesOf = (calls: readonly StepCall[]): Boundary[] =>
  calls.flatMap(({ step, call }) => [
    { step, call, when: 'before' },
    { step, call, when: 'after' },
  ]);

describe('a worker killed at a boundary', async () => {
  const lab = await createLab({ worker: 'control' });
  const survivor = await startWorkerProcess({ roles: ['site'], controlQueue: lab.queue });
  const slot = createSlots(DYING_AT_ONCE);
  let places = 0;

  const close = async (): Promise<void> => {
    await survivor.kill();
    await lab.close();
  };
  afterAll(close);

  interface Place {
    readonly name: string;
    readonly source: string;
    readonly target: string;
    /** A run down has a site of its own: the survivor of the run up must not take its steps. */
    readonly up: WorkerSite;
    readonly down: WorkerSite;
  }

  /** Names are of one length: paths are in the documents, and sizes are compared. */
  async function newPlace(): Promise<Place> {
    places += 1;
    const name = `place-${String(places).padStart(3, '0')}`;
    const dir = join(lab.dir, name);
    const site = (what: string): WorkerSite => ({
      siteId: `${lab.site}-${name}-${what}`,
      homeDir: join(dir, what),
      env: lab.env,
    });
    const source = join(dir, 'source');
    await makeDataset(source, DATASET);
    return { name, source, target: join(dir, 'target'), up: site('up'), down: site('down') };
  }

  interface RecordedBoundaries {
    readonly calls: readonly StepCall[];
    readonly result: TransferResult;
    readonly kinds: ReadonlyMap<number, UnitKind>;
    readonly largestUnitBytes: number;
  }

  /** Starts a run, kills the first process at the boundary, lets the survivor go on. */
  async function crashed(
    site: WorkerSite,
    boundary: Boundary | undefined,
    start: () => Promise<{ result(): Promise<TransferResult> }>,
  ): Promise<TransferResult> {
    const handle = await start();
    if (boundary !== undefined) await slot(() => dieAt(lab.queue, site, boundary));
    await survivor.serve(site);
    return within(ENDS_WITHIN_MS, 'The run ends', handle.result());
  }

  const startUpload = (place: Place, strategy: UploadStrategy) =>
    lab.startUpload(
      lab.uploadInput(place.source, {
        site: place.up.siteId,
        strategy,
        tuning,
        target: { kind: 'linked-or-new', name: place.name },
      }),
    );
  const startDownload = (place: Place, cloudId: string) =>
    lab.startDownload(lab.downloadInput(cloudId, place.target, { site: place.down.siteId, tuning }));

  async function recordedRun(
    site: WorkerSite,
    start: () => ReturnType<Lab['startUpload']>,
    ledgerDir: string,
  ): Promise<RecordedBoundaries> {
    let handle: Awaited<ReturnType<Lab['startUpload']>> | undefined;
    const result = await crashed(site, undefined, async () => {
      handle = await start();
      return handle;
    });
    const calls = await stepCalls(handle!);
    const ledger = openLedger(join(ledgerDir, '.ndi', 'courier', 'ledger.sqlite'));
    const { runKey } = calls.find(({ step }) => step.startsWith('next'))!.args[0] as RunRef;
    const units = ledger
      .run(runKey)
      .units.list({ kinds: ['documents', 'file-zip', 'file', 'files'], limit: 1_000 });
    const sizes = units.map(({ unit }) =>
      ledger
        .run(runKey)
        .items.ofUnit(unit)
        .reduce((sum, item) => sum + item.sizeBytes, 0),
    );
    ledger.close();
    return {
      calls,
      result,
      kinds: new Map(units.map(({ unit, kind }) => [unit, kind])),
      largestUnitBytes: Math.max(...sizes),
    };
  }

  /** What a kill may cost: the units that were on their way, and nothing where none was. */
  const inFlight = ({ step }: Boundary, { largestUnitBytes }: RecordedBoundaries): number =>
    SLACK_BYTES + (step === 'sendUnit' || step === 'fetchUnit' ? tuning.window * largestUnitBytes : 0);

  const kindsOf = ({ calls, kinds }: RecordedBoundaries, step: string): Set<UnitKind> =>
    new Set(calls.filter((call) => call.step === step).map(({ args }) => kinds.get(args[2] as number)!));

  /** One run of each kind that nothing happens to: its steps, its units, and what it costs. */
  async function recordAll() {
    const clean = await newPlace();
    const up = await recordedRun(clean.up, () => startUpload(clean, 'zip'), clean.source);
    const cloudId = up.result.datasetId;
    const upBytes = bytesOf(lab.sandbox, cloudId).received;
    const down = await recordedRun(clean.down, () => startDownload(clean, cloudId), clean.target);
    const downBytes = bytesOf(lab.sandbox, cloudId).sent;
    const serial = await newPlace();
    const oneByOne = await recordedRun(serial.up, () => startUpload(serial, 'serial'), serial.source);
    const serialBytes = bytesOf(lab.sandbox, oneByOne.result.datasetId).received;
    return { up, upBytes, down, downBytes, oneByOne, serialBytes };
  }

  // Without a recording there is no test whose end would close the lab.
  const { up, upBytes, down, downBytes, oneByOne, serialBytes } = await recordAll().catch(async (error) => {
    await close();
    throw error;
  });
  const ups = boundariesOf(up.calls);
  const serialUps = boundariesOf(oneByOne.calls.filter(({ step }) => step === 'sendUnit'));
  const downs = boundariesOf(down.calls);
  const uploads = [
    ...ups.map((boundary) => ({ boundary, strategy: 'zip', of: up, bytes: upBytes }) as const),
    ...serialUps.map(
      (boundary) => ({ boundary, strategy: 'serial', of: oneByOne, bytes: serialBytes }) as const,
    ),
  ];

  it('is killed at every step, in units of every kind there is', () => {
    expect([...kindsOf(up, 'sendUnit')].sort()).toEqual(['documents', 'file', 'file-zip']);
    expect([...kindsOf(oneByOne, 'sendUnit')].sort()).toEqual(['documents', 'file', 'files']);
    expect([...kindsOf(down, 'fetchUnit')].sort()).toEqual(['documents', 'files']);
    expect(ups.length).toBeGreaterThan(24);
    expect(downs.length).toBeGreaterThan(20);
    expect(uploads.length).toBeGreaterThanOrEqual(downs.length);
  });

  // Each dataset that went up through a crash comes down through one: both ends are compared at once.
  for (const [n, { boundary, strategy, of, bytes }] of uploads.entries()) {
    const back = downs[n];
    const where = `${boundaryName(boundary)} of a ${strategy} upload${back === undefined ? '' : `, then ${boundaryName(back)} of the download`}`;
    it.concurrent(
      `loses and doubles nothing, and sends again only what was in flight: ${where}`,
      async () => {
        const place = await newPlace();
        const result = await crashed(place.up, boundary, () => startUpload(place, strategy));
        await expectUploadedOnce(lab, result, place.name);
        const { received } = bytesOf(lab.sandbox, result.datasetId);
        expect(received, 'bytes sent').toBeLessThanOrEqual(bytes + inFlight(boundary, of));
        expect(result.bytes).toBe(of.result.bytes);
        const brought = await crashed(place.down, back, () => startDownload(place, result.datasetId));
        await expectDownloaded(brought, place.source, place.target);
        const { sent } = bytesOf(lab.sandbox, result.datasetId);
        const allowed = back === undefined ? SLACK_BYTES : inFlight(back, down);
        expect(sent, 'bytes fetched').toBeLessThanOrEqual(downBytes + allowed);
      },
      SCENARIO_WITHIN_MS,
    );
  }
});
