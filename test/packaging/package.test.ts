/** What is published works elsewhere: packed, installed into an empty folder, run. */
import { type ExecFileException, execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { SEARCH_ATTRIBUTES } from '../../workflows/contracts/index.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const dir = mkdtempSync(join(tmpdir(), 'courier-package-'));
const project = join(dir, 'project');
const env: Record<string, string | undefined> = {
  ...process.env,
  // As on a machine whose Node is the one that runs these tests.
  PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
  COURIER_HOME: join(dir, 'home'),
  TEMPORAL_CLI: inject('temporalCliPath'),
  TEMPORAL_CONFIG_FILE: join(dir, 'none.toml'),
  npm_config_update_notifier: 'false',
};
for (const name of ['TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE', 'TEMPORAL_PROFILE']) delete env[name];

async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)(command, args, { cwd, env, maxBuffer: 16 << 20 })).stdout;
  } catch (error) {
    const { message, stdout } = error as ExecFileException;
    throw new Error(`${message}\n${stdout ?? ''}`);
  }
}
/** The folder of a Node that is too old for us, where this machine has one. */
const OLD_NODE = (process.env.PATH ?? '').split(delimiter).find((folder) => {
  const { stdout } = spawnSync(join(folder, 'node'), ['--version'], { encoding: 'utf8' });
  return /^v2[0-3]\./.test(stdout ?? '');
});
const courier = (...args: string[]) => run(project, 'npx', '--no-install', 'ndi-courier', ...args);

let packed: string[];

describe('the published package', () => {
  beforeAll(async () => {
    await run(root, process.execPath, 'tools/build.ts');
    await run(root, 'npm', 'pack', '--ignore-scripts', '--pack-destination', dir);
    const tarball = readdirSync(dir).find((name) => name.endsWith('.tgz'))!;
    packed = (await run(dir, 'tar', '-tzf', tarball)).trim().split('\n').sort();
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{"private":true,"type":"module"}');
    const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel', 'error'];
    await run(project, 'npm', 'install', ...quiet, join(dir, tarball));
  }, 240_000);

  afterAll(async () => {
    await courier('down').catch(() => {});
    rmSync(dir, { recursive: true, force: true });
  });

  it('holds what it needs and nothing of the tests', () => {
    for (const path of [
      'LICENSE',
      'dist/client/cli/main.js',
      'dist/client/index.d.ts',
      'dist/workflows/bundle.js',
      'dist/workflows/bundle-encrypted.js',
      'tools/temporal-cli/go.mod',
      'tools/temporal-cli/go.sum',
      'tools/temporal-cli/tools.go',
    ]) {
      expect(packed).toContain(`package/${path}`);
    }
    expect(packed.filter((path) => /\.test\.|^package\/(test|node_modules)\//.test(path))).toEqual([]);
  });

  it('tells its version', async () => {
    expect((await courier('--version')).trim()).toBe(version);
  });

  it('starts its service with the prebuilt workflows, tells of it in JSON, and stops it', async () => {
    const started = JSON.parse(await courier('up', '--json')) as Record<string, unknown>;
    expect(started).toMatchObject({
      temporalAddress: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      namespace: 'courier',
      uiUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      workerPids: [expect.any(Number)],
    });
    expect(JSON.parse(await courier('status', '--json'))).toMatchObject({
      temporalAddress: started.temporalAddress,
      workerPids: started.workerPids,
    });
    await courier('down');
    expect(JSON.parse(await courier('status', '--json'))).toMatchObject({ workerPids: [] });
  }, 90_000);

  it('is a library too', async () => {
    const script = `import * as courier from 'ndi-courier'; console.log(Object.keys(courier).length > 0);`;
    expect(await run(project, process.execPath, '--input-type=module', '--eval', script)).toBe('true\n');
  });

  it('has types that compile under strict TypeScript, those of its dependencies checked, too', async () => {
    const script = `
      import { createCourier, type RunHandle } from 'ndi-courier';
      import { startSandbox } from 'ndi-courier/sandbox';
      export const end = async (run: RunHandle): Promise<string> => (await run.result()).status;
      export const courier = createCourier();
      // @ts-expect-error: a port is a number
      export const sandbox = startSandbox({ stateDir: '', port: 'P' });`;
    writeFileSync(join(project, 'use.ts'), script);
    const tsc = join(root, 'node_modules', '.bin', 'tsc');
    const flags =
      '--noEmit --strict --noUncheckedIndexedAccess --skipLibCheck false --module nodenext --target es2024';
    expect(await run(project, tsc, ...flags.split(' '), 'use.ts')).toBe('');
  }, 60_000);

  it.skipIf(OLD_NODE === undefined)('is what speaks first under an older Node, not npm', () => {
    const { stderr, status } = spawnSync('npx', ['--no-install', 'ndi-courier', '--version'], {
      cwd: project,
      env: { ...env, PATH: [OLD_NODE, env.PATH].join(delimiter) },
      encoding: 'utf8',
    });
    expect(stderr).toMatch(/^ndi-courier needs Node\.js 24 or later; this is /);
    expect(status).toBe(2);
  });

  it('brings the sandbox along, as docs/sandbox.md starts it', async () => {
    const script = `
      import { startSandbox } from 'ndi-courier/sandbox';
      const sandbox = await startSandbox({ stateDir: ${JSON.stringify(join(dir, 'sandbox'))} });
      sandbox.faults.set({ route: 'PUT object', kind: 'reset-after', count: 1 });
      console.log((await fetch(sandbox.apiUrl + '/datasets/published')).status);
      await sandbox.close();`;
    expect(await run(project, process.execPath, '--input-type=module', '--eval', script)).toBe('200\n');
  });
});

describe('the compose file', () => {
  it('registers every search attribute that runs are found by', () => {
    const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
    const listed = /for name in ([\w ]+); do/.exec(text)![1]!.split(' ');
    expect(listed.sort()).toEqual(Object.keys(SEARCH_ATTRIBUTES).sort());
    expect(new Set(Object.values(SEARCH_ATTRIBUTES))).toEqual(new Set(['Keyword']));
  });

  it.skipIf(!hasCompose())(
    'is understood by docker compose, and asks for the password that it needs',
    async () => {
      const config = (password: string) =>
        promisify(execFile)('docker', ['compose', 'config', '--format', 'json'], {
          cwd: root,
          env: { ...process.env, POSTGRES_PASSWORD: password },
        });
      const { services } = JSON.parse((await config('secret')).stdout) as { services: object };
      expect(Object.keys(services).sort()).toEqual([
        'namespace',
        'postgresql',
        'schema',
        'temporal',
        'ui',
        'worker',
      ]);
      await expect(config('')).rejects.toThrow(/POSTGRES_PASSWORD/);
    },
  );
});

/** Many machines have Docker without it. */
function hasCompose(): boolean {
  return spawnSync('docker', ['compose', 'version']).status === 0;
}
