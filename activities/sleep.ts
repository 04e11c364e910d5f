import { setImmediate, setTimeout } from 'node:timers/promises';
import type { StepContext } from './deps.ts';

/** Waits so many milliseconds, or rejects as soon as the signal aborts. */
export const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  setTimeout(ms, undefined, { signal });

/**
 * The wait before the n-th look (from 0) for work that the cloud does: grows by half, so that what is done is seen at most half
 * as late again as it took.
 */
export const pollMs = (n: number, minMs: number, maxMs: number): number => Math.min(minMs * 1.5 ** n, maxMs);

/** The wait before the n-th try (from 0): doubles from `minMs` up to `maxMs`. */
export const backoffMs = (n: number, minMs: number, maxMs: number): number => Math.min(minMs * 2 ** n, maxMs);

/** Heartbeats of all steps share this thread: a long loop says what it is at and lets them through. */
export async function letOthers(context: StepContext, what: string): Promise<void> {
  context.beat({ unit: null, what, bytes: 0, ofBytes: 0 });
  await setImmediate();
  context.signal.throwIfAborted();
}
