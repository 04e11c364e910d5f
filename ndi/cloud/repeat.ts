/**
 * Repeats requests where they are made, so that one failed request does not throw away the work around it: a
 * listing goes on at its page. Only requests that change nothing are repeated: reads, logins, and whatever
 * the cloud refused for its rate. Everything else needs a look first, which is its caller's business
 * (contract §10 no. 3).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CourierError, isCourierError } from '../../errors/index.ts';
import type { ApiCall, Requester } from './request.ts';

export interface RepeatPolicy {
  /** Requests in all, the first included. Default 7. */
  readonly attempts?: number;
  /**
   * No repetition begins later than this after the first request. Default 60 s; a gateway timeout alone takes
   * 29 s.
   */
  readonly withinMs?: number;
  /** First wait; doubles up to `maxWaitMs`, with jitter. Defaults 200 ms and 10 s. */
  readonly minWaitMs?: number;
  readonly maxWaitMs?: number;
  /**
   * Told of each request: the error for which it is repeated, or nothing when it was answered. Must not
   * throw.
   */
  readonly onOutcome?: (error: CourierError | undefined) => void;
}

/** A requester that repeats. `Retry-After` is honoured as long as it ends within the budget. */
export function repeatRequests(requester: Requester, policy: RepeatPolicy = {}): Requester {
  const { attempts = 7, withinMs = 60_000, minWaitMs = 200, maxWaitMs = 10_000, onOutcome } = policy;
  return {
    ...requester,
    async send(call) {
      const startedMs = performance.now();
      for (let attempt = 1; ; attempt += 1) {
        try {
          const answer = await requester.send(call);
          onOutcome?.(undefined);
          return answer;
        } catch (error) {
          if (
            !isCourierError(error) ||
            !mayRepeat(call, error) ||
            attempt >= Math.min(attempts, call.maxAttempts ?? attempts)
          )
            throw error;
          const backoffMs = Math.min(minWaitMs * 2 ** (attempt - 1), maxWaitMs) * (0.5 + Math.random());
          const waitMs = error.retryAfterMs ?? backoffMs;
          if (performance.now() - startedMs + waitMs > withinMs) throw error;
          onOutcome?.(error);
          await sleep(waitMs, undefined, call.signal === undefined ? {} : { signal: call.signal });
        }
      }
    },
  };
}

const mayRepeat = (call: ApiCall, error: CourierError): boolean =>
  error.class === 'retryable' &&
  // Whoever must set a CA file should not have to wait for that sentence.
  error.code !== 'NDI_E_CERTIFICATE' &&
  (call.kind === 'read' || call.kind === 'login' || error.code === 'NDI_E_RATE_LIMITED');
