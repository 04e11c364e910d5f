/** `ndi-courier bwlimit`, and the pace of a worker's throttle that follows it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { bandwidthAt, parseBandwidth } from '../../transfer/bandwidth.ts';
import { createThrottle } from '../../transfer/throttle.ts';
import { followBandwidth } from '../../workers/bandwidth.ts';
import { homeAt } from '../../workers/home.ts';

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
