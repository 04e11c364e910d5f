/** `ndi-courier logs` on log files as the three writers make them. */
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';

const main = fileURLToPath(new URL('../../client/cli/main.ts', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'courier-logs-'));
const env = { PATH: process.env.PATH, HOME: home, COURIER_HOME: home, TZ: 'UTC' };
const file = (name: string): string => join(home, 'logs', name);
const noon = Date.parse('2026-03-01T12:00:00Z');
const json = (level: number | string, secondsLater: number, msg: string, more: object = {}): string =>
  `${JSON.stringify({ level, time: noon + secondsLater * 1000, ...more, msg })}\n`;

mkdirSync(join(home, 'logs'));
writeFileSync(file('worker.log.1'), json(30, 0, 'the oldest line'));
writeFileSync(
  file('worker.log'),
  json(30, 2, 'started a unit', { workflowId: 'upload/a@lab' }) +
    json(20, 3, 'a detail', { workflowId: 'upload/a@lab' }) +
    json(50, 5, 'bad \u001b[31mtext', { workflowId: 'upload/b@lab' }) +
    '    at a stack trace\n',
);
writeFileSync(file('supervisor.log'), '2026-03-01T12:00:04.000Z A worker ended; another one starts.\n');
writeFileSync(
  file('server.log'),
  '{"level":"info","ts":"2026-03-01T12:00:01Z","msg":"chatter"}\n{"level":"warn","ts":"2026-03-01T12:00:06Z","msg":"slow disk"}\n',
);

const logs = (...args: string[]) =>
  spawnSync(process.execPath, [main, 'logs', ...args], { env, encoding: 'utf8' });
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('the logs command', () => {
  it('prints the files in one order of time, with levels, without control characters', () => {
    const { stdout, status } = logs();
    expect(status).toBe(0);
    expect(stdout).not.toContain('\u001b');
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.slice(0, 36).trimEnd())).toEqual([
      '2026-03-01 12:00:00 info  worker',
      '2026-03-01 12:00:02 info  worker',
      '2026-03-01 12:00:04 info  supervisor',
      '2026-03-01 12:00:05 error worker',
      '2026-03-01 12:00:05 error worker',
      '2026-03-01 12:00:06 warn  server',
    ]);
    expect(lines[2]).toContain('A worker ended');
    expect(lines[4]).toContain('at a stack trace');
  });

  it('prints the lines of one run, with details when asked, and raw as JSON', () => {
    expect(logs('upload/a@lab').stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(logs('upload/a@lab', '--verbose').stdout).toContain('a detail');
    const raw = logs('upload/b@lab', '--json').stdout.trimEnd();
    expect(JSON.parse(raw)).toMatchObject({ level: 50, workflowId: 'upload/b@lab' });
  });

  it('prints the latest lines only, as many as asked', () => {
    expect(logs('--lines', '1').stdout).toContain('slow disk');
    expect(logs('--lines', '1').stdout.trimEnd().split('\n')).toHaveLength(1);
  });

  it('follows a file through its rotation', async () => {
    const child = spawn(process.execPath, [main, 'logs', '--follow'], { env });
    let seen = '';
    child.stdout.on('data', (chunk) => {
      seen += String(chunk);
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await vi.waitFor(() => expect(seen).toContain('slow disk'), 20_000);
    appendFileSync(file('worker.log'), json(30, 7, 'a new line'));
    await vi.waitFor(() => expect(seen).toContain('a new line'), 10_000);
    truncateSync(file('worker.log'), 0);
    appendFileSync(file('worker.log'), json(30, 8, 'after rotation'));
    await vi.waitFor(() => expect(seen).toContain('after rotation'), 10_000);
    child.kill('SIGINT');
    expect(await ended).toBe(0);
  });
});
