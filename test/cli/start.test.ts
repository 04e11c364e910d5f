/** A command loads what it needs: its start is a matter of modules, whatever the machine. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('../../client/cli/main.ts', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'courier-start-'));
const recorder = join(home, 'recorder.mjs');
writeFileSync(
  recorder,
  `import { registerHooks } from 'node:module';
   const urls = [];
   registerHooks({ load: (url, context, next) => { urls.push(url); return next(url, context); } });
   process.on('exit', () => process.stderr.write('\\nLOADED ' + JSON.stringify(urls) + '\\n'));`,
);
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** The packages that a command loads. */
function packagesOf(...args: string[]): string[] {
  const env = { PATH: process.env.PATH, HOME: home, COURIER_HOME: home };
  const { stderr } = spawnSync(process.execPath, ['--import', recorder, main, ...args], {
    env,
    encoding: 'utf8',
  });
  const urls = JSON.parse(/\nLOADED (.*)\n/.exec(stderr)![1]!) as string[];
  expect(urls.length).toBeGreaterThan(10);
  const names = urls.map((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}

describe('the start of a command', () => {
  it.each(['--help', '--version'])('%s loads the parser of commands alone', (flag) => {
    expect(packagesOf(flag)).toEqual(['commander']);
  });

  it.each(['status', 'runs list'])('%s loads no worker and no archiver', (command) => {
    const heavy = /^@temporalio\/(?:worker|core-bridge|testing|activity)$|^@swc\/|webpack|yazl|yauzl/;
    expect(packagesOf(...command.split(' ')).filter((name) => heavy.test(name))).toEqual([]);
  });
});
