import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { packageRoot } from '../../disk/package.ts';
import { isCourierError } from '../../errors/index.ts';
import { buildTemporalCli, PINNED_CLI_VERSION } from './build.ts';
import { findTemporalCli, inspectCli } from './find.ts';
import type { CliMaker } from './maker.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'courier-cli-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** An executable that answers `--version` as a Temporal CLI of this version does. */
function cliAt(path: string, version: string): string {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho "temporal version ${version} (Server 1.31.2, UI 2.50.1)"\n`);
  chmodSync(path, 0o755);
  return path;
}

const cacheFolder = (cache: string) => join(cache, 'temporal-cli', `${process.platform}-${process.arch}`);
const makes =
  (version: string): CliMaker =>
  async (target) => {
    cliAt(target, version);
  };
const fails =
  (reason: string): CliMaker =>
  async () => {
    throw new Error(reason);
  };

describe('finding the Temporal CLI', () => {
  it('takes TEMPORAL_CLI before PATH, PATH before the cache, the newest of the cache before making one', async () => {
    const cacheDir = join(dir, 'cache');
    const explicit = cliAt(join(dir, 'mine'), '1.8.0');
    const onPath = cliAt(join(dir, 'bin', 'temporal'), '1.8.1');
    cliAt(join(cacheFolder(cacheDir), 'temporal-1.9.9'), '1.9.9');
    const newest = cliAt(join(cacheFolder(cacheDir), 'temporal-1.10.0'), '1.10.0');
    const PATH = ['/nowhere', join(dir, 'bin')].join(delimiter);
    const find = (env: Record<string, string>) => findTemporalCli({ cacheDir, env, makers: [] });

    expect(await find({ TEMPORAL_CLI: explicit, PATH })).toMatchObject({
      path: explicit,
      version: '1.8.0',
      serverVersion: '1.31.2',
      source: 'TEMPORAL_CLI',
    });
    expect(await find({ PATH })).toMatchObject({ path: onPath, source: 'PATH' });
    expect(await find({ PATH: '' })).toMatchObject({ path: newest, version: '1.10.0', source: 'cache' });
  });

  it('passes over what is missing, old or something else, says so, and makes one', async () => {
    const old = cliAt(join(dir, 'bin', 'temporal'), '1.3.0');
    const said: string[] = [];
    const cli = await findTemporalCli({
      cacheDir: dir,
      env: { TEMPORAL_CLI: '/nowhere/temporal', PATH: join(dir, 'bin') },
      log: (line) => said.push(line),
      makers: [
        { source: 'download', make: fails('no network') },
        { source: 'build', make: makes('1.8.2') },
      ],
    });
    expect(cli).toMatchObject({ source: 'build', path: join(cacheFolder(dir), 'temporal-1.8.2') });
    const text = said.join('\n');
    for (const part of [
      '/nowhere/temporal does not exist',
      `${old} is 1.3.0, older than 1.4`,
      'no network',
    ]) {
      expect(text).toContain(part);
    }
    await expect(inspectCli(process.execPath)).rejects.toThrow('is not a Temporal CLI');
  });

  it('lists every choice with its reason when all fail, and leaves no rubbish', async () => {
    const making = findTemporalCli({
      cacheDir: dir,
      env: { PATH: '' },
      makers: [
        { source: 'download', make: fails('no network\nsecond line') },
        { source: 'build', make: async (target) => writeFileSync(target, 'not a program') },
      ],
    });
    await expect(making).rejects.toSatisfy((error) => {
      if (!isCourierError(error, 'NDI_E_NO_TEMPORAL')) return false;
      const lines = error.message.split('\n').filter((line) => line.startsWith('  - '));
      expect(lines[0]).toBe('  - TEMPORAL_CLI: not set');
      expect(lines[1]).toBe('  - PATH: no `temporal` there');
      expect(lines[2]).toContain('holds none');
      expect(lines[3]).toBe('  - download: no network');
      expect(lines[4]).toContain('build:');
      return lines.length === 5;
    });
    expect(readdirSync(cacheFolder(dir)).filter((name) => name !== 'making.lock')).toEqual([]);
  });

  it('makes one only once when several look at the same time', async () => {
    let made = 0;
    const slow: CliMaker = async (target) => {
      made += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
      cliAt(target, '1.8.2');
    };
    const find = () =>
      findTemporalCli({ cacheDir: dir, env: { PATH: '' }, makers: [{ source: 'build', make: slow }] });
    const found = await Promise.all([find(), find(), find()]);
    expect(made).toBe(1);
    expect(new Set(found.map(({ path }) => path)).size).toBe(1);
  });

  it('stops at once when aborted, with the reason', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const make: CliMaker = async (_target, { signal }) => {
      controller.abort(reason);
      signal?.throwIfAborted();
    };
    const options = { cacheDir: dir, env: { PATH: '' }, signal: controller.signal };
    await expect(findTemporalCli({ ...options, makers: [{ source: 'build', make }] })).rejects.toBe(reason);
  });

  it('recognises the real one', async () => {
    expect((await inspectCli(inject('temporalCliPath'))).version).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe('building it with Go', () => {
  it('builds the version that the module pins', () => {
    const goMod = readFileSync(join(packageRoot(), 'tools', 'temporal-cli', 'go.mod'), 'utf8');
    expect(goMod).toContain(`github.com/temporalio/cli v${PINNED_CLI_VERSION}`);
  });

  it('says in one line that Go is not there', async () => {
    const context = { env: { PATH: dir }, log: () => {}, signal: undefined };
    await expect(buildTemporalCli(join(dir, 'temporal'), context)).rejects.toThrow('Go is not installed');
    const go = join(dir, 'go');
    writeFileSync(
      go,
      '#!/bin/sh\n[ "$1" = version ] && echo go version go1.24 x && exit\necho go: too old >&2; exit 1\n',
    );
    chmodSync(go, 0o755);
    await expect(buildTemporalCli(join(dir, 'temporal'), context)).rejects.toThrow(/^go list: go: too old$/);
  });
});
