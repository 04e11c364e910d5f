/**
 * Bad input for an upload, given to the run itself, as if nobody had looked before: each is refused with a
 * code that says what it is, or gone round and named, and nothing else changes, here or in the cloud.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createProfileStore, login } from '../../ndi/auth/index.ts';
import { linkRemote } from '../../ndi/dataset/finish.ts';
import { databasePath, uidPath } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';
import { SEED_DATASETS } from '../../sandbox/seed.ts';
import {
  resumeSignal,
  type TransferResult,
  type UploadInput,
  type UploadStrategy,
} from '../../workflows/contracts/index.ts';
import { tamper } from '../fixtures/dataset.ts';
import { createCloudDataset, documentsInCloud } from '../support/cloud-state.ts';
import { createLab, datasetIdOf, type Lab } from '../support/lab.ts';
import { cloudContent, contentOf, refusalOf } from '../support/refusals.ts';

const DATASET = { documents: 40, files: 4, fileBytes: 2_000, seed: 3 };
const UNKNOWN = 'ffffffffffffffffffffffff';

describe('an upload', () => {
  let lab: Lab;
  /** What `datasetId` is taken from where the source is none. */
  let template: string;
  let source: string;
  let made = 0;

  beforeAll(async () => {
    lab = await createLab();
    template = join(lab.dir, 'template');
    await makeDataset(template, DATASET);
  });
  afterAll(() => lab?.close());
  beforeEach(async () => {
    made += 1;
    source = join(lab.dir, `source-${made}`);
    await makeDataset(source, DATASET);
  });
  afterEach(() => lab.sandbox.faults.clear());

  const input = (more: Partial<UploadInput> = {}): UploadInput =>
    lab.uploadInput(template, { datasetDir: source, ...more });

  /** Refused with this code; neither side has changed. */
  async function refused(code: string, given: UploadInput, on: Lab = lab): Promise<string> {
    const [here, there] = [contentOf(given.datasetDir), cloudContent(lab)];
    const info = await refusalOf(await on.startUpload(given));
    expect(info.code).toBe(code);
    expect(info.sentence.length).toBeGreaterThan(20);
    expect(info.nextStep.length).toBeGreaterThan(5);
    expect(contentOf(given.datasetDir)).toEqual(here);
    expect(cloudContent(lab)).toBe(there);
    return info.sentence;
  }

  it('of a folder that is no dataset is refused', async () => {
    rmSync(source, { recursive: true });
    mkdirSync(source);
    writeFileSync(join(source, 'notes.txt'), 'no dataset');
    expect(await refused('NDI_E_NOT_A_DATASET', input())).toContain(source);
    expect(readdirSync(source)).toEqual(['notes.txt']);
  });

  it('of a folder that is not there is refused', async () => {
    rmSync(source, { recursive: true });
    await refused('NDI_E_NOT_A_DATASET', input());
  });

  it('of another dataset than the run was started for is refused', async () => {
    await refused('NDI_E_NOT_A_DATASET', input({ datasetId: '4126970000000000_40b0000000000000' }));
  });

  it.each([
    ['overwritten', Buffer.alloc(16_384, 0x41)],
    ['empty', Buffer.alloc(0)],
    ['cut off after its header', Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(84)])],
  ])('of a dataset whose database is %s is refused', async (_how, bytes) => {
    writeFileSync(databasePath(source), bytes);
    await refused('NDI_E_DATABASE_CORRUPT', input());
  });

  it('of a dataset that is linked to two cloud datasets is refused', async () => {
    const link = { datasetId: datasetIdOf(source), organizationId: 'b'.repeat(24) };
    linkRemote(source, { ...link, cloudDatasetId: 'a'.repeat(24) });
    doubleLink(source, 'c'.repeat(24));
    const sentence = await refused('NDI_E_TWO_REMOTES', input());
    expect(sentence).toContain('a'.repeat(24));
    expect(sentence).toContain('c'.repeat(24));
  });

  it.each([
    ['that does not exist', UNKNOWN, 'NDI_E_NOT_FOUND'],
    ['that is published', SEED_DATASETS.small, 'NDI_E_DATASET_PUBLISHED'],
    ['whose id is a path', '../../etc', 'NDI_E_NOT_FOUND'],
  ])('into a cloud dataset %s is refused', async (_what, cloudDatasetId, code) => {
    await refused(code, input({ target: { kind: 'to', cloudDatasetId } }));
  });

  it('by an account of another laboratory is refused', async () => {
    const cloudDatasetId = await createCloudDataset(lab, `Private ${made}`);
    await loginAs('second');
    const cloud = { ...input().cloud, profile: 'second' };
    await refused('NDI_E_FORBIDDEN', input({ cloud, target: { kind: 'to', cloudDatasetId } }));
  });

  it('by an account that may not create cloud datasets is refused', async () => {
    await loginAs('reader');
    await refused('NDI_E_FORBIDDEN', input({ cloud: { ...input().cloud, profile: 'reader' } }));
  });

  async function loginAs(name: string): Promise<void> {
    const { email, password } = lab.sandbox.users.find((user) => user.email.startsWith(`${name}@`))!;
    const store = createProfileStore({ homeDir: lab.homeDir, env: lab.env });
    await login({ store, env: { NDI_CLOUD_URL: lab.sandbox.apiUrl }, email, password, profile: name });
  }

  it('of a dataset that another program is writing waits for a person, and goes on', async () => {
    const other = new DatabaseSync(databasePath(source));
    other.exec('BEGIN EXCLUSIVE');
    const [here, there] = [contentOf(source), cloudContent(lab)];
    const handle = await lab.startUpload(input());
    const { waitingFor } = await lab.until(handle, (progress) => progress.waitingFor !== null);
    expect(waitingFor).toMatchObject({ kind: 'person', code: 'NDI_E_DATABASE_BUSY' });
    expect(contentOf(source)).toEqual(here);
    expect(cloudContent(lab)).toBe(there);
    other.exec('ROLLBACK');
    other.close();
    await handle.signal(resumeSignal);
    expect(((await handle.result()) as TransferResult).status).toBe('done');
  });

  /** What is wrong with one item is the run's result, and everything else is in the cloud. */
  async function wentRound(
    expected: { kind: string; id: string; code: string },
    strategy: UploadStrategy = 'zip',
  ): Promise<TransferResult> {
    const result: TransferResult = await (
      await lab.startUpload(input({ strategy, target: { kind: 'as-new', name: source } }))
    ).result();
    expect(result.status).toBe('done-with-leftovers');
    expect(result.problems).toEqual([expect.objectContaining(expected)]);
    expect(result.documents.transferred + result.documents.failed).toBe(result.documents.total);
    expect(result.files.transferred + result.files.failed).toBe(result.files.total);
    const cloud = await documentsInCloud(lab, result.datasetId);
    expect(cloud.count).toBe(result.documents.transferred);
    expect(cloud.doubled).toEqual([]);
    return result;
  }

  it('of a dataset with a binary that is not there names it and takes the others', async () => {
    const { uid, name, documentId } = aFile(source);
    removeBinary(source, uid);
    const result = await wentRound({ kind: 'file', id: uid, code: 'NDI_E_FILE_MISSING' });
    expect(result.problems[0]?.detail).toContain(name);
    expect(result.problems[0]?.detail).toContain(documentId);
    expect(result.files).toMatchObject({ total: 4, transferred: 3, failed: 1 });
  });

  describe.each(['zip', 'serial'] as const)('by the strategy %s', (strategy) => {
    /** A file in name: it can be opened, and every read of it fails with EIO, even for root. */
    it.runIf(process.platform === 'linux')(
      'of a dataset with a binary on a bad disk names it and takes the others',
      async () => {
        const { uid } = aFile(source);
        removeBinary(source, uid);
        symlinkSync('/proc/self/mem', uidPath(source, uid));
        const result = await wentRound({ kind: 'file', id: uid, code: 'NDI_E_FILE_UNREADABLE' }, strategy);
        expect(result.files).toMatchObject({ total: 4, transferred: 3, failed: 1 });
      },
    );

    it.runIf(process.getuid?.() !== 0)(
      'of a dataset with a binary that may not be read names it and takes the others',
      async () => {
        const { uid } = aFile(source);
        chmodSync(uidPath(source, uid), 0);
        const result = await wentRound({ kind: 'file', id: uid, code: 'NDI_E_FILE_UNREADABLE' }, strategy);
        expect(result.files).toMatchObject({ total: 4, transferred: 3, failed: 1 });
      },
    );

    it.runIf(process.platform !== 'win32').each([
      ['a pipe', (path: string) => execFileSync('mkfifo', [path])],
      ['a link to an endless device', (path: string) => symlinkSync('/dev/zero', path)],
    ] satisfies [string, (path: string) => void][])(
      'of a dataset with a binary that turns into %s before it is read names it and takes the others',
      async (_what, replace) => {
        const { uid } = aFile(source);
        const route =
          strategy === 'zip' ? 'GET /datasets/:org/:d/files/bulk' : 'GET /datasets/:org/:d/files/:uid';
        // Long enough for the file to change while the run has looked and not yet read.
        lab.sandbox.faults.set({ route, kind: 'latency', params: { ms: 1_000 } });
        const replaced = (async () => {
          while (lab.sandbox.faults.list().every(({ fired }) => fired === 0)) await sleep(5);
          removeBinary(source, uid);
          replace(uidPath(source, uid));
        })();
        const result = await wentRound({ kind: 'file', id: uid, code: 'NDI_E_FILE_UNREADABLE' }, strategy);
        await replaced;
        expect(result.files).toMatchObject({ total: 4, transferred: 3, failed: 1 });
      },
    );

    it('of a dataset with a binary that is written all the time names it and takes the others', async () => {
      const { uid } = aFile(source);
      const path = uidPath(source, uid);
      writeFileSync(path, randomBytes(9 * 1024 * 1024));
      // As a recording program does that keeps its file at one size.
      const writing = setInterval(() => utimesSync(path, new Date(), new Date()), 1);
      try {
        const result = await wentRound({ kind: 'file', id: uid, code: 'NDI_E_FILE_CHANGED' }, strategy);
        expect(result.files).toMatchObject({ total: 4, transferred: 3, failed: 1 });
      } finally {
        clearInterval(writing);
      }
    });
  });

  it('of a dataset with a file over 5 GB names it and the limit, and takes the others', async () => {
    const { uid, name } = aFile(source);
    const path = uidPath(source, uid);
    const file = openSync(path, 'r+');
    ftruncateSync(file, 5_000_000_001);
    closeSync(file);
    const result = await wentRound({ kind: 'file', id: uid, code: 'NDI_E_FILE_TOO_LARGE' });
    expect(result.problems[0]?.detail).toContain(name);
    expect(result.problems[0]?.detail).toContain('5000000001');
  });

  it('of a dataset with a document that is no JSON names it and takes the others', async () => {
    const id = plainDocument(source);
    tamper(source, `UPDATE docs SET json_code = '{"base": {"id": oops' WHERE doc_id = '${id}'`);
    await wentRound({ kind: 'document', id, code: 'NDI_E_BAD_JSON' });
  });

  it('of a dataset with a document of more values than a worker can hold names it and takes the others', async () => {
    const id = plainDocument(source);
    tamper(
      source,
      `UPDATE docs SET json_code = substr(json_code, 1, length(json_code) - 1) || ', "numbers": [' ||
         replace(hex(zeroblob(600000)), '0', '0,') || '0]}' WHERE doc_id = '${id}'`,
    );
    await wentRound({ kind: 'document', id, code: 'NDI_E_DOCUMENT_TOO_LARGE' });
  });

  it('of a dataset with a document too large for a request of its own names it and takes the others', async () => {
    const id = plainDocument(source);
    tamper(
      source,
      `UPDATE docs SET json_code = substr(json_code, 1, length(json_code) - 1) || ', "padding": "' ||
         hex(zeroblob(2500000)) || '"}' WHERE doc_id = '${id}'`,
    );
    await wentRound({ kind: 'document', id, code: 'NDI_E_REQUEST_TOO_LARGE' }, 'serial');
  });

  it('of a dataset with a document whose id is a path names it and takes the others', async () => {
    const id = plainDocument(source);
    const evil = '../../../evil';
    tamper(
      source,
      `UPDATE docs SET doc_id = '${evil}', json_code = replace(json_code, '${id}', '${evil}') WHERE doc_id = '${id}'`,
    );
    await wentRound({ kind: 'document', id: evil, code: 'NDI_E_BAD_ID' });
  });

  it('of a dataset with a file whose uid is a path names it and takes the others', async () => {
    const { uid, documentId } = aFile(source);
    const evil = '../../../../../../etc/hostname';
    tamper(
      source,
      `UPDATE docs SET json_code = replace(json_code, '${uid}', '${evil}') WHERE doc_id = '${documentId}'`,
    );
    tamper(source, `UPDATE files SET uid = '${evil}' WHERE uid = '${uid}'`);
    removeBinary(source, uid);
    // The document as a whole: what it names cannot be brought.
    const result = await wentRound({ kind: 'document', id: documentId, code: 'NDI_E_BAD_ID' });
    expect(result.problems[0]?.detail).toContain(evil);
    expect(result.files).toMatchObject({ total: 3, transferred: 3 });
  });
});

describe('an upload with a wrong password', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await createLab({ env: { NDI_CLOUD_PASSWORD: 'not the password' } });
  });
  afterAll(() => lab?.close());

  it('waits for a login; nothing has changed', async () => {
    const source = join(lab.dir, 'source');
    await makeDataset(source, { documents: 30, files: 2, fileBytes: 1_000, seed: 4 });
    const [here, there] = [contentOf(source), cloudContent(lab)];
    const handle = await lab.startUpload(lab.uploadInput(source));
    const { waitingFor } = await lab.until(handle, (progress) => progress.waitingFor !== null);
    expect(waitingFor).toMatchObject({ kind: 'login', code: 'NDI_E_WRONG_PASSWORD' });
    expect(waitingFor?.nextStep).toContain('ndi-courier login');
    expect(contentOf(source)).toEqual(here);
    expect(cloudContent(lab)).toBe(there);
    await handle.cancel();
    await handle.result().catch(() => {});
  });
});

/** A binary of the dataset, and the document that names it. */
function aFile(dir: string): { uid: string; name: string; documentId: string } {
  const reader = openDataset(dir);
  try {
    for (const stored of reader.documents()) {
      const facts = describeDocument(parseDocument(stored.text));
      for (const { name, file } of reader.files(facts)) {
        if (file.kind === 'local') return { uid: file.uid, name, documentId: facts.id };
      }
    }
    throw new Error('no file');
  } finally {
    reader.close();
  }
}

/** A document without a binary, on which nothing else stands. */
function plainDocument(dir: string): string {
  const reader = openDataset(dir);
  try {
    const facts = [...reader.documents()].map((stored) => describeDocument(parseDocument(stored.text)));
    const needed = new Set(facts.flatMap((one) => one.dependsOn.map(({ value }) => value)));
    const found = facts.find(
      (one) =>
        !needed.has(one.id) &&
        !/^(session|dataset)/.test(one.className) &&
        [...reader.files(one)].length === 0,
    );
    return found!.id;
  } finally {
    reader.close();
  }
}

const sameFile = (a: string, b: string): boolean => readFileSync(a).equals(readFileSync(b));

/** A second link, as only another program would write it. */
function doubleLink(dir: string, cloudDatasetId: string): void {
  const other = "replace(doc_id, substr(doc_id, 1, 4), 'ffff')";
  tamper(
    dir,
    `INSERT INTO docs (doc_id, json_code, timestamp)
       SELECT ${other}, replace(replace(json_code, doc_id, ${other}), '${'a'.repeat(24)}', '${cloudDatasetId}'), timestamp
         FROM docs WHERE json_code LIKE '%"dataset_remote"%';
     INSERT INTO branch_docs (branch_id, doc_idx, timestamp)
       SELECT (SELECT branch_id FROM branch_docs LIMIT 1), doc_idx, timestamp FROM docs WHERE doc_id LIKE 'ffff%';`,
  );
}

/** Under all its names. */
function removeBinary(dir: string, uid: string): void {
  const files = join(dir, '.ndi', 'files');
  const path = join(files, uid);
  const names = readdirSync(files).filter((name) => sameFile(join(files, name), path));
  for (const name of names) rmSync(join(files, name));
}
