import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { keepAlive, type RunningProcess } from './keep-alive.ts';
import { lastLines, rotateLog } from './logs.ts';

const backoff = { minMs: 10, maxMs: 40, healthyMs: 100 };

/** Something that runs until it is told to end. */
function runnable() {
  const ends: ((reason: string) => void)[] = [];
  const startedAt: number[] = [];
  let stops = 0;
  const start = async (): Promise<RunningProcess> => {
    startedAt.push(performance.now());
    const { promise, resolve } = Promise.withResolvers<string>();
    ends.push(resolve);
    return {
      exited: promise,
      async stop() {
        stops += 1;
        resolve('stopped');
      },
    };
  };
  return { start, ends, startedAt, stops: () => stops };
}

describe('keepAlive', () => {
  it('starts what ends again, ever later, and at once again after a healthy time', async () => {
    const said: string[] = [];
    const thing = runnable();
    const kept = keepAlive({ name: 'It', start: thing.start, backoff, log: (line) => said.push(line) });
    await kept.started;
    for (let n = 0; n < 4; n += 1) {
      thing.ends[n]!('SIGKILL');
      while (thing.startedAt.length < n + 2) await sleep(1);
    }
    await sleep(backoff.healthyMs + 20);
    thing.ends[4]!('1');
    while (thing.startedAt.length < 6) await sleep(1);
    expect(said.map((line) => /in ([\d.]+) s/.exec(line)![1])).toEqual([
      '0.01',
      '0.02',
      '0.04',
      '0.04',
      '0.01',
    ]);
    expect(said[0]).toContain('SIGKILL');
    await kept.stop();
    expect(thing.stops()).toBe(1);
    await sleep(30);
    expect(thing.startedAt).toHaveLength(6);
  });

  it('gives up when the very first start fails, and goes on when a later one does', async () => {
    const never = keepAlive({
      name: 'It',
      start: () => Promise.reject(new Error('no')),
      backoff,
      log: () => {},
    });
    await expect(never.started).rejects.toThrow('no');
    await never.stop();

    const thing = runnable();
    let starts = 0;
    const start = () => {
      starts += 1;
      return starts === 2 ? Promise.reject(new Error('port taken')) : thing.start();
    };
    const kept = keepAlive({ name: 'It', start, backoff, log: () => {} });
    await kept.started;
    thing.ends[0]!('1');
    while (thing.startedAt.length < 2) await sleep(1);
    expect(starts).toBe(3);
    await kept.stop();
  });

  it('stops what was still starting when the stop came', async () => {
    const thing = runnable();
    const slow = async () => {
      await sleep(20);
      return await thing.start();
    };
    const kept = keepAlive({ name: 'It', start: slow, backoff, log: () => {} });
    await kept.stop();
    expect(thing.stops()).toBe(thing.startedAt.length);
  });

  it('keeps a log and two older ones, whoever has it open for appending', () => {
    const dir = mkdtempSync(join(tmpdir(), 'courier-logs-'));
    try {
      const log = join(dir, 'worker.log');
      rotateLog(log, 10);
      for (const text of ['first first', 'second second', 'third third', 'fourth fourth']) {
        appendFileSync(log, text);
        rotateLog(log, 10);
      }
      appendFileSync(log, 'now\n');
      rotateLog(log, 10);
      expect([log, `${log}.1`, `${log}.2`].map((path) => readFileSync(path, 'utf8'))).toEqual([
        'now\n',
        'fourth fourth',
        'third third',
      ]);
      expect(existsSync(`${log}.3`)).toBe(false);
      writeFileSync(log, 'a\nb\nc\n');
      expect(lastLines(log, 2)).toBe('b\nc');
      expect(lastLines(join(dir, 'none'), 2)).toBe('');
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
