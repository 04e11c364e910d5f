/**
 * Which cloud dataset an upload goes to, and that there is never a second one: whatever run began it,
 * whatever a replica shows, whatever folder cannot be written.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DATASET_FACTS } from '../../ledger/fact-keys.ts';
import { openLedger } from '../../ledger/open.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { pauseSignal, resumeSignal } from '../../workflows/contracts/index.ts';
import { tamper } from '../fixtures/dataset.ts';
import { cloudRequest, documentsInCloud } from '../support/cloud-state.ts';
import { createLab, type Lab } from '../support/lab.ts';

const CREATE = 'POST /organizations/:org/datasets';
const LIST = 'GET /organizations/:org/datasets';
const RENAME = 'POST /datasets/:d';

let lab: Lab;
let source: string;
let made = 0;
beforeAll(async () => {
  lab = await createLab();
});
afterAll(() => lab?.close());
beforeEach(async () => {
  lab.sandbox.faults.clear();
  made += 1;
  source = join(lab.dir, `source-${made}`);
  await makeDataset(source, { documents: 60, files: 4, fileBytes: 2_000, seed: 100 + made });
});

const start = (name: string): Promise<WorkflowHandle> =>
  lab.startUpload(lab.uploadInput(source, { target: { kind: 'linked-or-new', name } }));

async function ended(handle: WorkflowHandle): Promise<void> {
  await handle.result().catch(() => {});
}

/** Those of the laboratory that carry the name, with or without a mark. */
const named = async (name: string): Promise<number> => {
  const { organizationId } = lab.sandbox.users[0]!;
  const path = `/organizations/${organizationId}/datasets?page=1&pageSize=1000`;
  const { datasets } = await cloudRequest(lab, 'GET', path);
  return (datasets as { name: string }[]).filter(
    (row) => row.name === name || row.name.startsWith(`${name} [`),
  ).length;
};

describe('a cloud dataset is created once', () => {
  it.each([
    // The answer is lost and no list can be had: nobody knows whether there is one.
    [
      'unknown',
      [
        { route: CREATE, kind: 'reset-after' },
        { route: LIST, kind: '5xx' },
      ],
    ],
    // There is one, known by its id, and it has not got its name.
    ['nameless', [{ route: RENAME, kind: '5xx' }]],
  ] as const)('by two runs, the first cancelled while it is %s', async (state, faults) => {
    for (const fault of faults) lab.sandbox.faults.set(fault);
    const name = `Twice ${state}`;
    const first = await start(name);
    await expect
      .poll(() => lab.sandbox.faults.list().every((fault) => fault.fired > 0), { timeout: 20_000 })
      .toBe(true);
    await first.cancel();
    await ended(first);
    lab.sandbox.faults.clear();
    expect(await named(name)).toBe(1);
    const result = await lab.upload(source, { target: { kind: 'linked-or-new', name } });
    expect(result.status).toBe('done');
    expect(await named(name)).toBe(1);
    expect((await cloudRequest(lab, 'GET', `/datasets/${result.datasetId}`)).name).toBe(name);
    expect((await documentsInCloud(lab, result.datasetId)).count).toBe(result.documents.total);
  });

  it('anew when somebody has deleted what a cancelled run left behind', async () => {
    lab.sandbox.faults.set({ route: RENAME, kind: '5xx' });
    const first = await start('Stray');
    await expect
      .poll(() => lab.sandbox.faults.list().every((fault) => fault.fired > 0), { timeout: 20_000 })
      .toBe(true);
    await first.cancel();
    await ended(first);
    lab.sandbox.faults.clear();
    const ledger = openLedger(join(source, '.ndi/courier/ledger.sqlite'));
    const creation = ledger.facts.get(DATASET_FACTS.creation) as { id: string };
    // Long enough ago that a replica would know of it.
    ledger.facts.set(DATASET_FACTS.creation, {
      ...ledger.facts.get(DATASET_FACTS.creation)!,
      createdAt: '2026-01-01T00:00:00.000Z',
    });
    ledger.close();
    await cloudRequest(lab, 'DELETE', `/datasets/${creation.id}?when=now`);
    const result = await lab.upload(source, { target: { kind: 'linked-or-new', name: 'Stray' } });
    expect(result.datasetId).not.toBe(creation.id);
    expect(await named('Stray')).toBe(1);
  });

  it('and is not taken for a double of itself by a list that has not heard of its name', async () => {
    lab.sandbox.faults.set({ route: 'PUT object', kind: 'latency', params: { ms: 500 } });
    const handle = await start('Late name');
    const { cloudDatasetId: datasetId } = await lab.until(handle, (progress) => progress.units.inFlight > 0);
    await handle.signal(pauseSignal);
    const ledger = openLedger(join(source, '.ndi/courier/ledger.sqlite'));
    const { markedName } = ledger.facts.get(DATASET_FACTS.creation)!;
    ledger.close();
    // As a replica would show it that is behind.
    await cloudRequest(lab, 'POST', `/datasets/${datasetId}`, { name: markedName });
    await handle.signal(resumeSignal);
    const result = await handle.result();
    expect((await documentsInCloud(lab, result.datasetId)).count).toBe(result.documents.total);
  });
});

/** What both NDI clients will read. */
function indexOf(dir: string): { local: string[]; remote: string[] } {
  const index = JSON.parse(readFileSync(join(dir, '.ndi/sync/index.json'), 'utf8')) as Record<
    string,
    string[]
  >;
  expect(index.local_doc_ids_last_sync).toEqual(index.localDocumentIdsLastSync);
  expect(index.remote_doc_ids_last_sync).toEqual(index.remoteDocumentIdsLastSync);
  return { local: index.localDocumentIdsLastSync!, remote: index.remoteDocumentIdsLastSync! };
}

describe('the index for the NDI clients', () => {
  it('says of another cloud dataset only what is true of it', async () => {
    await lab.upload(source);
    expect(indexOf(source).remote.toSorted()).toEqual(idsIn(source));
    const bad = idsIn(source)[7]!;
    tamper(source, `UPDATE docs SET json_code = '{' WHERE doc_id = '${bad}'`);
    const result = await lab.upload(source, { target: { kind: 'as-new', name: 'Without one' } });
    expect(result.problems).toMatchObject([{ id: bad, code: 'NDI_E_BAD_JSON' }]);
    const ids = idsIn(source);
    expect(indexOf(source).local.toSorted()).toEqual(ids);
    // The first cloud dataset has it; this one never got it.
    expect(indexOf(source).remote.toSorted()).toEqual(ids.filter((id) => id !== bad));
  });
});

function idsIn(dir: string): string[] {
  const reader = openDataset(dir);
  try {
    return [...reader.documentIds()].sort();
  } finally {
    reader.close();
  }
}

describe.skipIf(!canMount())('a folder that cannot be written', () => {
  it('goes up once, says what could not be written, and goes to the same place the next time', async () => {
    const disk = join(lab.dir, 'read-only');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', disk]);
    try {
      const dir = join(disk, 'dataset');
      cpSync(source, dir, { recursive: true });
      execFileSync('mount', ['-o', 'remount,ro', disk]);
      const first = await lab.upload(dir, { target: { kind: 'linked-or-new', name: 'Read-only' } });
      expect(first.problems).toMatchObject([{ code: 'NDI_E_READ_ONLY', kind: 'dataset' }]);
      expect((await documentsInCloud(lab, first.datasetId)).count).toBe(first.documents.total);
      const second = await lab.upload(dir, { target: { kind: 'linked-or-new', name: 'Read-only' } });
      expect(second).toMatchObject({ datasetId: first.datasetId, documents: { transferred: 0, failed: 0 } });
      expect(await named('Read-only')).toBe(1);
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  });
});

/** Only the superuser of Linux can mount. */
function canMount(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0;
}
