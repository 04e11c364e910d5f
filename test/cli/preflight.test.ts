/**
 * What is refused before a run is started: a clear error with a code each, no run, nothing changed on disk.
 * The library against the shared Temporal server and a sandbox; no worker is there, so nothing could happen
 * unseen.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { hasAnyDocument, identityOf } from '../../client/datasets.ts';
import { type Courier, createCourier } from '../../client/index.ts';
import { preflightUpload } from '../../client/preflight.ts';
import { isCourierError } from '../../errors/index.ts';
import { linkRemote } from '../../ndi/dataset/finish.ts';
import { databasePath } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { SEED_DATASETS } from '../../sandbox/seed.ts';
import { type Sandbox, startSandbox } from '../../sandbox/server.ts';
import { fingerprint, tamper } from '../fixtures/dataset.ts';

const UNKNOWN = 'ffffffffffffffffffffffff';

let dir: string;
let sandbox: Sandbox;
const couriers: Courier[] = [];
let made = 0;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'courier-preflight-'));
  sandbox = await startSandbox({ stateDir: join(dir, 'cloud') });
});
afterAll(async () => {
  await Promise.all(couriers.map((courier) => courier.close()));
  await sandbox.close();
  rmSync(dir, { recursive: true });
});

function courierAs(email: string | null, env: Record<string, string> = {}): Courier {
  const user = sandbox.users.find((one) => one.email === email);
  const courier = createCourier({
    env: {
      COURIER_HOME: join(dir, 'home'),
      COURIER_KEYRING: 'off',
      NDI_PREFDIR: join(dir, 'none'),
      NDI_CLOUD_URL: sandbox.apiUrl,
      ...(user === undefined ? {} : { NDI_CLOUD_USERNAME: user.email, NDI_CLOUD_PASSWORD: user.password }),
      ...env,
    },
    temporal: { address: inject('temporalAddress'), namespace: inject('temporalNamespace') },
  });
  couriers.push(courier);
  return courier;
}
const lab = () => courierAs('lab@sandbox.test');

async function dataset(): Promise<string> {
  made += 1;
  const path = join(dir, `dataset-${made}`);
  await makeDataset(path, { documents: 30, files: 2, fileBytes: 1_000, seed: made });
  return path;
}

/** The code and message of a refusal, after which `folder` is as it was and no run of ours is there. */
async function refused(
  courier: Courier,
  start: (courier: Courier) => Promise<unknown>,
  folder?: string,
): Promise<{ code: string; message: string }> {
  const before = folder === undefined ? [] : fingerprint(folder);
  const runs = (await courier.runs.list({ limit: 1_000 })).map((run) => run.runId).sort();
  const error = await start(courier).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isCourierError(error)) throw error ?? new Error('it was not refused');
  if (folder !== undefined) expect(fingerprint(folder)).toEqual(before);
  const after = await courier.runs.list({ limit: 1_000 });
  const site = await courier.service.siteId();
  expect(after.filter((run) => run.site === site && !runs.includes(run.runId))).toEqual([]);
  return error;
}

describe('an upload is refused when', () => {
  it('the folder is not a dataset', async () => {
    const empty = join(dir, 'empty');
    mkdirSync(empty);
    const { code, message } = await refused(lab(), (courier) => courier.upload({ dir: empty }), empty);
    expect(code).toBe('NDI_E_NOT_A_DATASET');
    expect(message).toContain(empty);
  });

  it('the database is damaged', async () => {
    const path = await dataset();
    writeFileSync(databasePath(path), Buffer.alloc(8_192, 0x41));
    const { code } = await refused(lab(), (courier) => courier.upload({ dir: path, new: 'N' }), path);
    expect(code).toBe('NDI_E_DATABASE_CORRUPT');
  });

  it('another program holds the database', async () => {
    const path = await dataset();
    const other = new DatabaseSync(databasePath(path));
    other.exec('BEGIN EXCLUSIVE');
    try {
      const { code } = await refused(lab(), (courier) => courier.upload({ dir: path, new: 'N' }));
      expect(code).toBe('NDI_E_DATABASE_BUSY');
    } finally {
      other.exec('ROLLBACK');
      other.close();
    }
  });

  it('the dataset is linked to two cloud datasets, unless the target is named', async () => {
    const path = await dataset();
    linkRemote(path, {
      datasetId: identityOf(path).datasetId,
      cloudDatasetId: 'a'.repeat(24),
      organizationId: 'b'.repeat(24),
    });
    // A second link, as only another program would write it.
    tamper(
      path,
      `INSERT INTO docs (doc_id, json_code, timestamp)
         SELECT replace(doc_id, substr(doc_id, 1, 4), 'ffff'),
                replace(replace(json_code, doc_id, replace(doc_id, substr(doc_id, 1, 4), 'ffff')), '${'a'.repeat(24)}', '${'c'.repeat(24)}'),
                timestamp
           FROM docs WHERE json_code LIKE '%"dataset_remote"%';
       INSERT INTO branch_docs (branch_id, doc_idx, timestamp)
         SELECT (SELECT branch_id FROM branch_docs LIMIT 1), doc_idx, timestamp FROM docs WHERE doc_id LIKE 'ffff%';`,
    );
    const { code, message } = await refused(lab(), (courier) => courier.upload({ dir: path }), path);
    expect(code).toBe('NDI_E_TWO_REMOTES');
    expect(message).toContain('a'.repeat(24));
    expect(message).toContain('c'.repeat(24));
    const named = await refused(lab(), (courier) => courier.upload({ dir: path, to: UNKNOWN }), path);
    expect(named.code).toBe('NDI_E_NOT_FOUND');
  });

  it('the metadata file is not there, whether it would be read or not', async () => {
    const metadata = join(dir, 'missing.json');
    const path = await dataset();
    for (const more of [{}, { to: 'a'.repeat(24) }]) {
      const { code, message } = await refused(lab(), (courier) =>
        courier.upload({ dir: path, metadata, ...more }),
      );
      expect([code, message]).toEqual([
        'NDI_E_USAGE',
        expect.stringContaining(`there is no file ${metadata}`),
      ]);
    }
  });

  it('the metadata is not valid, with all problems at once', async () => {
    const path = await dataset();
    const metadata = join(dir, 'metadata.json');
    writeFileSync(
      metadata,
      JSON.stringify({ name: '', numberOfSubjects: -1, doi: 'nonsense', colour: 'blue' }),
    );
    const { code, message } = await refused(
      lab(),
      (courier) => courier.upload({ dir: path, metadata }),
      path,
    );
    expect(code).toBe('NDI_E_BAD_METADATA');
    for (const field of ['name', 'numberOfSubjects', 'doi', 'colour']) expect(message).toContain(field);
  });

  it('the cloud does not know the dataset', async () => {
    const path = await dataset();
    const { code } = await refused(lab(), (courier) => courier.upload({ dir: path, to: UNKNOWN }), path);
    expect(code).toBe('NDI_E_NOT_FOUND');
  });

  it('the cloud dataset is published', async () => {
    const path = await dataset();
    const courier = courierAs('admin@sandbox.test', {
      NDI_CLOUD_ORGANIZATION_ID: '6500000000000000000000a1',
    });
    const { code } = await refused(
      courier,
      () => courier.upload({ dir: path, to: SEED_DATASETS.small }),
      path,
    );
    expect(code).toBe('NDI_E_DATASET_PUBLISHED');
  });

  it('the account may not create datasets, or not see this one', async () => {
    const path = await dataset();
    const reader = courierAs('reader@sandbox.test');
    const creating = await refused(reader, (courier) => courier.upload({ dir: path, new: 'N' }), path);
    expect(creating.code).toBe('NDI_E_FORBIDDEN');
    const cloud = await lab().cloud();
    const { id } = await cloud.datasets.create(await cloud.organizationId(), { name: 'not yours' });
    await cloud.close();
    const foreign = await refused(
      courierAs('second@sandbox.test'),
      (courier) => courier.upload({ dir: path, to: id }),
      path,
    );
    expect(['NDI_E_FORBIDDEN', 'NDI_E_NOT_FOUND']).toContain(foreign.code);
  });

  it('the target that was named holds another dataset, but not when it is empty or holds a part of this one', async () => {
    const path = await dataset();
    const cloud = await lab().cloud();
    const { id } = await cloud.datasets.create(await cloud.organizationId(), { name: 'Whose?' });
    await cloud.documents.add(
      id,
      JSON.stringify({
        base: { id: 'f'.repeat(16).concat('_', '0'.repeat(16)) },
        document_class: { class_name: 'session' },
      }),
    );
    const { code, message } = await refused(lab(), (courier) => courier.upload({ dir: path, to: id }), path);
    expect(code).toBe('NDI_E_OTHER_DATASET');
    expect(message).toContain(id);

    const reader = openDataset(path);
    const [own] = reader.documentIds();
    reader.close();
    await cloud.documents.add(id, JSON.stringify({ base: { id: own } }));
    const { id: empty } = await cloud.datasets.create(await cloud.organizationId(), { name: 'Nobody’s' });
    for (const to of [id, empty]) {
      const target = { kind: 'to', cloudDatasetId: to } as const;
      const asked = {
        target,
        identity: identityOf(path),
        settings: {},
        cloud,
      } as const;
      const hasAnyOf = (ids: readonly string[]) => hasAnyDocument(path, ids);
      const rest = { hasAnyOf, creationName: async () => '', log: () => {} };
      await expect(preflightUpload({ ...asked, ...rest })).resolves.toMatchObject({ organizationId: null });
    }
    await cloud.close();
  });

  it('nobody is logged in, or the password is wrong', async () => {
    const path = await dataset();
    const nobody = await refused(courierAs(null), (courier) => courier.upload({ dir: path, new: 'N' }), path);
    expect(nobody.code).toBe('NDI_E_NO_CREDENTIALS');
    const wrong = courierAs('lab@sandbox.test', { NDI_CLOUD_PASSWORD: 'wrong' });
    const { code } = await refused(wrong, (courier) => courier.upload({ dir: path, new: 'N' }), path);
    expect(code).toBe('NDI_E_WRONG_PASSWORD');
  });

  it('the account belongs to several organisations and none is chosen', async () => {
    const path = await dataset();
    const both = courierAs('both@sandbox.test');
    const { code, message } = await refused(both, (courier) => courier.upload({ dir: path, new: 'N' }), path);
    expect(code).toBe('NDI_E_CHOOSE_ORGANIZATION');
    expect(message).toContain('Sandbox Lab');
  });

  it('options contradict each other', async () => {
    const path = await dataset();
    const { code } = await refused(
      lab(),
      (courier) => courier.upload({ dir: path, to: UNKNOWN, new: 'N' }),
      path,
    );
    expect(code).toBe('NDI_E_USAGE');
  });
});

describe('a download is refused when', () => {
  const target = (): string => {
    made += 1;
    return join(dir, `target-${made}`);
  };

  it('the target lies inside the records of another dataset', async () => {
    const path = await dataset();
    const { code, message } = await refused(
      lab(),
      (courier) => courier.download({ id: UNKNOWN, dir: join(path, '.ndi', 'inside') }),
      path,
    );
    expect(code).toBe('NDI_E_TARGET_OCCUPIED');
    expect(message).toContain('.ndi');
  });

  it('the id is no cloud id', async () => {
    for (const id of ['nonsense', '../../../etc/passwd', `${UNKNOWN}/..`]) {
      const { code } = await refused(lab(), (courier) => courier.download({ id, dir: target() }));
      expect(code).toBe('NDI_E_BAD_ID');
    }
  });

  it('the cloud does not know it', async () => {
    const { code } = await refused(lab(), (courier) => courier.download({ id: UNKNOWN, dir: target() }));
    expect(code).toBe('NDI_E_NOT_FOUND');
  });

  it('the account may not read it', async () => {
    const cloud = await lab().cloud();
    const { id } = await cloud.datasets.create(await cloud.organizationId(), { name: 'private' });
    await cloud.close();
    const { code } = await refused(courierAs('second@sandbox.test'), (courier) =>
      courier.download({ id, dir: target() }),
    );
    expect(['NDI_E_FORBIDDEN', 'NDI_E_NOT_FOUND']).toContain(code);
  });

  it('the target holds something else', async () => {
    const files = target();
    mkdirSync(files);
    writeFileSync(join(files, 'thesis.tex'), 'mine');
    const occupied = await refused(
      lab(),
      (courier) => courier.download({ id: SEED_DATASETS.small, dir: files }),
      files,
    );
    expect(occupied.code).toBe('NDI_E_TARGET_OCCUPIED');
    expect(occupied.message).toContain('thesis.tex');

    const file = target();
    writeFileSync(file, 'mine');
    const isFile = await refused(lab(), (courier) =>
      courier.download({ id: SEED_DATASETS.small, dir: file }),
    );
    expect(isFile.code).toBe('NDI_E_TARGET_OCCUPIED');

    const other = await dataset();
    const isOther = await refused(
      lab(),
      (courier) => courier.download({ id: SEED_DATASETS.small, dir: other }),
      other,
    );
    expect(isOther.code).toBe('NDI_E_TARGET_OCCUPIED');
  });
});

describe('what is no reason to refuse', () => {
  it('a cloud that does not answer now: the run waits for it', async () => {
    const path = await dataset();
    const said: string[] = [];
    const courier = createCourier({
      env: {
        COURIER_HOME: join(dir, 'home'),
        COURIER_KEYRING: 'off',
        NDI_PREFDIR: join(dir, 'none'),
        // Nobody listens there.
        NDI_CLOUD_URL: 'http://127.0.0.1:9/v1',
        NDI_CLOUD_USERNAME: 'lab@sandbox.test',
        NDI_CLOUD_PASSWORD: 'x',
      },
      temporal: { address: inject('temporalAddress'), namespace: inject('temporalNamespace') },
      log: (line) => said.push(line),
    });
    couriers.push(courier);
    const handle = await courier.upload({ dir: path, new: 'N' });
    try {
      expect(said.join('\n')).toContain('does not answer now');
      const again = await courier.upload({ dir: path, new: 'N' });
      // Starting what goes on attaches to it.
      expect(again).toMatchObject({ workflowId: handle.workflowId, runId: handle.runId });
      const progress = await handle.progress();
      expect(progress).toMatchObject({ status: 'running', source: 'records', operation: 'upload' });
      const summary = (await courier.runs.show(handle.workflowId)).summary;
      expect(summary).toMatch(/^Upload .* from /);
    } finally {
      await handle.cancel();
      // No worker is there to tidy up.
      await terminate(handle.workflowId);
    }
  });
});

async function terminate(workflowId: string): Promise<void> {
  const { Client, Connection } = await import('@temporalio/client');
  const connection = await Connection.connect({ address: inject('temporalAddress') });
  await new Client({ connection, namespace: inject('temporalNamespace') }).workflow
    .getHandle(workflowId)
    .terminate();
  await connection.close();
}
