import { describe, expect, it } from 'vitest';
import { createThrottle } from './throttle.ts';

const timed = async (body: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now();
  await body();
  return performance.now() - startedAt;
};

describe('a throttle', () => {
  it('lets everything pass without a rate', async () => {
    const throttle = createThrottle();
    expect(await timed(() => throttle.take(1e12))).toBeLessThan(20);
  });

  it('holds the average over all who share it', async () => {
    const throttle = createThrottle(100_000);
    const tookMs = await timed(() =>
      Promise.all(
        [1, 2, 3].map(async () => {
          for (let n = 0; n < 10; n += 1) await throttle.take(1000);
        }),
      ),
    );
    expect(tookMs).toBeGreaterThan(200);
    expect(tookMs).toBeLessThan(600);
  });

  it('is turned while others wait', async () => {
    const throttle = createThrottle(10);
    await throttle.take(1000);
    const waiting = timed(() => throttle.take(1));
    setTimeout(() => throttle.setBytesPerSecond(1_000_000), 20);
    expect(await waiting).toBeLessThan(500);
    throttle.setBytesPerSecond(10);
    await throttle.take(1000);
    const freed = timed(() => throttle.take(1));
    setTimeout(() => throttle.setBytesPerSecond(undefined), 20);
    expect(await freed).toBeLessThan(500);
  });

  it('lets who aborts go without holding up the others', async () => {
    const throttle = createThrottle(10);
    await throttle.take(1000);
    const controller = new AbortController();
    const reason = new Error('enough');
    const aborted = throttle.take(1, controller.signal);
    const behind = throttle.take(1);
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    throttle.setBytesPerSecond(undefined);
    await behind;
    await expect(throttle.take(1, controller.signal)).rejects.toBe(reason);
  });

  it.each([0, -1, Number.NaN])('refuses the rate %d', (rate) => {
    expect(() => createThrottle(rate)).toThrow(/must be positive/);
  });
});
