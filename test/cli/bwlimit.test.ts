/** `ndi-courier bwlimit`, and the pace of a worker's throttle that follows it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { bandwidthAt, parseBandwidth } from '../../transfer/bandwidth.ts';
import { createThrottle } from '../../transfer/throttle.ts';
import { followBandwidth } from '../../workers/bandwidth.ts';
import { homeAt } from '../../workers/home.ts';
import { createHarness, type Harness } from './harness.ts';

const main = fileURLToPath(new URL('../../client/cli/main.ts', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'courier-bwlimit-'));
const env = { PATH: process.env.PATH, HOME: home, COURIER_HOME: home };
const bwlimit = (...args: string[]) =>
  spawnSync(process.execPath, [main, 'bwlimit', ...args], { env, encoding: 'utf8' });
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('a bandwidth limit', () => {
  it('is a rate, off, or a timetable by the local clock, also on days when the clock changes', () => {
    vi.stubEnv('TZ', 'America/New_York');
    const day = parseBandwidth('19:00,off 08:00,2M');
    const at = (iso: string): number | undefined => bandwidthAt(day, new Date(iso));
    expect(at('2026-01-15T12:59:00Z')).toBeUndefined();
    expect(at('2026-01-15T13:00:00Z')).toBe(2 * 2 ** 20);
    expect(at('2026-03-08T11:59:00Z')).toBeUndefined();
    expect(at('2026-03-08T12:00:00Z')).toBe(2 * 2 ** 20);
    expect(at('2026-03-08T23:00:00Z')).toBeUndefined();
    expect(bandwidthAt(parseBandwidth('1.5k'), new Date())).toBe(1_536);
    vi.unstubAllEnvs();
  });

  it('is refused when it means nothing, and the one from before stays', () => {
    expect(bwlimit('10M').stdout).toBe('10M\n');
    for (const bad of ['10', '0M', '25:00,1M', '08:00,1M 08:00,2M', '08:00', 'fast']) {
      expect(bwlimit(bad).status, bad).toBe(2);
    }
    expect(JSON.parse(bwlimit('--json').stdout)).toEqual({ bwlimit: '10M' });
    expect(bwlimit('off').stdout).toBe('off\n');
  });

  it('can be given to commands that start workers, which start nothing when they refuse it', () => {
    for (const name of ['up', 'dev', 'worker']) {
      const args = [main, name, '--bwlimit', 'fast'];
      const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
      expect(status, name).toBe(2);
      expect(stderr).toContain('"fast" is no bandwidth');
    }
  });

  it('of config.json holds until the command sets one, and again after that one is taken back', () => {
    const config = join(home, 'config.json');
    bwlimit('config');
    writeFileSync(config, JSON.stringify({ network: { bwlimit: '00:00,3M 12:00,off' } }));
    expect(bwlimit().stdout).toBe('00:00,3M 12:00,off\n');
    expect(bwlimit('off').stdout).toBe('off\n');
    expect(bwlimit('config').stdout).toBe('00:00,3M 12:00,off\n');
    writeFileSync(config, JSON.stringify({ network: { bwlimit: 'fast' } }));
    const { status, stderr } = spawnSync(process.execPath, [main, 'up'], { env, encoding: 'utf8' });
    expect([status, stderr]).toEqual([2, expect.stringContaining('"fast" is no bandwidth')]);
    rmSync(config);
  });

  it('changes the pace of what goes on', async () => {
    bwlimit('100K');
    const throttle = createThrottle();
    const stop = followBandwidth(homeAt(home), throttle);
    const begun = performance.now();
    for (let n = 0; n < 10; n += 1) await throttle.take(10 * 2 ** 10);
    expect(performance.now() - begun).toBeGreaterThan(500);
    const waiter = throttle.take(100 * 2 ** 20).then(() => throttle.take(1));
    bwlimit('off');
    await waiter;
    stop();
  });
});

describe('a transfer under a bandwidth limit', () => {
  it('keeps to the limit of config.json, and is fast as soon as the limit is lifted', {
    timeout: 120_000,
  }, async () => {
    const cli = await createHarness();
    try {
      const config = join(cli.env.COURIER_HOME!, 'config.json');
      mkdirSync(dirname(config), { recursive: true });
      // Of a timetable, whatever the time of the day: both entries hold it to the same.
      writeFileSync(config, JSON.stringify({ network: { bwlimit: '00:00,1M 12:00,1M' } }));
      const slow = await cli.dataset({ files: 4, fileBytes: 1_500_000 });
      const { bytes, sendingMs } = await timed(cli, slow);
      expect(bytes).toBeGreaterThan(5_000_000);
      // A quarter of a second's worth may pass at once, and progress is told once a second.
      expect(sendingMs).toBeGreaterThan((bytes / 2 ** 20 - 1.25) * 1_000);

      const big = await cli.dataset({ files: 6, fileBytes: 10_000_000 });
      expect((await cli.run(['bwlimit', '500K'])).code).toBe(0);
      const begun = performance.now();
      const upload = cli.start(['upload', big, '--new', 'Lifted', '--json']);
      await upload.says('"phase":"files"');
      await sleep(3_000);
      expect(upload.child.exitCode).toBeNull();
      await cli.run(['bwlimit', 'off']);
      const { code } = await upload.finished;
      expect(code).toBe(0);
      // With the limit it would have taken two minutes.
      expect(performance.now() - begun).toBeLessThan(60_000);
    } finally {
      await cli.close();
    }
  });
});

/** An upload, with the time that its bytes took: while the phase of files was seen. */
async function timed(cli: Harness, dataset: string): Promise<{ bytes: number; sendingMs: number }> {
  const seen: { phase: string; atMs: number }[] = [];
  const upload = cli.start(['upload', dataset, '--new', 'Limited', '--json']);
  upload.child.stdout?.on('data', (text: string) => {
    for (const [, phase] of text.matchAll(/"phase":"(\w+)"/g))
      seen.push({ phase: phase!, atMs: performance.now() });
  });
  const { code, json, stderr } = await upload.finished;
  expect(code, stderr).toBe(0);
  const first = seen.findIndex(({ phase }) => phase === 'files');
  const after = seen.slice(first).find(({ phase }) => phase !== 'files');
  return { bytes: json().bytes, sendingMs: after!.atMs - seen[first]!.atMs };
}
