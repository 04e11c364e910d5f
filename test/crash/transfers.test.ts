/**
 * A worker process, workflows and steps and all, is killed with SIGKILL while bytes are on their way: at
 * several points of a file, of a zip of files, of a zip of documents; once and twice. Another process goes
 * on.
 *
 * What may be sent again is read from the ledger as the dead process left it: units and files begun and not
 * acknowledged.
 */
import { existsSync, globSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ledger } from '../../ledger/ledger.ts';
import { openLedger } from '../../ledger/open.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import type { FaultSpec } from '../../sandbox/server.ts';
import type { TransferResult } from '../../workflows/contracts/index.ts';
import type { RunRef } from '../../workflows/steps.ts';
import { createCloudDataset, documentsInCloud } from '../support/cloud-state.ts';
import { bytesOf, expectDownloaded, failuresOf, within } from '../support/crash.ts';
import type { WorkerSite } from '../support/crashing-worker.ts';
import { stepCalls } from '../support/history.ts';
import { createLab, type Lab, TEST_TUNING } from '../support/lab.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

const MB = 1_000_000;
const MiB = 1024 * 1024;
const BIG_BYTES = 6 * MB;
/** The one file in a unit of its own, four zips of five files, five zips of documents. */
const DATASET = { documents: 250, files: 21, fileBytes: 100_000, bigFileBytes: BIG_BYTES, seed: 8 };
const tuning = { ...TEST_TUNING, window: 3, zipBytes: 2 * MB, zipFiles: 5, documentsPerUnit: 50 };
const SLACK_BYTES = 20_000;
/** What a part of a large download is; the journal knows nothing smaller. */
const PART_BYTES = 16 * MiB;

/** Where in a body the process dies: the same places in every run of this test. */
function points(seed: number, count: number): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return 0.05 + (state / 2 ** 32) * 0.85;
  });
}

/**
 * A kill when this share of what the store has for these keys has moved; slow, so that there is a moment to
 * kill in.
 */
interface Kill {
  readonly what: 'one file' | 'a zip of files' | 'a zip of documents' | 'small files';
  readonly at: number;
}
const KEYS = {
  'one file': (id: string) => `^${id}/`,
  'small files': (id: string) => `^${id}/`,
  'a zip of files': (id: string) => `^bulk-files/${id}/`,
  'a zip of documents': (id: string) => `^bulk-(documents|downloads)/${id}/`,
};

describe('a worker killed inside a transfer', () => {
  let lab: Lab;
  let places = 0;

  beforeAll(async () => {
    lab = await createLab({ worker: false });
  });
  afterAll(() => lab?.close());

  interface Place {
    readonly name: string;
    readonly source: string;
    readonly target: string;
    readonly up: WorkerSite;
    readonly down: WorkerSite;
    readonly cloudId: string;
  }

  async function newPlace(dataset: Parameters<typeof makeDataset>[1] = DATASET): Promise<Place> {
    places += 1;
    const name = `place-${String(places).padStart(3, '0')}`;
    const dir = join(lab.dir, name);
    mkdirSync(dir);
    const site = (what: string) => ({
      siteId: `${lab.site}-${name}-${what}`,
      homeDir: join(dir, what),
      env: lab.env,
    });
    const source = join(dir, 'source');
    await makeDataset(source, dataset);
    const cloudId = await createCloudDataset(lab, name);
    return { name, source, target: join(dir, 'target'), up: site('up'), down: site('down'), cloudId };
  }

  const start = (place: Place, what: 'up' | 'down'): Promise<WorkflowHandle> => {
    const { siteId: site } = place[what];
    const input =
      what === 'up'
        ? lab.uploadInput(place.source, {
            site,
            tuning,
            target: { kind: 'to', cloudDatasetId: place.cloudId },
          })
        : lab.downloadInput(place.cloudId, place.target, { site, tuning });
    return lab.client.workflow.start(what === 'up' ? 'uploadDataset' : 'downloadDataset', {
      args: [input],
      taskQueue: site,
      workflowId: `${what}/${site}`,
    });
  };

  const process = (site: WorkerSite) =>
    startWorkerProcess({ roles: ['control', 'site'], controlQueue: site.siteId, sites: [site] });

  /** Runs up or down with these kills; the result, and how many bytes may have been for nothing. */
  async function crashed(
    place: Place,
    what: 'up' | 'down',
    dies: readonly ((handle: WorkflowHandle) => Promise<void>)[],
  ): Promise<{ result: TransferResult; inFlight: number }> {
    const handle = await start(place, what);
    let inFlight = 0;
    for (const die of dies) {
      const worker = await process(place[what]);
      try {
        await within(60_000, 'It comes to where it dies', die(handle));
      } finally {
        await worker.kill();
      }
      inFlight += await begunBytes(place, what, handle);
    }
    const worker = await process(place[what]);
    try {
      return { result: await within(120_000, 'The run ends', handle.result()), inFlight };
    } finally {
      await worker.kill();
    }
  }

  const moved = (key: string, direction: 'bytesReceived' | 'bytesSent'): number =>
    Object.entries(lab.sandbox.faults.requests().objects)
      .filter(([name]) => new RegExp(key).test(name))
      .reduce((sum, [, count]) => sum + count[direction], 0);

  /** Slows the transfer down and waits for the moment. */
  const dieAt = (place: Place, what: 'up' | 'down', kill: Kill, totalBytes: number) => async () => {
    const key = KEYS[kill.what](place.cloudId);
    const direction = what === 'up' ? 'bytesReceived' : 'bytesSent';
    const fault: FaultSpec = {
      route: what === 'up' ? 'PUT object' : 'GET object',
      kind: 'slow-body',
      params: { key, bytesPerSecond: Math.max(totalBytes / 3, 20_000) },
    };
    const id = lab.sandbox.faults.set(fault);
    const before = moved(key, direction);
    while (moved(key, direction) - before < kill.at * totalBytes) await sleep(5);
    lab.sandbox.faults.clear(id);
  };

  function ledgerOf(place: Place, what: 'up' | 'down'): Ledger {
    const dirs = what === 'up' ? [place.source] : [place.target, ...globSync(`${place.target}/../.target.*`)];
    const path = dirs
      .map((dir) => join(dir, '.ndi', 'courier', 'ledger.sqlite'))
      .find((one) => existsSync(one));
    return openLedger(path!);
  }

  const runKeyOf = async (handle: WorkflowHandle): Promise<string> => {
    const call = (await stepCalls(handle)).find(({ step }) => step.startsWith('next'));
    return (call!.args[0] as RunRef).runKey;
  };

  /** Bytes of what was begun and not acknowledged when the process died. */
  async function begunBytes(place: Place, what: 'up' | 'down', handle: WorkflowHandle): Promise<number> {
    const { objects } = lab.sandbox.faults.requests();
    const runKey = await runKeyOf(handle);
    const ledger = ledgerOf(place, what);
    let bytes = 0;
    for (const item of ledger.run(runKey).items.each({ kind: 'file', states: ['pending'] })) {
      const count = objects[`${place.cloudId}/${item.id}`];
      if (count !== undefined && count.puts + count.gets > 0) bytes += item.sizeBytes;
    }
    const kinds = what === 'up' ? (['documents', 'file-zip'] as const) : (['documents'] as const);
    for (const { unit, kind, state } of ledger.run(runKey).units.list({ kinds, limit: 1_000 })) {
      // A download notes no beginning: the window says how many zips may have been on their way.
      if (what === 'down' ? state === 'done' : state !== 'sending') continue;
      const items = ledger.run(runKey).items.ofUnit(unit);
      const zipped =
        kind === 'documents' ? DOCUMENT_ZIP_BYTES : items.reduce((sum, one) => sum + one.sizeBytes, 0);
      bytes += zipped;
    }
    ledger.close();
    return bytes;
  }
  /** Of 50 documents. */
  const DOCUMENT_ZIP_BYTES = 40_000;

  it.concurrent('of an upload or a download, ends as if nothing had been', async () => {
    const clean = await newPlace();
    await crashed(clean, 'up', []);
    const upBytes = bytesOf(lab.sandbox, clean.cloudId).received;
    const zipBytes = moved(KEYS['a zip of files'](clean.cloudId), 'bytesReceived');
    const documentBytes = moved(KEYS['a zip of documents'](clean.cloudId), 'bytesReceived');
    await crashed(clean, 'down', []);
    const downBytes = bytesOf(lab.sandbox, clean.cloudId).sent;
    expect(documentBytes / 5).toBeLessThan(DOCUMENT_ZIP_BYTES);

    const totals = {
      'one file': BIG_BYTES,
      'a zip of files': zipBytes,
      'a zip of documents': documentBytes,
      'small files': BIG_BYTES + zipBytes,
    };
    const kill = (what: Kill['what'], at: number): Kill => ({ what, at });
    const [a, b, c, d, e, f, g, h, i, j] = points(11, 10) as [...number[]] as number[];
    const chains: { up: Kill[]; down: Kill[] }[] = [
      { up: [kill('one file', a!)], down: [kill('small files', b!)] },
      { up: [kill('one file', c! / 2), kill('one file', 0.9)], down: [kill('a zip of documents', d!)] },
      { up: [kill('a zip of files', e!)], down: [kill('small files', 0.2), kill('small files', f! / 2)] },
      { up: [kill('a zip of files', 0.1), kill('a zip of files', g! / 2)], down: [kill('one file', h!)] },
      { up: [kill('a zip of documents', i!)], down: [kill('a zip of documents', 0.1)] },
      { up: [kill('a zip of documents', 0.05), kill('a zip of documents', j! / 2)], down: [] },
    ];
    const describeKills = (kills: Kill[]) =>
      kills.map(({ what, at }) => `${what} ${Math.round(at * 100)} %`).join(', ');
    const scenarios = chains.map(({ up, down }) => ({
      name: `up: ${describeKills(up)}; down: ${describeKills(down)}`,
      run: async () => {
        const place = await newPlace();
        const dies = (what: 'up' | 'down', kills: Kill[]) =>
          kills.map((one) => dieAt(place, what, one, totals[one.what]));
        const sent = await crashed(place, 'up', dies('up', up));
        expect(sent.result.problems).toEqual([]);
        expect(sent.result.status).toBe('done');
        expect(sent.result.duplicatesRemoved).toBe(0);
        const cloud = await documentsInCloud(lab, place.cloudId);
        expect(cloud.doubled).toEqual([]);
        expect(cloud.count).toBe(sent.result.documents.total);
        const { received } = bytesOf(lab.sandbox, place.cloudId);
        expect(received, 'bytes sent').toBeLessThanOrEqual(upBytes + sent.inFlight + SLACK_BYTES);
        const back = await crashed(place, 'down', dies('down', down));
        await expectDownloaded(back.result, place.source, place.target);
        const fetched = bytesOf(lab.sandbox, place.cloudId).sent;
        expect(fetched, 'bytes fetched').toBeLessThanOrEqual(downBytes + back.inFlight + SLACK_BYTES);
      },
    }));
    expect(await failuresOf(scenarios)).toEqual({});
  }, 280_000);

  it.concurrent('of one large file, goes on at the part it had reached, twice', async () => {
    const sizeBytes = 160 * MiB;
    const place = await newPlace({
      documents: 40,
      files: 1,
      fileBytes: 1_000,
      bigFileBytes: sizeBytes,
      seed: 9,
    });
    await crashed(place, 'up', []);
    const key = `^${place.cloudId}/`;
    const noted: number[] = [];
    const sentAtDeath: number[] = [];
    const dieWhenNoted = (parts: number) => async (handle: WorkflowHandle) => {
      const runKey = await firstOf(() => runKeyOf(handle));
      const ledger = ledgerOf(place, 'down');
      const [file] = await firstOf(async () => {
        const files = [...ledger.run(runKey).items.each({ kind: 'file' })];
        if (files.length === 0) throw new Error('not planned yet');
        return files;
      });
      const done = () => ledger.parts(file!.id).load()?.done.length ?? 0;
      while (done() < parts) await sleep(5);
      noted.push(done());
      ledger.close();
    };
    lab.sandbox.faults.set({
      route: 'GET object',
      kind: 'slow-body',
      params: { key, bytesPerSecond: 30 * MiB },
    });
    const dieAndCount = (parts: number) => async (handle: WorkflowHandle) => {
      if (noted.length > 0) sentAtDeath.push(moved(key, 'bytesSent'));
      await dieWhenNoted(parts)(handle);
    };
    const { result } = await crashed(place, 'down', [dieAndCount(2), dieAndCount(5)]);
    await expectDownloaded(result, place.source, place.target);
    expect(noted[0]).toBeGreaterThanOrEqual(2);
    expect(noted[1]).toBeGreaterThanOrEqual(5);
    // From the first death on, only what was not noted then was asked for, and in the last life what was not
    // noted last.
    const total = moved(key, 'bytesSent');
    const lines = 3;
    expect(total).toBeLessThanOrEqual(sizeBytes + 2 * (2 * lines * PART_BYTES));
    expect(total - sentAtDeath[0]!).toBeLessThanOrEqual(
      sizeBytes - noted[0]! * PART_BYTES + 2 * lines * PART_BYTES,
    );
  }, 200_000);
});

async function firstOf<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch {
      await sleep(20);
    }
  }
}
