/**
 * `ndi-courier cloud …`: every group of the raw API, as a script would use it. Filling and deleting by hand:
 * `account.test.ts`.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCommand } from '../../client/cli/commander.ts';
import { command } from '../../client/cli/commands/cloud.ts';
import { createOutput } from '../../client/cli/output.ts';
import { type Sandbox, startSandbox } from '../../sandbox/server.ts';
import { zipOf } from '../../sandbox/testing.ts';

let dir: string;
let sandbox: Sandbox;
let dataset: string;
let document: string;
const path = (name: string): string => join(dir, name);
const UID = '412687d3ae63489a_40d1d41d8ddf81f7';
const NDI_ID = '41269713c8f30937_0000000000000001';
const body = (name: string) => ({
  document_class: { class_name: 'subject' },
  base: { id: NDI_ID, name },
  files: { file_info: [{ name: 'seg_1', locations: [{ uid: UID }] }] },
});

/**
 * Runs one command in this process, with a terminal of its own: sixty processes would take a minute. Throws
 * what it throws.
 */
async function cloud(
  args: readonly string[],
  options: { env?: Record<string, string>; input?: string } = {},
) {
  const [lab] = sandbox.users;
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const said = (name: keyof typeof streams): string => String(streams[name].read() ?? '');
  const env = {
    HOME: dir,
    COURIER_HOME: path('home'),
    COURIER_KEYRING: 'off',
    NDI_PREFDIR: path('none'),
    NDI_CLOUD_URL: sandbox.apiUrl,
    NDI_CLOUD_USERNAME: lab!.email,
    NDI_CLOUD_PASSWORD: lab!.password,
    ...options.env,
  };
  const program = buildCommand(command, {
    invocation: async () => ({
      env,
      cwd: dir,
      stdin: Readable.from([options.input ?? '']) as unknown as NodeJS.ReadStream,
      out: createOutput(
        streams.stdout as unknown as NodeJS.WriteStream,
        streams.stderr as unknown as NodeJS.WriteStream,
      ),
      signal: new AbortController().signal,
      allCommands: async () => [],
    }),
    finish: (code) => expect(code).toBe(0),
  });
  await program.parseAsync(args, { from: 'user' });
  const stdout = said('stdout');
  return {
    stdout,
    stderr: said('stderr'),
    // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
    json: (): any => JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? ''),
  };
}

async function until<T>(ask: () => Promise<T>, pleases: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    const value = await ask();
    if (pleases(value) || tries > 100) return value;
    await sleep(20);
  }
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'courier-raw-'));
  sandbox = await startSandbox({ stateDir: path('cloud'), importDelayMs: 10, bulkDownloadDelayMs: 10 });
  Object.assign(sandbox.knobs, { jobDelayMs: 20, fileDelayMs: 0 });
  const metadata = path('metadata.json');
  writeFileSync(metadata, '{"name":"Raw","abstract":"a long abstract"}');
  dataset = (await cloud(['datasets', 'create', metadata])).json().id;
  writeFileSync(path('document.json'), JSON.stringify(body('one')));
  document = (await cloud(['documents', 'add', dataset, path('document.json')])).json().id;
  writeFileSync(path('bytes.bin'), 'some bytes');
  await cloud(['files', 'put', dataset, path('bytes.bin'), '--uid', UID]);
});
afterAll(async () => {
  await sandbox.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('cloud datasets', () => {
  it('lists short rows, and whole records with --json; nothing twice', async () => {
    const [line = ''] = (await cloud(['datasets', 'list'])).stdout.split('\n');
    expect(JSON.parse(line)).toEqual({
      id: dataset,
      name: 'Raw',
      organizationId: sandbox.users[0]!.organizationId,
      createdAt: expect.any(String),
      isPublished: false,
      isSubmitted: false,
      isDeleted: false,
      documentCount: 1,
      totalSizeBytes: expect.any(Number),
    });
    const [row] = (await cloud(['datasets', 'list', '--json'])).json().rows;
    expect(row).toMatchObject({ id: dataset, abstract: 'a long abstract' });
    const record = (await cloud(['datasets', 'get', dataset])).json();
    expect(record).toMatchObject({ id: dataset, isPublishing: false });
    for (const shown of [row, record]) {
      expect(shown).not.toHaveProperty('_id');
      expect(shown).not.toHaveProperty('raw');
    }
  });

  it('branches a dataset, bookmarks it, and searches', async () => {
    const made = (await cloud(['datasets', 'branch', dataset, '--name', 'try'])).json();
    expect(made).toMatchObject({ branchOf: dataset, branchName: 'try' });
    expect((await cloud(['datasets', 'branches', dataset])).json().branches[0].id).toBe(made.id);
    await cloud(['datasets', 'bookmark', dataset]);
    expect((await cloud(['datasets', 'bookmarks'])).json().id).toBe(dataset);
    await cloud(['datasets', 'unbookmark', dataset]);
    expect((await cloud(['datasets', 'bookmarks'])).stdout).toBe('');
    expect((await cloud(['datasets', 'search', 'carbon fibre'])).json().name).toContain('carbon fibre');
  });
});

describe('cloud documents', () => {
  it('go and come in archives', async () => {
    writeFileSync(path('more.zip'), await zipOf({ 'a.json': JSON.stringify([body('two'), body('three')]) }));
    expect(
      (await cloud(['documents', 'add-zip', dataset, path('more.zip')])).json().sizeBytes,
    ).toBeGreaterThan(0);
    const count = async () => (await cloud(['documents', 'count', dataset])).json().count;
    expect(await until(count, (n) => n === 3)).toBe(3);
    const got = await cloud(['documents', 'get-zip', dataset, document, '-o', 'back.zip']);
    expect(got.json()).toEqual({ file: path('back.zip'), sizeBytes: expect.any(Number) });
    expect(readFileSync(path('back.zip')).subarray(0, 2).toString()).toBe('PK');
    expect(got.stdout + got.stderr).not.toMatch(/https?:/);
    const found = (await cloud(['documents', 'search', 'subject 0'])).json();
    expect(found.datasetId).toMatch(/^[0-9a-f]{24}$/);
  });
});

describe('cloud files', () => {
  it('go in an archive, whose job can be asked', async () => {
    writeFileSync(path('files.zip'), await zipOf({ 'uid-2': 'x' }));
    const { jobId } = (await cloud(['files', 'put-zip', dataset, path('files.zip')])).json();
    const job = async () => (await cloud(['files', 'job', jobId])).json();
    expect(await until(job, ({ state }) => state === 'complete')).toMatchObject({ filesExtracted: 1 });
  });

  it('have addresses for those who ask for exactly that, with a warning beside them', async () => {
    const one = await cloud(['files', 'url', dataset, UID]);
    expect(await (await fetch(one.json().downloadUrl)).text()).toBe('some bytes');
    expect(one.stderr).toContain('Keep these addresses to yourself');
    const all = await cloud(['files', 'urls', dataset, NDI_ID, '--series', 'seg_#']);
    expect(Object.keys(all.json().urls)).toEqual([UID]);
    expect(all.stderr).toContain('Keep these addresses to yourself');
    const started = await cloud(['files', 'sign', dataset, document]);
    expect(started.stdout + started.stderr).not.toMatch(/https?:/);
    const job = async () => (await cloud(['files', 'sign-job', started.json().jobId])).json();
    expect(await until(job, ({ state }) => state === 'ready')).toMatchObject({ signedCount: 1 });
  });

  it('move between tiers', async () => {
    const { jobId } = (await cloud(['files', 'tier', dataset, document, '--to', 'GLACIER'])).json();
    const job = async () => (await cloud(['files', 'tier-job', jobId])).json();
    expect(await until(job, ({ state }) => state === 'completed')).toMatchObject({ filesDone: 1 });
    const cold = cloud(['files', 'get', dataset, UID]);
    await expect(cold).rejects.toMatchObject({ code: 'NDI_E_ARCHIVED' });
    await expect(cloud(['files', 'tier', dataset, document])).rejects.toMatchObject({ code: 'NDI_E_USAGE' });
  });
});

describe('cloud account', () => {
  it('says who is there, and keeps passwords off the command line', async () => {
    const me = (await cloud(['account', 'me'])).json();
    expect(me.email).toBe(sandbox.users[0]!.email);
    expect((await cloud(['account', 'user', me.id])).json().id).toBe(me.id);
    const email = 'raw@sandbox.test';
    const password = 'raw-password-1';
    const signed = await cloud(['account', 'sign-up', email, 'Raw', '--password-stdin'], {
      input: `${password}\n`,
    });
    expect(signed.json().email).toBe(email);
    await cloud(['account', 'resend-code', email]);
    const { users } = (await (await fetch(`${sandbox.controlUrl}/users`)).json()) as {
      users: { email: string; code: string }[];
    };
    await cloud(['account', 'verify', email, users.find((one) => one.email === email)!.code]);
    const as = { NDI_CLOUD_USERNAME: email, NDI_CLOUD_PASSWORD: password };
    const input = `${password}\nraw-password-2\n`;
    await cloud(['account', 'change-password', '--password-stdin'], { env: as, input });
    const stale = cloud(['account', 'me'], { env: as });
    await expect(stale).rejects.toMatchObject({ code: 'NDI_E_WRONG_PASSWORD' });
    const short = cloud(['account', 'change-password', '--password-stdin'], { input: 'only-one\n' });
    await expect(short).rejects.toThrow('Fewer than 2 passwords');
  });

  it('has a MATLAB licence', async () => {
    expect((await cloud(['account', 'license', 'register'])).json().mode).toBe('dedicated');
    writeFileSync(path('license.lic'), 'INCREMENT MATLAB');
    const set = ['account', 'license', 'set', path('license.lic'), '--release', 'R2024b'];
    expect((await cloud(set)).json().releases).toEqual(['R2024b']);
    await cloud(['account', 'license', 'remove']);
    expect((await cloud(['account', 'license', 'get'])).json()).not.toHaveProperty('mode');
  });
});

describe('cloud lock and compute', () => {
  it('takes, keeps and releases the write lock', async () => {
    const held = (await cloud(['lock', 'acquire', dataset, '--reason', 'a test'])).json();
    expect(held).toMatchObject({ heldBy: sandbox.users[0]!.email, reason: 'a test' });
    await cloud(['lock', 'refresh', dataset, '--ttl', '3600']);
    expect((await cloud(['lock', 'get', dataset])).json()).toMatchObject({ locked: true, reason: 'a test' });
    await cloud(['lock', 'release', dataset]);
    expect((await cloud(['lock', 'get', dataset])).json()).toEqual({ locked: false });
  });

  it('runs sessions', async () => {
    const started = (
      await cloud(['compute', 'start', 'zombie-test-v1', '--input', '-'], { input: '{"n":1}' })
    ).json();
    expect(started).toMatchObject({ status: 'RUNNING', inputParameters: { n: 1 } });
    const id = started.sessionId;
    await cloud(['compute', 'stage', id, 'wait']);
    await cloud(['compute', 'abort', id]);
    expect((await cloud(['compute', 'get', id])).json().status).toBe('ABORTED');
    expect((await cloud(['compute', 'list'])).json().sessions).toHaveLength(1);
    await expect(cloud(['compute', 'advance', id])).rejects.toThrow('The session is ABORTED');
  });
});
