/**
 * The frame that every run shares: phases, progress, units in flight, pause, parking for a person,
 * continue-as-new. A workflow file says what its run does; how a run behaves is said here, once.
 *
 *   progress  what a run knows of itself        park   one step, and what it may have to wait for
 *   view      what the outside sees of it       units  units in flight
 *   lease     the frame around a whole run      transfer  the loop that moves units until none is left
 *
 * Everything survives a crash: progress is rebuilt by replay, units by the ledger of the site.
 */

import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { WAITS, type WaitEntry } from '../../errors/index.ts';
import {
  type EndPhase,
  loginSignal,
  pauseSignal,
  progressQuery,
  type ResumeState,
  type RunInput,
  type RunProgress,
  resumeSignal,
  setWindowUpdate,
} from '../contracts/common.ts';
import type { Operation, PhaseOf } from '../operations.ts';
import type { Linked, OpenedRun, PlanSummary, RunNames, RunRef, UnitOutcome } from '../steps.ts';
import { createStep, type Parking, type Step } from './park.ts';
import { beginProgress, countsFrom, planChange, restoreProgress } from './progress.ts';
import { runUnits } from './units.ts';
import { createRunView, waitingNow } from './view.ts';

const MAX_WINDOW = 64;

export interface Run<O extends Operation = Operation> {
  /** Names this run across retries and continue-as-new. */
  readonly key: string;
  readonly names: RunNames;
  progress(): RunProgress;
  phase(phase: PhaseOf<O> | EndPhase): void;
  change(change: Partial<RunProgress>): void;
  /** Takes over the counts of a plan. */
  adopt(plan: PlanSummary): void;
  /** Takes over the final counts, which know of items that were given up or found after all. */
  adoptResult(result: object & { readonly bytes: number; readonly problemCount: number }): void;
  /** Adds units that were planned again. */
  growUnits(newUnits: number): void;
  /**
   * One step: an activity that may have to wait, for a person or for another run. Resolves with what the
   * activity returns. `summary` is what a person reads of it in Temporal's Web UI.
   */
  readonly step: Step;
  /** Shows why the run waits for a person, as long as `wait` lasts. */
  waitFor(why: WaitEntry, wait: () => Promise<void>): Promise<void>;
  /** Works off units with at most `window` in flight. */
  runUnits(units: readonly number[], work: (unit: number) => Promise<UnitOutcome>): Promise<void>;
  /** The reference that steps after the first get. Kept: continue-as-new carries it. */
  refer(opened: OpenedRun & Linked): RunRef;
  /** The reference that an earlier execution of this run made, if it got that far. */
  readonly resumedRef: RunRef | undefined;
  /** True once this execution has done its share of units. */
  shouldContinueAsNew(): boolean;
  /**
   * Ends this execution and starts the next one, once signals and updates in hand are dealt with. Nothing may
   * be in flight.
   */
  continueAsNew(): Promise<never>;
}

export function startRun<O extends Operation>(operation: O, input: RunInput): Run<O> {
  const info = workflowInfo();
  const { resume } = input;
  const key = resume?.runKey ?? info.runId;
  const progress = resume
    ? restoreProgress(resume.progress)
    : beginProgress(operation, input, info.startTime);
  const view = createRunView(progress);
  const parking: Parking = { wakeUps: 0, parked: 0, watching: false, leaving: false };
  let unitsDone = 0;
  const names: RunNames = {
    runKey: key,
    workflowId: info.workflowId,
    ...(info.parent === undefined ? {} : { parentWorkflowId: info.parent.workflowId }),
  };
  let ref = resume === undefined ? undefined : refOf(input, resume, names);
  steerBySignals(input, view, parking);
  view.publish();
  const change = (changes: Partial<RunProgress>): void => {
    Object.assign(progress, changes);
    view.show();
  };
  return {
    key,
    names,
    progress: () => progress,
    phase: (phase) => {
      if (progress.phase === phase) return;
      progress.phase = phase;
      view.publish();
    },
    change,
    adopt: (plan) => change(planChange(progress, plan)),
    adoptResult: (result) =>
      change({
        counts: countsFrom(progress, result),
        bytes: { ...progress.bytes, transferred: result.bytes },
        problemCount: result.problemCount,
      }),
    growUnits: (newUnits) => {
      if (newUnits > 0) change({ units: { ...progress.units, total: progress.units.total + newUnits } });
    },
    step: createStep(input, view, parking),
    waitFor: async (why, wait) => {
      view.wait(waitingNow('person', why));
      await wait();
      view.stopWaiting();
    },
    runUnits: (units, work) =>
      runUnits(view, units, async (unit) => {
        const outcome = await work(unit);
        unitsDone += 1;
        return outcome;
      }),
    refer: (opened) => {
      ref = { ...opened, ...names, cloud: input.cloud, tuning: input.tuning };
      return ref;
    },
    resumedRef: ref,
    shouldContinueAsNew: () =>
      unitsDone >= input.tuning.unitsPerExecution || workflowInfo().continueAsNewSuggested,
    continueAsNew: async () => {
      await condition(allHandlersFinished);
      const next: ResumeState = {
        runKey: key,
        progress,
        ...(ref === undefined
          ? {}
          : {
              ledgerPath: ref.ledgerPath,
              cloudDatasetId: ref.cloudDatasetId,
              organizationId: ref.organizationId,
            }),
      };
      return continueAsNew<(input: RunInput) => Promise<unknown>>({ ...input, resume: next });
    },
  };
}

function steerBySignals(input: RunInput, view: ReturnType<typeof createRunView>, parking: Parking): void {
  const { progress } = view;
  setHandler(progressQuery, view.current);
  setHandler(pauseSignal, () => {
    progress.paused = true;
    view.wait(waitingNow('paused', WAITS.paused));
  });
  setHandler(resumeSignal, () => {
    progress.paused = false;
    parking.wakeUps += 1;
    if (parking.parked === 0) view.stopWaiting();
  });
  setHandler(loginSignal, ({ profile }) => {
    if (profile === null || input.cloud.profile === null || profile === input.cloud.profile)
      parking.wakeUps += 1;
  });
  setHandler(
    setWindowUpdate,
    (window) => {
      const before = progress.window;
      progress.window = window;
      return before;
    },
    { validator: checkWindow },
  );
}

function checkWindow(window: number): void {
  if (!Number.isInteger(window) || window < 1 || window > MAX_WINDOW) {
    throw ApplicationFailure.nonRetryable(
      `The window must be a whole number from 1 to ${MAX_WINDOW}.`,
      'NDI_E_USAGE',
    );
  }
}

function refOf(input: RunInput, resume: ResumeState, names: RunNames): RunRef | undefined {
  const { ledgerPath, cloudDatasetId, organizationId } = resume;
  if (ledgerPath === undefined || cloudDatasetId === undefined || organizationId === undefined)
    return undefined;
  const { cloud, tuning } = input;
  return { ...names, ledgerPath, cloudDatasetId, organizationId, cloud, tuning };
}
