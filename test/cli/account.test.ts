/**
 * Logging in from the command line, and what happens to runs meanwhile; the raw API; secrets stay where they
 * belong.
 */
import { globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createHarness, type Harness } from './harness.ts';

let cli: Harness;

beforeAll(async () => {
  cli = await createHarness({ login: false });
});
afterAll(() => cli.close());
afterEach(() => cli.sandbox.faults.clear());

const login = (name: string, more: readonly string[] = [], password = cli.user(name).password) =>
  cli.run(['login', '--email', cli.user(name).email, '--password-stdin', '--json', ...more], {
    input: `${password}\n`,
  });

describe('login', () => {
  it('refuses a wrong password and stores nothing', async () => {
    const { code, json, stdout, stderr } = await login('lab', [], 'not-the-password');
    expect(code).toBe(1);
    expect(json().error.code).toBe('NDI_E_WRONG_PASSWORD');
    expect(stdout + stderr).not.toContain('not-the-password');
    expect((await cli.run(['profile', 'list', '--json'])).json().profiles).toEqual([]);
    expect((await cli.run(['whoami', '--json'])).json().error.code).toBe('NDI_E_NO_CREDENTIALS');
  });

  it('asks nobody where there is no terminal', async () => {
    const { code, json } = await cli.run(['login', '--json']);
    expect(code).toBe(2);
    expect(json()).toMatchObject({ status: 'failed', error: { code: 'NDI_E_USAGE' } });
    expect(json().error.message).toContain('--password-stdin');
  });

  it('keeps the account, privately', async () => {
    const { code, json } = await login('lab');
    expect(code).toBe(0);
    expect(json()).toMatchObject({ profile: 'default', email: cli.user('lab').email, released: [] });
    const me = (await cli.run(['whoami', '--json'])).json();
    expect(me).toMatchObject({ email: cli.user('lab').email, baseUrl: cli.sandbox.apiUrl });
    for (const name of globSync('home/*.json', { cwd: cli.dir })) {
      if (readFileSync(join(cli.dir, name), 'utf8').includes(cli.user('lab').password)) {
        expect(statSync(join(cli.dir, name)).mode & 0o077).toBe(0);
      }
    }
  });

  it('says for which organisation and until when', async () => {
    const { email, password } = cli.user('lab');
    const { stdout } = await cli.run(['login', '--email', email, '--password-stdin'], {
      input: `${password}\n`,
    });
    expect(stdout).toMatch(/^Logged in as \S+ \(.+\) at http/);
    expect(stdout).toMatch(/Valid until \d{4}-\d\d-\d\d \d\d:\d\d; it is renewed by itself\./);
  });

  it('suggests /v1 where an address of any host lacks it', async () => {
    const url = new URL(cli.sandbox.apiUrl).origin;
    const { json } = await login('lab', ['--url', url]);
    expect(json().error).toMatchObject({ code: 'NDI_E_SETTING' });
    expect(json().error.message).toContain(`${url}/v1 may be meant`);
  });

  it('refuses to guess production beside a settings file of an older client', async () => {
    const prefs = cli.path('prefs');
    mkdirSync(prefs);
    writeFileSync(join(prefs, 'cloud_config.json'), '{"api_url":"https://dev-api.ndi-cloud.com/v1"}');
    const env = { NDI_PREFDIR: prefs, NDI_CLOUD_URL: undefined, COURIER_HOME: cli.path('fresh') };
    for (const args of [['whoami'], ['login', '--email', 'a@b.test', '--password-stdin']]) {
      const { code, json } = await cli.run([...args, '--json'], { env, input: 'x\n' });
      expect(code).toBe(1);
      expect(json().error.code).toBe('NDI_E_SETTING');
      expect(json().error.message).toContain(join(prefs, 'cloud_config.json'));
    }
  });

  it('keeps several accounts apart', async () => {
    expect((await login('second', ['--profile', 'other lab'])).code).toBe(0);
    expect((await login('both', ['--profile', 'x'])).json().error.code).toBe('NDI_E_CHOOSE_ORGANIZATION');
    const { profiles } = (await cli.run(['profile', 'list', '--json'])).json();
    expect(
      profiles.map(({ name, isDefault }: { name: string; isDefault: boolean }) => [name, isDefault]),
    ).toEqual([
      ['default', true],
      ['other lab', false],
    ]);
    const other = await cli.run(['whoami', '--profile', 'other lab', '--json']);
    expect(other.json().email).toBe(cli.user('second').email);
    expect((await cli.run(['profile', 'use', 'other lab'])).code).toBe(0);
    expect((await cli.run(['whoami'])).stdout).toContain(cli.user('second').email);
    expect((await cli.run(['profile', 'use', 'default'])).code).toBe(0);
    expect((await cli.run(['profile', 'remove', 'other lab', '--json'])).json()).toEqual({
      removed: 'other lab',
    });
    expect((await cli.run(['profile', 'remove', 'other lab', '--json'])).code).toBe(1);
  });
});

describe('the raw API', () => {
  it('names a wrong id, and the host that cannot be reached', async () => {
    const id = 'abcdef0123456789abcdef01';
    const wrong = (await cli.run(['cloud', 'datasets', 'get', id, '--json'])).json().error;
    expect(wrong.code).toBe('NDI_E_NOT_FOUND');
    expect(wrong.message).toContain(`${new URL(cli.sandbox.apiUrl).host} does not know the id ${id}`);
    const { email, password } = cli.user('lab');
    const env = {
      NDI_CLOUD_URL: 'http://127.0.0.1:9/v1',
      NDI_CLOUD_USERNAME: email,
      NDI_CLOUD_PASSWORD: password,
    };
    const gone = (await cli.run(['cloud', 'datasets', 'get', id, '--json'], { env })).json().error;
    expect(gone.code).toBe('NDI_E_NETWORK');
    expect(gone.message).toContain('(127.0.0.1:9: ECONNREFUSED)');
    expect(gone.nextStep).toBe('Nothing repeats this command: run it again in a while.');
  });

  it('creates, fills, lists, searches and deletes', async () => {
    const cloud = async (...args: string[]) => {
      const finished = await cli.run(['cloud', ...args]);
      expect(finished.code, finished.stderr).toBe(0);
      return finished;
    };
    const metadata = cli.path('metadata.json');
    writeFileSync(metadata, '{"name":"Made by hand"}');
    const { id } = (await cloud('datasets', 'create', metadata)).json();
    expect(
      (await cloud('datasets', 'list', '--json')).json().rows.map((row: { id: string }) => row.id),
    ).toContain(id);

    const document = cli.path('document.json');
    writeFileSync(
      document,
      '{"document_class":{"class_name":"subject"},"base":{"id":"a","name":"n"},"x":NaN}',
    );
    const added = (await cloud('documents', 'add', id, document)).json();
    expect((await cloud('documents', 'count', id)).json()).toEqual({ count: 1 });
    expect((await cloud('documents', 'get', id, added.id)).stdout).toContain('NaN');
    expect((await cloud('documents', 'class-counts', id)).json()).toEqual({ subject: 1 });

    const file = cli.path('bytes.bin');
    writeFileSync(file, Buffer.alloc(100_000, 7));
    const put = await cloud('files', 'put', id, file, '--uid', '412687d3ae63489a_40d1d41d8ddf81f7');
    expect(put.json()).toEqual({ uid: '412687d3ae63489a_40d1d41d8ddf81f7', sizeBytes: 100_000 });
    const back = cli.path('back.bin');
    const got = await cloud('files', 'get', id, '412687d3ae63489a_40d1d41d8ddf81f7', '-o', back);
    expect(readFileSync(back).equals(readFileSync(file))).toBe(true);
    expect((await cloud('files', 'list', id)).json()).toMatchObject({ sizeBytes: 100_000 });
    for (const { stdout, stderr } of [put, got])
      expect(stdout + stderr).not.toMatch(/signature|https?:.*\?/i);

    await cloud('documents', 'delete', id, added.id, '--when', 'now');
    expect((await cloud('documents', 'count', id)).json()).toEqual({ count: 0 });
    await cloud('datasets', 'delete', id);
    await cloud('datasets', 'undelete', id);
    const missing = await cli.run([
      'cloud',
      'files',
      'get',
      id,
      '412687d3ae63489a_0000000000000000',
      '--json',
    ]);
    expect(missing.code).toBe(1);
  });
});

describe('a run whose login is gone', () => {
  it('parks, ends its command with 4, and goes on after `login`', async () => {
    const dir = await cli.dataset();
    const { code: up } = await cli.run(['up']);
    expect(up).toBe(0);
    // Time to take the login away between the check before the run and its first request.
    cli.sandbox.faults.set({ route: 'PUT object', kind: 'latency', params: { ms: 8_000 }, count: 1 });
    const upload = cli.start(['upload', dir, '--new', 'Parked', '--json']);
    await upload.says('"phase":"files"');
    expect((await cli.run(['logout', '--json'])).json()).toEqual({ removed: true });
    cli.sandbox.expireTokens();
    const parked = await upload.finished;
    expect(parked.code, parked.stderr).toBe(4);
    const { workflowId } = parked.json();
    expect(parked.json()).toMatchObject({ status: 'waiting', waitingFor: { kind: 'login' } });
    expect(parked.stderr).toContain('ndi-courier login');

    const list = (await cli.run(['runs', 'list', '--open', '--json'])).json();
    expect(list.runs[0]).toMatchObject({ workflowId, waitingFor: 'login' });

    const loggedIn = await login('lab');
    expect(loggedIn.json().released).toEqual([workflowId]);
    const watched = await cli.run(['runs', 'watch', workflowId, '--json']);
    expect(watched.code, watched.stderr).toBe(0);
    expect(watched.json()).toMatchObject({ status: 'done', files: { transferred: 6 } });
  });
});
