/**
 * The outside view of a run: search attributes, Temporal's details page, and the answer to the progress
 * query.
 */

import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { WAITS } from '../../errors/index.ts';
import type { RunProgress, Waiting } from '../contracts/common.ts';
import { describeProgress } from './details.ts';
import type { Mutable } from './progress.ts';
import { createRateMeter } from './rate.ts';

export interface RunView {
  readonly progress: Mutable<RunProgress>;
  /** Progress with the rate at this moment. */
  current(): RunProgress;
  /** Renews the details page. */
  show(): void;
  /** Renews the details page and the search attributes: each call is an event of history. */
  publish(): void;
  wait(waiting: Waiting): void;
  /** Ends the waiting that is shown; a paused run goes on showing that it is paused. */
  stopWaiting(): void;
  /** Units are in flight from now on, or no more: the rate is of that time only. */
  unitsBegin(): void;
  unitsEnd(): void;
}

export function createRunView(progress: Mutable<RunProgress>): RunView {
  const rate = createRateMeter();
  const current = (): RunProgress => ({ ...progress, ...rate.of(progress, Date.now()) });
  const show = (): void => setCurrentDetails(describeProgress(current()));
  const publish = (): void => {
    const { ndiDatasetId, cloudDatasetId } = progress;
    upsertSearchAttributes({
      NdiPhase: [progress.phase],
      NdiWaitingFor: [progress.waitingFor?.kind ?? 'nothing'],
      ...(ndiDatasetId === null ? {} : { NdiDataset: [ndiDatasetId] }),
      ...(cloudDatasetId === null ? {} : { NdiCloudDataset: [cloudDatasetId] }),
    });
    show();
  };
  return {
    progress,
    current,
    show,
    publish,
    wait: (waiting) => {
      progress.waitingFor = waiting;
      rate.end(Date.now(), progress.bytes.transferred);
      publish();
    },
    stopWaiting: () => {
      if (progress.waitingFor === null) return;
      progress.waitingFor = progress.paused ? waitingNow('paused', WAITS.paused) : null;
      if (progress.units.inFlight > 0) rate.begin(Date.now(), progress.bytes.transferred);
      publish();
    },
    unitsBegin: () => rate.begin(Date.now(), progress.bytes.transferred),
    unitsEnd: () => rate.end(Date.now(), progress.bytes.transferred),
  };
}

/** `since` is workflow time: the same at replay. */
export function waitingNow(
  kind: Waiting['kind'],
  why: { readonly code: string; readonly sentence: string; readonly nextStep: string },
): Waiting {
  const { code, sentence, nextStep } = why;
  return { kind, code, sentence, nextStep, since: new Date().toISOString() };
}
