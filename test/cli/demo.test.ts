/** The demo, smaller: it keeps its promise, and leaves no process and no file behind. */
import { readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHarness, type Harness } from './harness.ts';

let cli: Harness;

beforeAll(async () => {
  cli = await createHarness({ login: false });
});
afterAll(() => cli.close());

const demos = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('ndi-courier-demo-'));
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('the demo', () => {
  it('uploads, loses its worker, goes on, downloads, and finds everything equal', {
    timeout: 120_000,
  }, async () => {
    const before = demos();
    const { code, stdout, stderr, json } = await cli.run([
      'demo',
      '--documents',
      '300',
      '--megabytes',
      '60',
      '--json',
    ]);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('came back equal, byte for byte');
    expect(stdout).toMatch(/worker \d+ was killed with SIGKILL; worker \d+ was started/);
    const report = json();
    expect(report).toMatchObject({
      ok: true,
      comparison: { equal: true, sameFiles: 120, onlyInA: [], onlyInB: [], fileDifferences: [] },
      uploaded: { status: 'done' },
      downloaded: { status: 'done' },
    });
    expect(report.kill.atShare).toBeGreaterThanOrEqual(0.5);
    expect(report.kill.atShare).toBeLessThan(1);
    // The pages end with the demo.
    expect(stdout).not.toContain('http://');
    expect(report.inCloud).toBe(report.uploaded.documents.total);
    expect(demos().filter((name) => !before.includes(name))).toEqual([]);
    expect([report.kill.killedPid, report.kill.newPid].filter(isAlive)).toEqual([]);
  });

  it('shows links at its end that open, when it is kept', { timeout: 120_000 }, async () => {
    const { code, stdout, stderr } = await cli.run([
      'demo',
      '--documents',
      '300',
      '--megabytes',
      '60',
      '--keep',
    ]);
    expect(code, stderr).toBe(0);
    const [, home] = /COURIER_HOME=(\S+)/.exec(stdout)!;
    const [, sandboxPid, dir] = /kill (\d+); rm -r (\S+)/.exec(stdout)!;
    try {
      const links = [...stdout.matchAll(/^(?:Upload|Download): +(http:\S+)$/gm)].map(([, link]) => link!);
      expect(links).toHaveLength(2);
      for (const link of links) expect((await fetch(link)).status).toBe(200);
    } finally {
      await cli.run(['down'], { env: { COURIER_HOME: home } });
      process.kill(Number(sandboxPid));
      rmSync(dir!, { recursive: true, force: true });
    }
  });

  it('cleans up when it is interrupted', { timeout: 60_000 }, async () => {
    const before = demos();
    const demo = cli.start(['demo', '--documents', '300', '--megabytes', '60']);
    await demo.says('2  Uploading it');
    demo.child.kill('SIGINT');
    expect((await demo.finished).code).toBe(130);
    expect(demos().filter((name) => !before.includes(name))).toEqual([]);
  });
});
