/** `ndi-courier clean` on a state folder and a dataset with old and new things. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLedger } from '../../ledger/open.ts';
import { makeDataset } from '../../ndi/synthetic/dataset.ts';

const main = fileURLToPath(new URL('../../client/cli/main.ts', import.meta.url));
const DAY_MS = 86_400_000;
const key = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;

let dir: string;
let home: string;
let dataset: string;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'courier-clean-'));
  home = join(dir, 'home');
  dataset = join(dir, 'dataset');
  await makeDataset(dataset, { documents: 40, files: 1, fileBytes: 100 });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(path: string, ageDays: number, bytes = 1_000): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, 'x'.repeat(bytes));
  const when = new Date(Date.now() - ageDays * DAY_MS);
  utimesSync(path, when, when);
  return path;
}

const reportOf = (n: number): string => join(dataset, '.ndi', 'courier', 'reports', `${key(n)}.json`);

/** Runs 1 to 6, in this order, all begun long ago: each with a plan. */
function fillLedger(): string {
  const path = join(dataset, '.ndi', 'courier', 'ledger.sqlite');
  mkdirSync(dirname(path), { recursive: true });
  const ledger = openLedger(path);
  for (let n = 1; n <= 6; n += 1) {
    const run = ledger.run(key(n));
    run.plan.begin({ operation: 'upload', direction: 'up', cloudDatasetId: 'c1' });
    run.plan.seal();
    if (n === 2) ledger.keepRun(key(2), 'made the folder');
  }
  ledger.lease.acquire({ workflowId: 'w', runKey: key(3), holder: 'lab', ttlMs: 1 });
  ledger.close();
  const db = new DatabaseSync(path);
  db.exec(`UPDATE runs SET begun_at = '2020-01-01T00:00:00.000Z'`);
  db.close();
  return path;
}

function runsIn(path: string): string[] {
  const ledger = openLedger(path);
  const keys = [...ledger.oldRuns.runKeys()];
  ledger.close();
  return keys;
}

function clean(...args: string[]) {
  const env = { PATH: process.env.PATH, HOME: dir, COURIER_HOME: home };
  return spawnSync(process.execPath, [main, 'clean', ...args], { env, encoding: 'utf8' });
}

describe('the clean command', () => {
  it('lists old things of the state folder with sizes, and removes them only when told', () => {
    const old = [
      put(join(home, 'logs', 'worker.log.2'), 40, 2_000),
      put(join(home, 'previews', `${key(1)}.json`), 40),
      put(join(home, 'scratch', '4194399', 'a.zip'), 40),
    ];
    const when = new Date(Date.now() - 40 * DAY_MS);
    utimesSync(dirname(old[2]!), when, when);
    const kept = [
      put(join(home, 'logs', 'worker.log'), 40),
      put(join(home, 'logs', 'server.log.1'), 2),
      put(join(home, 'previews', `${key(2)}.json`), 2),
      put(join(home, 'previews', 'mine.json'), 40),
      put(join(home, 'scratch', String(process.pid), 'b.zip'), 40),
      put(join(home, 'config.json'), 40),
    ];
    const dry = clean();
    expect(dry.status, dry.stderr).toBe(0);
    expect(dry.stdout).toMatch(/^log +2\.00 kB +\S+worker\.log\.2$/m);
    expect(dry.stdout).toContain('In all 3 files (4.00 kB).');
    expect(dry.stdout).toContain('pass --yes');
    for (const path of [...old, ...kept]) expect(existsSync(path), path).toBe(true);

    expect(clean('--yes').stdout).toContain('Removed 3 files (4.00 kB).');
    for (const path of old) expect(existsSync(path), path).toBe(false);
    for (const path of kept) expect(existsSync(path), path).toBe(true);
    expect(clean('--yes').stdout).toBe('Nothing is older than 30d.\n');
  });

  it('keeps the newest run, the run with the lease, kept runs, runs without a report, and their reports', () => {
    const ledger = fillLedger();
    for (const n of [1, 2, 3, 5, 6, 9]) put(reportOf(n), 40);
    put(reportOf(8), 2);
    const dry = JSON.parse(clean(dataset, '--json').stdout.trim());
    expect(dry).toMatchObject({ removed: false, totalRuns: 2, totalBytes: 3_000 });
    expect(runsIn(ledger)).toHaveLength(6);

    const gone = clean(dataset, '--yes', '--json');
    expect(gone.status, gone.stderr).toBe(0);
    expect(JSON.parse(gone.stdout)).toMatchObject({
      removed: true,
      runs: [{ ledger, runKeys: [key(1), key(5)] }],
      skipped: [],
    });
    expect(runsIn(ledger)).toEqual([2, 3, 4, 6].map(key));
    expect([1, 2, 3, 5, 6, 8, 9].filter((n) => existsSync(reportOf(n)))).toEqual([2, 3, 6, 8]);
  });

  it('leaves reports beside a damaged ledger alone and says why', () => {
    put(join(dataset, '.ndi', 'courier', 'ledger.sqlite'), 40);
    put(reportOf(1), 40);
    const { stdout, status } = clean(dataset, '--yes');
    expect(status).toBe(0);
    expect(stdout).toContain('Left alone: ');
    expect(existsSync(reportOf(1))).toBe(true);
  });

  it('follows no link, and removes nothing when one folder is no dataset', () => {
    const elsewhere = put(join(dir, 'elsewhere'), 40);
    mkdirSync(join(home, 'previews'), { recursive: true });
    symlinkSync(elsewhere, join(home, 'previews', `${key(1)}.json`));
    expect(clean('--yes').stdout).toBe('Nothing is older than 30d.\n');
    const log = put(join(home, 'logs', 'worker.log.1'), 40);
    const { status, stderr } = clean(dir, '--yes');
    expect(status).toBe(1);
    expect(stderr).toContain('NDI_E_NOT_A_DATASET');
    expect(existsSync(log)).toBe(true);
    expect(existsSync(elsewhere)).toBe(true);
  });

  it('refuses an age that it does not understand', () => {
    expect(clean('--older-than', 'soon').status).toBe(2);
  });
});
