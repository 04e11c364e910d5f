/**
 * One step of a run: an activity that may have to wait. A failure that time or a person can mend parks the
 * run, and the activity is scheduled again; any other failure is thrown.
 */

import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  isCancellation,
  log,
  patched,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import { type NeededRoom, WAITS } from '../../errors/index.ts';
import type { FailureInfo, RunInput } from '../contracts/common.ts';
import type { Tuning } from '../contracts/tuning.ts';
import type { SiteSteps } from '../steps.ts';
import { otherRunIntervalMs, personIntervalMs, roomIntervalMs, siteTimeoutMs } from './intervals.ts';
import { siteSteps } from './site.ts';
import { type RunView, waitingNow } from './view.ts';

/** Times that a step is repeated at once because the world moved under it. */
const MAX_MOVES = 5;

/**
 * Thrown out of a step to continue the run as new, because it has waited for long. Units in flight are
 * repeated then.
 */
export class HistoryTooLong extends Error {
  override readonly name = 'HistoryTooLong';
}

/** State that steps and signal handlers share. */
export interface Parking {
  /** Grows with each resume, and each login that concerns the run. */
  wakeUps: number;
  /** Steps that wait for a person or a login. */
  parked: number;
  /** A step of this run watches a full disk for all of them. */
  watching: boolean;
  /** A step asked for continue-as-new: the others that are parked leave, too. */
  leaving: boolean;
}

export type Step = <T>(summary: string, call: (site: SiteSteps) => Promise<T>) => Promise<T>;

export function createStep(input: RunInput, view: RunView, parking: Parking): Step {
  const { progress } = view;

  const stopWaiting = (): void => {
    if (parking.parked === 0) view.stopWaiting();
  };

  const wokenWithin = (seenWakeUps: number, ms: number): Promise<boolean> =>
    condition(() => parking.wakeUps > seenWakeUps || parking.leaving, ms);

  /**
   * Looks for room on a full disk and wakes every step that is parked. One activity does all the looking, so
   * that history does not grow with it. Where it fails, the timer and the person are still there.
   */
  const watchRoom = (room: NeededRoom, parkedBefore: number): (() => void) => {
    if (parking.watching) return () => {};
    parking.watching = true;
    const scope = new CancellationScope();
    const { tuning } = input;
    const options = {
      scheduleToStartMs: personIntervalMs(parkedBefore),
      summary: 'Watch the full disk',
      tuning,
    };
    const watch = { room, lookEveryMs: roomIntervalMs(parkedBefore) };
    scope
      .run(() => siteSteps(input.site, options).awaitRoom(watch))
      .then(
        (hasRoom) => {
          if (hasRoom) parking.wakeUps += 1;
        },
        () => undefined,
      );
    return () => {
      parking.watching = false;
      scope.cancel();
    };
  };

  /** Waits until a person resumes, or for a time that doubles with each time the step was parked before. */
  const park = async (failure: FailureInfo, seenWakeUps: number, parkedBefore: number): Promise<void> => {
    parking.parked += 1;
    view.wait(waitingNow(failure.class === 'needs-login' ? 'login' : 'person', failure));
    log.info('The run waits', { code: failure.code });
    const { room } = failure;
    const endWatch =
      room !== undefined && patched('full-disk-is-watched') ? watchRoom(room, parkedBefore) : undefined;
    try {
      await wokenWithin(seenWakeUps, personIntervalMs(parkedBefore));
    } finally {
      endWatch?.();
      parking.parked -= 1;
      stopWaiting();
    }
  };

  /** Waits for another run. The waiting is published once and stays while the lease is polled. */
  const awaitOtherRun = async (failure: FailureInfo, seenWakeUps: number, looks: number): Promise<void> => {
    if (progress.waitingFor?.sentence !== failure.sentence) view.wait(waitingNow('dataset', failure));
    await wokenWithin(seenWakeUps, otherRunIntervalMs(looks));
  };

  return async (summary, call) => {
    for (let silences = 0, moves = 0, parks = 0, looks = 0; ; ) {
      await condition(() => !progress.paused);
      leaveIfHistoryIsLong(input.tuning, parking, silences + parks + looks);
      const seenWakeUps = parking.wakeUps;
      try {
        const scheduleToStartMs = siteTimeoutMs(input.tuning.siteTimeoutMs, silences);
        const result = await call(
          siteSteps(input.site, { scheduleToStartMs, summary, tuning: input.tuning }),
        );
        stopWaiting();
        return result;
      } catch (error) {
        if (isCancellation(error)) throw error;
        // An activity whose worker died cannot answer a cancellation: it times out, and counts as cancelled.
        if (CancellationScope.current().consideredCancelled)
          throw new CancelledFailure('The run was cancelled');
        const failure = failureInfo(error);
        if (failure?.class === 'needs-login' || failure?.class === 'needs-person') {
          await park(failure, seenWakeUps, parks);
          parks += 1;
        } else if (failure !== undefined && isWaitForRun(failure)) {
          await awaitOtherRun(failure, seenWakeUps, looks);
          looks += 1;
        } else if (failure?.class === 'moved' && moves < MAX_MOVES) {
          moves += 1;
        } else if (isSilentSite(error)) {
          silences += 1;
          view.wait(waitingNow('site', WAITS.site));
        } else throw error;
      }
    }
  };
}

/** Release 0.1 recorded the error under another class. */
const isWaitForRun = ({ class: errorClass, code }: FailureInfo): boolean =>
  errorClass === 'waits-for-run' || code === 'NDI_E_DATASET_IN_USE';

/** `waits`: times that this step has waited; the first attempt of a step always runs. */
function leaveIfHistoryIsLong(tuning: Tuning, parking: Parking, waits: number): void {
  if (waits === 0 && !parking.leaving) return;
  const { historyLength, continueAsNewSuggested } = workflowInfo();
  if (
    !parking.leaving &&
    historyLength <= (tuning.parkedEventsPerExecution ?? Infinity) &&
    !continueAsNewSuggested
  )
    return;
  // Runs of release 0.1 did not do this: where their history goes on, it goes on as it did.
  if (!parking.leaving && !patched('parked-run-continues-as-new')) return;
  parking.leaving = true;
  throw new HistoryTooLong('The run has waited long enough to continue as new');
}

/** The details of an activity's failure, if it was one of ours. */
export function failureInfo(error: unknown): FailureInfo | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (!(cause instanceof ApplicationFailure)) return undefined;
  const info = cause.details?.[0];
  return isFailureInfo(info) ? info : undefined;
}

function isFailureInfo(value: unknown): value is FailureInfo {
  return typeof value === 'object' && value !== null && 'code' in value && 'class' in value;
}

function isSilentSite(error: unknown): boolean {
  return (
    error instanceof ActivityFailure &&
    error.cause instanceof TimeoutFailure &&
    error.cause.timeoutType === 'SCHEDULE_TO_START'
  );
}
