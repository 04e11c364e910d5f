/** Waiting: for a time, for the event loop, and for work of the cloud that reports no end. */
import { setImmediate, setTimeout } from 'node:timers/promises';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { RunScope, StepContext } from '../deps.ts';

/** Waits so many milliseconds, or rejects as soon as the signal aborts. */
export const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  setTimeout(ms, undefined, { signal });

/**
 * The wait before the n-th look (from 0) for work that the cloud does: grows by half, so that what is done is
 * seen at most half as late again as it took.
 */
export const pollMs = (n: number, minMs: number, maxMs: number): number => Math.min(minMs * 1.5 ** n, maxMs);

/** The wait before the n-th attempt (from 0): doubles from `minMs` up to `maxMs`. */
export const backoffMs = (n: number, minMs: number, maxMs: number): number => Math.min(minMs * 2 ** n, maxMs);

/** Iterations of a long loop between two pauses. */
const PAUSE_EVERY = 500;

/**
 * Heartbeats of all activities share this thread: a long loop calls the returned function once per iteration,
 * which lets the others through every 500 times and reports `what(count)`.
 */
export function createPacer(context: StepContext, what: (count: number) => string): () => Promise<void> {
  let count = 0;
  return async () => {
    count += 1;
    if (count % PAUSE_EVERY !== 0) return;
    context.heartbeat({ unit: null, what: what(count), bytes: 0, ofBytes: 0 });
    await setImmediate();
    context.signal.throwIfAborted();
  };
}

export interface QuietPoll<Seen> {
  /** Names the poll within its run: the time of the last change is kept in the ledger under it. */
  readonly name: string;
  look(): Promise<Seen>;
  /** Changes whenever something has moved. */
  marker(seen: Seen): string;
  isDone(seen: Seen): boolean;
  readonly quietMs: number;
}

/**
 * Looks until `isDone`, or until nothing has changed for `quietMs`; resolves with the last look. An attempt
 * that dies loses no time: the next one goes on from the change that the ledger has.
 */
export async function untilQuiet<Seen>(scope: RunScope, poll: QuietPoll<Seen>): Promise<Seen> {
  const { facts } = scope.ledger;
  const fact = RUN_FACTS.quiet(poll.name);
  const { pollMinMs, pollMaxMs } = scope.tuning;
  let last = facts.get(fact) ?? { marker: '', sinceMs: 0 };
  for (let n = 0; ; n += 1) {
    const seen = await poll.look();
    const marker = poll.marker(seen);
    if (marker !== last.marker || last.sinceMs === 0) {
      last = { marker, sinceMs: Date.now() };
      facts.set(fact, last);
    }
    if (poll.isDone(seen) || Date.now() - last.sinceMs > poll.quietMs) {
      facts.set(fact, { marker: '', sinceMs: 0 });
      return seen;
    }
    await sleep(pollMs(n, pollMinMs, pollMaxMs), scope.signal);
  }
}
