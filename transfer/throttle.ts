/** A token bucket that all transfers of a process share and that a person can turn while they run. */
import type { Throttle } from './types.ts';

/**
 * Burst that may pass at once after a pause: a quarter of a second's worth, so that the average holds over
 * any second.
 */
const BURST_SECONDS = 0.25;

/**
 * `undefined` bytes per second lets everything pass. Waiters go in the order they came; a new rate counts at
 * once, also for those who wait already. `take` rejects with the signal's reason when it aborts.
 */
export function createThrottle(bytesPerSecond?: number): Throttle {
  let rate = checked(bytesPerSecond);
  /** May be negative: a debt that later bytes wait for, so that one large take needs no slicing. */
  let tokens = 0;
  let countedAt = performance.now();
  let tail: Promise<unknown> = Promise.resolve();
  let turned = Promise.withResolvers<void>();

  const refill = (): void => {
    const now = performance.now();
    if (rate !== undefined) {
      tokens = Math.min(rate * BURST_SECONDS, tokens + ((now - countedAt) / 1000) * rate);
    }
    countedAt = now;
  };

  const pass = async (bytes: number, signal: AbortSignal | undefined): Promise<void> => {
    for (;;) {
      signal?.throwIfAborted();
      if (rate === undefined) return;
      refill();
      if (tokens >= 0) {
        tokens -= bytes;
        return;
      }
      await timeOr(Math.ceil((-tokens / rate) * 1000), turned.promise, signal);
    }
  };

  return {
    take: (bytes, signal) => {
      if (rate === undefined) return signal?.aborted ? Promise.reject(signal.reason) : Promise.resolve();
      const mine = tail.then(() => pass(bytes, signal));
      tail = mine.catch(() => {});
      return mine;
    },
    setBytesPerSecond: (next) => {
      refill();
      rate = checked(next);
      // The debt was made at another rate.
      tokens = Math.max(tokens, 0);
      turned.resolve();
      turned = Promise.withResolvers();
    },
  };
}

function checked(bytesPerSecond: number | undefined): number | undefined {
  if (bytesPerSecond !== undefined && !(bytesPerSecond > 0)) {
    throw new RangeError(`bytesPerSecond must be positive, not ${bytesPerSecond}`);
  }
  return bytesPerSecond;
}

function timeOr(ms: number, turned: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const done = Promise.withResolvers<void>();
  const end = (): void => done.resolve();
  const timer = setTimeout(end, ms);
  signal?.addEventListener('abort', end, { once: true });
  void turned.then(end);
  return done.promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  });
}
