/** The loops that steps share: bounded lanes, and looking until nothing changes. On a real ledger. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openLedger } from '../../ledger/open.ts';
import { inTempDir } from '../../test/fixtures/dataset.ts';
import { DEFAULT_TUNING } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { inLanes } from './lanes.ts';
import { backoffMs, createPacer, pollMs, untilQuiet } from './poll.ts';

describe('inLanes', () => {
  it('works off everything with at most so many at once', async () => {
    let now = 0;
    let most = 0;
    const done: number[] = [];
    await inLanes(3, [1, 2, 3, 4, 5, 6, 7], async (item) => {
      now += 1;
      most = Math.max(most, now);
      await sleep(5);
      now -= 1;
      done.push(item);
    });
    expect(most).toBe(3);
    expect(done.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('starts nothing after a failure, and throws it when what is in flight has ended', async () => {
    const ended: number[] = [];
    let started = 0;
    const work = inLanes(2, [1, 2, 3, 4], async (item) => {
      started += 1;
      if (item === 1) throw new Error('the first');
      await sleep(30);
      ended.push(item);
    });
    await expect(work).rejects.toThrow('the first');
    expect(ended).toEqual([2]);
    expect(started).toBe(2);
  });
});

describe('waits between looks and attempts', () => {
  it('grow by half and by twice, up to the limit', () => {
    expect([0, 1, 2, 20].map((n) => pollMs(n, 100, 5_000))).toEqual([100, 150, 225, 5_000]);
    expect([0, 1, 2, 20].map((n) => backoffMs(n, 100, 5_000))).toEqual([100, 200, 400, 5_000]);
  });
});

describe('createPacer', () => {
  it('heartbeats every 500th time, and stops when the activity is cancelled', async () => {
    const beats: string[] = [];
    const cancel = new AbortController();
    const pause = createPacer(
      { signal: cancel.signal, attempt: 1, heartbeat: ({ what }) => void beats.push(what) },
      (count) => `read ${count}`,
    );
    for (let n = 0; n < 1_499; n += 1) await pause();
    expect(beats).toEqual(['read 500', 'read 1000']);
    cancel.abort();
    await expect(pause()).rejects.toThrow();
  });
});

describe('untilQuiet', () => {
  const QUIET_MS = 400;
  interface Poll {
    run(): Promise<string>;
    looks(): number;
    tookMs(): number;
  }

  /**
   * Answers of the looks, in turn; the last one stays. The scope has what the loop reads: a ledger, a signal,
   * the intervals.
   */
  const polling = (answers: readonly string[], test: (poll: Poll) => Promise<void>): Promise<void> =>
    inTempDir(async (dir) => {
      const ledger = openLedger(join(dir, 'ledger.sqlite'));
      const run = ledger.run('r');
      run.plan.begin({ operation: 'upload', direction: 'up', cloudDatasetId: 'c' });
      const scope = {
        ledger: run,
        signal: new AbortController().signal,
        tuning: { ...DEFAULT_TUNING, pollMinMs: 5, pollMaxMs: 10 },
      } as unknown as RunScope;
      let looks = 0;
      const poll = {
        name: 'test',
        look: async () => {
          const answer = answers[Math.min(looks, answers.length - 1)] as string;
          looks += 1;
          if (answer === 'fails') throw new Error('a failed look');
          return answer;
        },
        marker: (seen: string) => seen,
        isDone: (seen: string) => seen === 'all',
        quietMs: QUIET_MS,
      };
      const startedMs = performance.now();
      await test({
        run: () => untilQuiet(scope, poll),
        looks: () => looks,
        tookMs: () => performance.now() - startedMs,
      });
      ledger.close();
    });

  it('ends at once when all is there', () =>
    polling(['a', 'b', 'all'], async ({ run, looks }) => {
      expect(await run()).toBe('all');
      expect(looks()).toBe(3);
    }));

  it('waits the quiet time from the last change on', () =>
    polling([...'abcdefgh'], async ({ run, looks, tookMs }) => {
      expect(await run()).toBe('h');
      expect(tookMs()).toBeGreaterThan(QUIET_MS);
      expect(looks()).toBeGreaterThan(8);
    }));

  it('keeps the time of the last change through a look that failed', () =>
    polling([...Array(12).fill('a'), 'fails', 'a'], async ({ run, tookMs }) => {
      await expect(run()).rejects.toThrow('a failed look');
      const before = tookMs();
      expect(before).toBeGreaterThan(60);
      expect(await run()).toBe('a');
      // The second attempt waits for the rest of the quiet time, not for all of it.
      expect(tookMs()).toBeGreaterThan(QUIET_MS);
      expect(tookMs() - before).toBeLessThan(QUIET_MS - 30);
    }));
});
