/** Starts something again whenever it ends, ever more slowly while it does not hold. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from './logs.ts';

export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
  /** Whoever ran this long was healthy: its next end starts again from `minMs`. */
  readonly healthyMs: number;
}

export const DEFAULT_BACKOFF: Backoff = { minMs: 200, maxMs: 30_000, healthyMs: 60_000 };

export interface RunningProcess {
  /** Resolves with why it ended. */
  readonly exited: Promise<string>;
  stop(): Promise<void>;
}

export interface KeepAliveOptions {
  readonly name: string;
  /** Resolves when it works; rejects when it could not be started. */
  start(signal: AbortSignal): Promise<RunningProcess>;
  readonly backoff: Backoff;
  readonly log: Log;
}

export interface KeepAlive {
  /**
   * Resolves when it works for the first time; rejects when the first start fails, and then nothing is tried
   * again.
   */
  readonly started: Promise<void>;
  /** Stops it and the trying. */
  stop(): Promise<void>;
}

export function keepAlive(options: KeepAliveOptions): KeepAlive {
  const stopping = new AbortController();
  let current: RunningProcess | undefined;
  const started = Promise.withResolvers<void>();
  started.promise.catch(() => {});

  const loop = async (): Promise<void> => {
    let delayMs = options.backoff.minMs;
    for (let first = true; !stopping.signal.aborted; first = false) {
      let reason: string;
      const startedAt = performance.now();
      try {
        current = await options.start(stopping.signal);
        started.resolve();
        // A stop that came while it was starting has not seen it.
        if (stopping.signal.aborted) await current.stop();
        reason = await current.exited;
      } catch (error) {
        if (first) {
          started.reject(error);
          return;
        }
        reason = error instanceof Error ? error.message : String(error);
      } finally {
        current = undefined;
      }
      if (stopping.signal.aborted) return;
      if (performance.now() - startedAt >= options.backoff.healthyMs) delayMs = options.backoff.minMs;
      options.log(`${options.name} ended (${reason}); starting it again in ${delayMs / 1000} s.`);
      await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => {});
      delayMs = Math.min(delayMs * 2, options.backoff.maxMs);
    }
  };
  const ended = loop();

  return {
    started: started.promise,
    async stop() {
      stopping.abort(new Error('stopping'));
      await current?.stop();
      await ended;
    },
  };
}
