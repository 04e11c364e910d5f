import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isCourierError } from '../errors/index.ts';
import { cacheDirFromEnv, ensureHome, homeAt, homeFromEnv, sanitizeHostName, siteIdOf } from './home.ts';
import { tryLock, waitForLock } from './lock.ts';
import { isRunning, recordOf } from './processes.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'courier-home-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('the state folder', () => {
  it('is COURIER_HOME, else the platform’s place for state', () => {
    const HOME = '/home/ada';
    expect(homeFromEnv({ HOME, COURIER_HOME: '/data/courier' }, 'linux').dir).toBe('/data/courier');
    expect(homeFromEnv({ HOME }, 'linux').dir).toBe('/home/ada/.local/state/ndi-courier');
    expect(homeFromEnv({ HOME, COURIER_HOME: '', XDG_STATE_HOME: '/xs' }, 'linux').dir).toBe(
      '/xs/ndi-courier',
    );
    expect(homeFromEnv({ HOME }, 'darwin').dir).toBe('/home/ada/Library/Application Support/ndi-courier');
    expect(cacheDirFromEnv({ HOME, XDG_CACHE_HOME: '/xc' }, 'linux')).toBe('/xc/ndi-courier');
    expect(cacheDirFromEnv({ HOME, COURIER_CACHE: '/c' }, 'darwin')).toBe('/c');
  });

  it('is readable by its owner only', () => {
    const home = ensureHome(homeAt(join(dir, 'new', 'home')));
    for (const path of [home.dir, home.logsDir]) expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it('names COURIER_HOME when it cannot be made', () => {
    writeFileSync(join(dir, 'file'), '');
    expect(() => ensureHome(homeAt(join(dir, 'file', 'home')))).toThrow(/COURIER_HOME/);
  });
});

describe('the site id', () => {
  it('is made once and stays when the host is renamed', () => {
    const home = homeAt(dir);
    const first = siteIdOf(home, 'Rig-2.lab.example.org');
    expect(first).toMatch(/^rig-2-[0-9a-f]{4}$/);
    expect(siteIdOf(home, 'renamed')).toBe(first);
    expect(readdirSync(dir)).not.toContainEqual(expect.stringMatching(/site\.json\./));
  });

  it('holds only what a queue name may hold', () => {
    expect(sanitizeHostName('Zoë’s MacBook Pro.local')).toBe('zoe-s-macbook-pro');
    expect(sanitizeHostName('---')).toBe('site');
    expect(sanitizeHostName('x'.repeat(300))).toHaveLength(40);
  });

  it('is never made anew over a damaged file, which would strand the runs that wait for the old one', () => {
    const home = homeAt(dir);
    for (const text of ['', '{', '{"siteId":"a b"}', '{"siteId":"../x-0000"}']) {
      writeFileSync(home.siteFile, text);
      expect(() => siteIdOf(home, 'h')).toThrow(/site\.json is damaged/);
    }
  });
});

describe('a lock between processes', () => {
  it('has one holder, and goes to the next when it is let go', async () => {
    const path = join(dir, 'lock');
    const first = tryLock(path)!;
    expect(tryLock(path)).toBeUndefined();
    let waited = 0;
    const next = waitForLock(path, { pollMs: 5, onWait: () => (waited += 1) });
    await new Promise((resolve) => setTimeout(resolve, 20));
    first.release();
    first.release();
    (await next).release();
    expect(waited).toBe(1);
    await expect(waitForLock(path, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
  });

  it('is an error, not a wait, where no lock can be made', () => {
    expect(() => tryLock(join(dir, 'missing', 'lock'))).toThrow(
      expect.toSatisfy((error) => isCourierError(error, 'NDI_E_SERVICE')),
    );
  });
});

describe('a process record', () => {
  it('knows a process from another that has its pid', () => {
    const self = recordOf(process.pid)!;
    expect(isRunning(self)).toBe(true);
    expect(isRunning({ ...self, token: 'another start' })).toBe(false);
    expect(recordOf(2 ** 22 + 1)).toBeUndefined();
  });
});
