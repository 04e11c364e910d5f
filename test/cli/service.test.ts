/** The service, `doctor`, `worker`, `sandbox` and help, as commands. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { buildCommand } from '../../client/cli/commander.ts';
import { COMMANDS } from '../../client/cli/commands.ts';
import { createHarness, type Harness } from './harness.ts';

let cli: Harness;

beforeAll(async () => {
  cli = await createHarness();
});
afterAll(() => cli.close());

describe('help', () => {
  it('is there for every command, and no line of it is left empty', async () => {
    const deps = {
      invocation: () => {
        throw new Error('nothing is run');
      },
      finish: () => {},
    };
    for (const entry of COMMANDS) {
      const command = await entry.load();
      expect(command.name).toBe(entry.name);
      expect(command.summary).toBe(entry.summary);
      const visit = (built: ReturnType<typeof buildCommand>): void => {
        expect(built.helpInformation()).toContain(built.name());
        expect(built.summary(), built.name()).toMatch(/[.;]$|\.$/);
        for (const option of built.options) expect(option.description, option.flags).not.toBe('');
        built.commands.forEach(visit);
      };
      visit(buildCommand(command, deps));
    }
  });

  it('comes without loading what a command needs', async () => {
    const { code, stdout } = await cli.run(['--help']);
    expect(code).toBe(0);
    for (const { name } of COMMANDS) expect(stdout).toContain(`  ${name}`);
    const version = await cli.run(['--version']);
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const typo = await cli.run(['uplaod', '--json']);
    expect(typo.code).toBe(2);
    expect(typo.stderr).toContain('upload');
    expect(typo.json().error.code).toBe('NDI_E_USAGE');
  });
});

describe('up, status and down', () => {
  it('print addresses and pids, and `up` is done once', async () => {
    const none = await cli.run(['status', '--json']);
    expect(none.json()).toMatchObject({ temporalAddress: null, workerPids: [], running: false });
    const { code, json, stderr } = await cli.run(['up', '--json']);
    expect(code, stderr).toBe(0);
    expect(json()).toMatchObject({
      temporalAddress: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      namespace: 'courier',
      uiUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      workerPids: [expect.any(Number)],
    });
    expect((await fetch(json().uiUrl)).status).toBe(200);
    expect((await cli.run(['up', '--json'])).json()).toEqual(json());
    expect((await cli.run(['status', '--json'])).json()).toEqual(json());
    expect((await cli.run(['status'])).stdout).toContain(json().uiUrl);
  });

  it('are checked by doctor', async () => {
    const dir = await cli.dataset();
    const { code, json } = await cli.run(['doctor', dir, '--json']);
    expect(code).toBe(0);
    const states = Object.fromEntries(
      json().checks.map(({ name, state }: { name: string; state: string }) => [name, state]),
    );
    expect(states).toEqual({
      node: 'ok',
      proxy: 'ok',
      certificates: 'ok',
      'state folder': 'ok',
      'disk space': expect.any(String),
      'temporal CLI': 'ok',
      service: 'ok',
      server: 'ok',
      worker: 'ok',
      login: 'ok',
      dataset: 'ok',
    });
    const bad = await cli.run(['doctor', cli.dir], { env: { NDI_CLOUD_PASSWORD: 'wrong' } });
    expect(bad.code).toBe(1);
    expect(bad.stdout).toMatch(/FAIL {2}login .*NDI_E_WRONG_PASSWORD/);
    expect(bad.stdout).toMatch(/FAIL {2}dataset .*NDI_E_NOT_A_DATASET/);
    expect(bad.stdout).not.toContain('wrong)');
  });

  it('end with nothing left', async () => {
    const { workerPids } = (await cli.run(['status', '--json'])).json();
    expect((await cli.run(['down', '--json'])).json()).toEqual({ stopped: true });
    expect(() => process.kill(workerPids[0], 0)).toThrow();
    expect((await cli.run(['down'])).stdout).toContain('Nothing was running');
    expect((await cli.run(['runs', 'list', '--json'])).json().error.code).toBe('NDI_E_NOT_RUNNING');
  });
});

describe('dev', () => {
  it('serves in the foreground until it is stopped, and leaves nothing behind', async () => {
    const env = { COURIER_HOME: cli.path('dev') };
    const dev = cli.start(['dev', '--json'], { env });
    await dev.says('"workerPids"');
    const { workerPids, running } = (await cli.run(['status', '--json'], { env })).json();
    expect(running).toBe(true);
    dev.child.kill('SIGTERM');
    expect((await dev.finished).code).toBe(0);
    expect(() => process.kill(workerPids[0], 0)).toThrow();
  });
});

describe('a Temporal server elsewhere', () => {
  it('is used, and nothing is embedded', async () => {
    const env = {
      TEMPORAL_ADDRESS: inject('temporalAddress'),
      TEMPORAL_NAMESPACE: inject('temporalNamespace'),
      TEMPORAL_CLI: undefined,
      COURIER_HOME: cli.path('elsewhere'),
    };
    expect((await cli.run(['status', '--json'], { env })).json()).toMatchObject({
      temporalAddress: env.TEMPORAL_ADDRESS,
      uiUrl: null,
      workerPids: [],
    });
    const dir = await cli.dataset();
    const early = await cli.run(['upload', dir, '--new', 'Elsewhere', '--no-wait', '--json'], { env });
    expect(early.code, early.stderr).toBe(0);
    expect(early.stderr).toContain('No worker serves this computer');
    const worker = cli.start(['worker', '--json'], { env });
    await worker.says('"site"');
    const { code, stderr, json } = await cli.run(['upload', dir, '--new', 'Elsewhere', '--json'], { env });
    expect(code, stderr).toBe(0);
    expect(json().status).toBe('done');
    worker.child.kill('SIGTERM');
    expect((await worker.finished).code).toBe(0);
    expect(existsSync(join(env.COURIER_HOME, 'service.json'))).toBe(false);
    expect(existsSync(join(env.COURIER_HOME, 'temporal.sqlite'))).toBe(false);
  });

  it('that does not answer is an error with a next step', async () => {
    const env = { TEMPORAL_ADDRESS: '127.0.0.1:9', COURIER_HOME: cli.path('elsewhere') };
    const { code, json } = await cli.run(['runs', 'list', '--json'], { env });
    expect(code).toBe(1);
    expect(json().error).toMatchObject({
      code: 'NDI_E_NOT_RUNNING',
      message: expect.stringContaining('127.0.0.1:9'),
    });
  });
});

describe('sandbox', () => {
  it('prints one line when it is ready, and stops cleanly on SIGTERM', async () => {
    const sandbox = cli.start(['sandbox', '--port', '0', '--state', cli.path('state'), '--json']);
    await sandbox.says('"apiUrl"');
    sandbox.child.kill('SIGTERM');
    const { code, stdout, json } = await sandbox.finished;
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(json()).toEqual({
      apiUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/v1$/),
      objectsUrl: expect.any(String),
      controlUrl: expect.any(String),
      caFile: null,
      users: expect.arrayContaining([
        {
          email: expect.any(String),
          password: expect.any(String),
          organizationId: expect.any(String),
          isAdmin: false,
        },
      ]),
    });
  });
});

describe('a terminal', () => {
  it('that is closed by its reader is no reason to fail', async () => {
    // `ndi-courier --help | head -1`
    const child = spawn(
      '/bin/sh',
      ['-c', `"${process.execPath}" client/cli/main.ts cloud --help | head -1; echo done`],
      { cwd: join(import.meta.dirname, '../..'), stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    await new Promise((resolve) => child.once('close', resolve));
    expect(text).toContain('done');
    expect(errors).toBe('');
  });
});
