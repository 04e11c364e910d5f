/** Looking before anything moves, and binaries that come and go, from the command line. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import { filesDir } from '../../ndi/dataset/layout.ts';
import { fingerprint } from '../fixtures/dataset.ts';
import { createHarness, type Harness } from './harness.ts';

let cli: Harness;
let dir: string;
let id: string;
const DOCUMENTS = 61;

beforeAll(async () => {
  cli = await createHarness();
  dir = await cli.dataset({ documents: 60, files: 6, fileBytes: 20_000 });
});
afterAll(() => cli?.close());

/** Requests that change something in the cloud. */
const writes = (): number =>
  Object.entries(cli.sandbox.faults.requests().routes)
    .filter(
      ([route]) => /^(PUT|DELETE|POST) /.test(route) && !/auth|bulk-fetch|ndiquery|bulk-download/.test(route),
    )
    .reduce((sum, [, { count }]) => sum + count, 0);

describe('--dry-run', () => {
  it('of an upload says what would go, by name, and writes nothing anywhere', async () => {
    const before = fingerprint(dir);
    const written = writes();
    const { code, json, stderr } = await cli.run(['upload', dir, '--new', 'Looked', '--dry-run', '--json']);
    expect(code, stderr).toBe(0);
    expect(json()).toMatchObject({
      status: 'planned',
      documents: { total: expect.any(Number), failed: 0 },
      files: { total: 6, failed: 0 },
      bytes: expect.any(Number),
      plan: { files: expect.any(Array), documents: expect.any(Array) },
    });
    expect(json().plan.files).toHaveLength(6);
    expect(json().plan.files[0]).toMatchObject({ action: 'add', sizeBytes: 20_000 });
    const list = await cli.run(['upload', dir, '--new', 'Looked', '--dry-run', '--list']);
    expect(list.stdout).toMatch(/ACTION +KIND +ID +SIZE +NAME/);
    expect(list.stdout).toContain(json().plan.files[0].uid);
    expect(fingerprint(dir)).toEqual(before);
    expect(writes()).toBe(written);
  });

  it('of a download makes no folder, and counts what a part would be', async () => {
    const up = await cli.run(['upload', dir, '--new', 'Here', '--json']);
    expect(up.code, up.stderr).toBe(0);
    id = up.json().datasetId;
    const target = cli.path('planned');
    const whole = await cli.run(['download', id, target, '--dry-run', '--json']);
    expect(whole.code, whole.stderr).toBe(0);
    expect(whole.json()).toMatchObject({ status: 'planned', files: { total: 6 } });
    expect(whole.json().documents.total).toBeGreaterThanOrEqual(DOCUMENTS);
    const part = await cli.run([
      'download',
      id,
      target,
      '--no-files',
      '--class',
      'subject',
      '--dry-run',
      '--json',
    ]);
    expect(part.json().files.total).toBe(0);
    expect(part.json().documents.total).toBeLessThan(whole.json().documents.total);
    expect(existsSync(target)).toBe(false);
    expect(readdirSync(cli.dir).filter((name) => name.includes('planned'))).toEqual([]);
  });
});

describe('download of a part', () => {
  it('brings the named documents alone', async () => {
    const [wanted] = (
      await cli.run(['dataset', 'documents', dir, '--class', 'subject', '--ids'])
    ).stdout.split('\n');
    const target = cli.path('part');
    const { code, stderr } = await cli.run(['download', id, target, '--document', wanted!, '--json']);
    expect(code, stderr).toBe(0);
    const ids = (await cli.run(['dataset', 'documents', target, '--ids'])).stdout.trim().split('\n');
    expect(ids).toContain(wanted);
    expect(
      (await cli.run(['dataset', 'documents', target, '--class', 'subject', '--ids'])).stdout.trim(),
    ).toBe(wanted);
  });
});

describe('files', () => {
  it('list, get and drop the binaries of a hybrid dataset', async () => {
    const target = cli.path('hybrid');
    expect((await cli.run(['download', id, target, '--mode', 'hybrid', '--json'])).code).toBe(0);
    const places = async () =>
      (await cli.run(['files', 'list', target, '--json']))
        .json()
        .files.map(({ where }: { where: string }) => where);
    expect(await places()).toEqual(Array(6).fill('cloud'));
    const unasked = await cli.run(['files', 'get', target, '--json']);
    expect([unasked.code, unasked.json().error.code]).toEqual([2, 'NDI_E_USAGE']);
    const got = await cli.run(['files', 'get', target, '--all', '--json']);
    expect(got.code, got.stderr).toBe(0);
    expect(got.json()).toMatchObject({ status: 'done', files: { transferred: 6 } });
    expect(await places()).toEqual(Array(6).fill('here'));
    expect(await compareDatasets(dir, target)).toMatchObject({ equal: true });
    const dropped = await cli.run(['files', 'drop', target, '--all', '--json']);
    expect(dropped.code, dropped.stderr).toBe(0);
    expect(await places()).toEqual(Array(6).fill('cloud'));
    expect(readdirSync(filesDir(target))).toEqual([]);
    const text = (await cli.run(['files', 'list', target])).stdout;
    expect(text).toContain('6 files, 0 here');
  });

  it('drop keeps a file whose bytes are not those of the cloud', async () => {
    const target = cli.path('kept');
    expect((await cli.run(['download', id, target, '--json'])).code).toBe(0);
    const { files } = (await cli.run(['files', 'list', target, '--json'])).json();
    rmSync(files[0].path);
    writeFileSync(files[0].path, Buffer.alloc(files[0].sizeBytes, 7));
    const dropped = await cli.run(['files', 'drop', target, '--all', '--json']);
    expect(dropped.code).toBe(3);
    const after = (await cli.run(['files', 'list', target, '--json'])).json().files;
    expect(
      after.filter(({ where }: { where: string }) => where === 'here').map(({ uid }: { uid: string }) => uid),
    ).toEqual([files[0].uid]);
    expect(existsSync(join(filesDir(target), files[0].uid))).toBe(true);
  });
});
