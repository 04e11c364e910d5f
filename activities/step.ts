/**
 * The one place where activities meet Temporal: heartbeats, cancellation, the class of an error, and the
 * scope of a run. Everything else in this room is plain functions of (scope, input).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { existsSync } from 'node:fs';
import { ApplicationFailure, activityInfo, Context, heartbeat, log } from '@temporalio/activity';
import { CourierError, diskErrorCode, isCourierError } from '../errors/index.ts';
import type { FailureInfo, HeartbeatInfo } from '../workflows/contracts/index.ts';
import { DEFAULT_TUNING } from '../workflows/contracts/tuning.ts';
import type { RunRef } from '../workflows/steps.ts';
import type { RunScope, StepContext, StepDeps } from './deps.ts';
import { keepLease, LEASE_RENEWAL_MS, leaseRequest } from './shared/lease.ts';

/** Well under the heartbeat timeout; the server sees at most one a second (the worker throttles). */
const BEAT_EVERY_MS = 2_000;
/**
 * Beats between two of these are kept, not passed on: each costs 0.1 ms, and small files beat for every one
 * of theirs.
 */
const BEAT_AT_MOST_EVERY_MS = 250;

type Outcome = CourierError | undefined;

/** Listeners of the activity that is going on: they hear how requests to the cloud end. */
const listeners = new AsyncLocalStorage<(outcome: Outcome) => void>();

/**
 * For the cloud's client: while a request is repeated, the activity that needs it says so in its heartbeats.
 */
export const noteOutcome = (outcome: Outcome): void => listeners.getStore()?.(outcome);

/**
 * Makes an activity of a step. The timer beats for steps that think without moving bytes; a transfer that
 * stalls ends by its own stall timeout, so the timer cannot hide one.
 */
export function asActivity<Args extends unknown[], Result>(
  step: (context: StepContext, ...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  return async (...args) => {
    const { attempt } = activityInfo();
    let latest: HeartbeatInfo = { unit: null, what: 'working', bytes: 0, ofBytes: 0 };
    let trouble: FailureInfo | null | undefined;
    const beat = (): void => heartbeat({ ...latest, attempt, ...(trouble === undefined ? {} : { trouble }) });
    const onOutcome = (outcome: Outcome): void => {
      const before = trouble;
      trouble = outcome === undefined ? null : infoOf(outcome);
      if (before?.code !== trouble?.code) beat();
    };
    const signal = Context.current().cancellationSignal;
    let beatAt = Number.NEGATIVE_INFINITY;
    const timer = setInterval(beat, BEAT_EVERY_MS);
    const context: StepContext = {
      signal,
      attempt,
      heartbeat: (info) => {
        latest = info;
        const now = performance.now();
        if (now - beatAt < BEAT_AT_MOST_EVERY_MS) return;
        beatAt = now;
        beat();
      },
    };
    try {
      return await listeners.run(onOutcome, () => step(context, ...args));
    } catch (error) {
      // An aborted stream rejects with AbortError; Temporal wants the cancellation itself.
      signal.throwIfAborted();
      throw asFailure(error, context.attempt);
    } finally {
      clearInterval(timer);
    }
  };
}

/**
 * Runs `work` in the scope of a run whose ledger is known. The lease is renewed as long as the work lasts.
 * @throws NDI_E_LEASE_LOST
 */
export async function inScope<Result>(
  deps: StepDeps,
  context: StepContext,
  ref: RunRef,
  work: (scope: RunScope) => Promise<Result>,
): Promise<Result> {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const fence = keepLease(deps, ledger, ref);
  const renewal = setInterval(() => {
    try {
      // A folder that was moved away must not come back as an empty one.
      if (existsSync(ref.ledgerPath)) ledger.lease.renew(leaseRequest(deps, ref));
    } catch (error) {
      // The next verb that writes says what is wrong with the ledger.
      log.warn('The lease could not be renewed', { error: withoutQueries(String(error)) });
    }
  }, LEASE_RENEWAL_MS);
  try {
    return await work({
      ...context,
      deps,
      ref,
      tuning: { ...DEFAULT_TUNING, ...ref.tuning },
      ledger: ledger.run(ref.runKey, fence),
      cloud: deps.cloud(ref.cloud),
    });
  } finally {
    clearInterval(renewal);
  }
}

/** Attempts that a bug of ours gets: it may be a passing state of the machine, and must not spin for days. */
const UNEXPECTED_TRIES = 5;

/**
 * A `CourierError` keeps its code, class and sentence; anything else is named after what the machine said.
 */
export function asFailure(error: unknown, attempt: number): ApplicationFailure {
  const known = isCourierError(error) ? error : unexpected(error);
  const tryAgain =
    known.class === 'retryable' || (known.code === 'NDI_E_INTERNAL' && attempt < UNEXPECTED_TRIES);
  return ApplicationFailure.create({
    message: known.message,
    type: known.code,
    nonRetryable: !tryAgain,
    details: [infoOf(known)],
    ...(known.retryAfterMs === undefined ? {} : { nextRetryDelay: known.retryAfterMs }),
  });
}

const infoOf = (error: CourierError): FailureInfo => ({
  code: error.code,
  class: error.class,
  sentence: error.message,
  nextStep: error.nextStep,
  ...(error.code !== 'NDI_E_DISK_FULL' || error.room === undefined ? {} : { room: error.room }),
});

function unexpected(error: unknown): CourierError {
  const name = error instanceof Error ? error.name : typeof error;
  const message = withoutQueries(error instanceof Error ? error.message : String(error));
  const code = diskErrorCode(error);
  if (code !== undefined) {
    const { path } = error as NodeJS.ErrnoException;
    return new CourierError(code, {
      detail: message,
      ...(path === undefined ? {} : { room: { path } }),
      cause: error,
    });
  }
  log.error('A step failed in a way that was not foreseen', {
    error: withoutQueries((error instanceof Error && error.stack) || message),
  });
  return new CourierError('NDI_E_INTERNAL', { detail: `${name}: ${message}`, cause: error });
}

/** A URL in a foreign error may be presigned: its query is a secret while it lives. */
function withoutQueries(text: string): string {
  return text.replace(/(https?:\/\/[^\s?"']+)\?[^\s"']+/g, '$1?…');
}
