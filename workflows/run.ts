/**
 * What every run shares: phases, progress, the window of units in flight, pause, parking for a person, and
 * continue-as-new. A workflow file says what its run does; how a run behaves is said here, once.
 *
 * What survives a crash: everything. Progress is rebuilt by replay, units by the ledger of the site.
 */
import {
  ActivityFailure,
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  CancelledFailure,
  condition,
  isCancellation,
  log,
  setCurrentDetails,
  setHandler,
  TimeoutFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import {
  type CloudRef,
  type Counts,
  type FailureInfo,
  loginSignal,
  type Operation,
  type Phase,
  pauseSignal,
  progressQuery,
  type ResumeState,
  type RunProgress,
  resumeSignal,
  setWindowUpdate,
  type Tuning,
  type Waiting,
} from './contracts.ts';
import { describeProgress } from './details.ts';
import { createPacemaker } from './pace.ts';
import type { RunRef, UnitOutcome } from './steps.ts';

/** Times that a step is done again at once because the world moved under it. */
const MAX_MOVES = 5;
/** A run that waits for a login or a person looks again by itself: soon at first, as a cloud may refuse by mistake. */
const LOOK_AGAIN_MIN_MS = 30_000;
const LOOK_AGAIN_MAX_MS = 3_600_000;
/**
 * A run that waits for another one looks at most half as late again as it has waited; five minutes, because each look costs
 * a dozen events of history and a week of them must fit.
 */
const OTHER_RUN_MIN_MS = 1_000;
const OTHER_RUN_MAX_MS = 900_000;
const MAX_WINDOW = 64;

export interface RunInput {
  readonly site: string;
  readonly cloud: CloudRef;
  readonly tuning: Tuning;
  readonly resume?: ResumeState;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface Run {
  /** Names this run across retries and continue-as-new. */
  readonly key: string;
  progress(): RunProgress;
  phase(phase: Phase): void;
  change(change: Partial<RunProgress>): void;
  /**
   * One step: an activity that may have to wait, for a person or for another run. Returns what the activity returns; a
   * failure that time or a person can mend parks the run and the step is done again; any other failure is thrown.
   * `call` gets the time a site may take before it counts as silent.
   */
  step<T>(call: (scheduleToStartMs: number) => Promise<T>): Promise<T>;
  /** Runs units with at most `window` in flight; a person may change the window meanwhile. */
  window(units: readonly number[], transfer: (unit: number) => Promise<UnitOutcome>): Promise<void>;
  /** True once this execution has done its share of units: the caller continues as new, with nothing in flight. */
  shouldContinueAsNew(): boolean;
  /** Waits until signals and updates in hand are dealt with, as continue-as-new would drop them. */
  drained(): Promise<void>;
}

export const NO_COUNTS: Counts = { total: 0, transferred: 0, skipped: 0, failed: 0 };

export function startRun(operation: Operation, input: RunInput): Run {
  const info = workflowInfo();
  const key = input.resume?.runKey ?? info.runId;
  const progress: Mutable<RunProgress> = input.resume
    ? { ...input.resume.progress, waitingFor: null }
    : firstProgress(operation, input, info.startTime);
  const state = { wakeUps: 0, parked: 0, unitsDone: 0 };

  const pace = createPacemaker();
  const view = (): RunProgress => ({ ...progress, ...pace.of(progress, Date.now()) });
  const show = (): void => setCurrentDetails(describeProgress(view()));
  const publish = (): void => {
    upsertSearchAttributes({
      NdiPhase: [progress.phase],
      NdiWaitingFor: [progress.waitingFor?.kind ?? 'nothing'],
      ...(progress.datasetId === null ? {} : { NdiDataset: [progress.datasetId] }),
    });
    show();
  };
  const wait = (waiting: Waiting): void => {
    progress.waitingFor = waiting;
    pace.end(Date.now(), progress.bytes.transferred);
    publish();
  };
  const waitNoMore = (): void => {
    if (progress.waitingFor === null || state.parked > 0) return;
    progress.waitingFor = progress.paused ? waiting('paused', PAUSED) : null;
    if (progress.units.inFlight > 0) pace.begin(Date.now(), progress.bytes.transferred);
    publish();
  };

  setHandler(progressQuery, view);
  setHandler(pauseSignal, () => {
    progress.paused = true;
    wait(waiting('paused', PAUSED));
  });
  setHandler(resumeSignal, () => {
    progress.paused = false;
    state.wakeUps += 1;
    waitNoMore();
  });
  setHandler(loginSignal, ({ profile }) => {
    if (profile === null || input.cloud.profile === null || profile === input.cloud.profile)
      state.wakeUps += 1;
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
  publish();

  /** Waits until a person resumes, or for a while that doubles with every time the step was parked before. */
  const park = async (failure: FailureInfo, seenWakeUps: number, parkedBefore: number): Promise<void> => {
    state.parked += 1;
    wait(waiting(failure.class === 'needs-login' ? 'login' : 'person', failure));
    log.info('The run waits', { code: failure.code });
    try {
      const lookAgainMs = Math.min(LOOK_AGAIN_MIN_MS * 2 ** parkedBefore, LOOK_AGAIN_MAX_MS);
      await condition(() => state.wakeUps > seenWakeUps, lookAgainMs);
    } finally {
      state.parked -= 1;
      waitNoMore();
    }
  };

  /** The same for another run that has the dataset, but said once: it stays said while it is looked at. */
  const awaitOtherRun = async (failure: FailureInfo, seenWakeUps: number, looks: number): Promise<void> => {
    if (progress.waitingFor?.sentence !== failure.sentence) wait(waiting('dataset', failure));
    const lookAgainMs = Math.min(OTHER_RUN_MIN_MS * 1.5 ** looks, OTHER_RUN_MAX_MS);
    await condition(() => state.wakeUps > seenWakeUps, lookAgainMs);
  };

  const step: Run['step'] = async (call) => {
    for (let silences = 0, moves = 0, parks = 0, looks = 0; ; ) {
      await condition(() => !progress.paused);
      const seenWakeUps = state.wakeUps;
      try {
        const result = await call(siteTimeoutMs(input.tuning.siteTimeoutMs, silences));
        waitNoMore();
        return result;
      } catch (error) {
        if (isCancellation(error)) throw error;
        // A step whose worker died cannot answer a cancellation: it times out, and is cancelled all the same.
        if (CancellationScope.current().consideredCancelled)
          throw new CancelledFailure('The run was cancelled');
        const failure = failureInfo(error);
        if (failure?.class === 'needs-login' || failure?.class === 'needs-person') {
          await park(failure, seenWakeUps, parks);
          parks += 1;
        } else if (failure?.code === 'NDI_E_DATASET_IN_USE') {
          await awaitOtherRun(failure, seenWakeUps, looks);
          looks += 1;
        } else if (failure?.class === 'moved' && moves < MAX_MOVES) {
          moves += 1;
        } else if (isSilentSite(error)) {
          silences += 1;
          wait(waiting('site', SITE_SILENT));
        } else throw error;
      }
    }
  };

  return {
    key,
    progress: () => progress,
    phase: (phase) => {
      if (progress.phase === phase) return;
      progress.phase = phase;
      publish();
    },
    change: (change) => {
      Object.assign(progress, change);
      show();
    },
    step,
    window: async (units, transfer) => {
      const queue = [...units];
      let inFlight = 0;
      const failures: unknown[] = [];
      const flying = (change: 1 | -1): void => {
        inFlight += change;
        progress.units = { ...progress.units, inFlight };
        show();
      };
      const send = async (unit: number): Promise<void> => {
        flying(1);
        try {
          countUnit(progress, await transfer(unit));
          state.unitsDone += 1;
        } catch (error) {
          failures.push(error);
        } finally {
          flying(-1);
        }
      };
      const room = (): boolean => failures.length > 0 || (inFlight < progress.window && !progress.paused);
      pace.begin(Date.now(), progress.bytes.transferred);
      // The first failure stops new units; those in flight end by themselves, so nothing is left half known.
      try {
        while (queue.length > 0 && failures.length === 0) {
          await condition(room);
          if (failures.length === 0) void send(queue.shift() as number);
        }
      } catch (error) {
        failures.push(error);
      }
      await CancellationScope.nonCancellable(() => condition(() => inFlight === 0));
      pace.end(Date.now(), progress.bytes.transferred);
      if (failures.length > 0) throw failures[0];
    },
    shouldContinueAsNew: () =>
      state.unitsDone >= input.tuning.unitsPerExecution || workflowInfo().continueAsNewSuggested,
    drained: () => condition(allHandlersFinished),
  };
}

function firstProgress(operation: Operation, input: RunInput, startTime: Date): RunProgress {
  return {
    operation,
    phase: 'opening',
    waitingFor: null,
    paused: false,
    site: input.site,
    profile: input.cloud.profile,
    datasetId: null,
    documents: NO_COUNTS,
    files: NO_COUNTS,
    bytes: { total: 0, transferred: 0 },
    bytesPerSecond: null,
    etaMs: null,
    units: { total: 0, done: 0, inFlight: 0 },
    retries: 0,
    window: input.tuning.window,
    startedAt: startTime.toISOString(),
    problemCount: 0,
  };
}

function countUnit(progress: Mutable<RunProgress>, outcome: UnitOutcome): void {
  const add = (counts: Counts, more: { transferred: number; failed: number }): Counts => ({
    ...counts,
    transferred: counts.transferred + more.transferred,
    failed: counts.failed + more.failed,
  });
  progress.documents = add(progress.documents, outcome.documents);
  progress.files = add(progress.files, outcome.files);
  progress.bytes = { ...progress.bytes, transferred: progress.bytes.transferred + outcome.bytes };
  progress.units = { ...progress.units, done: progress.units.done + 1 };
  progress.retries += outcome.retries;
}

/**
 * Grows with every silence: a scheduled activity is taken up the moment the site comes back, so waiting longer costs
 * nothing, while every round costs history.
 */
function siteTimeoutMs(firstMs: number, silences: number): number {
  return Math.min(firstMs * 2 ** silences, 6 * 3_600_000);
}

const PAUSED = {
  code: 'PAUSED',
  sentence: 'The run is paused.',
  nextStep: 'Go on with `ndi-courier runs resume`.',
};
const SITE_SILENT = {
  code: 'SITE_SILENT',
  sentence: 'The computer that holds the dataset does not take up work.',
  nextStep: 'Switch it on and run `ndi-courier up` there; the run goes on by itself.',
};

function waiting(
  kind: Waiting['kind'],
  why: { readonly code: string; readonly sentence: string; readonly nextStep: string },
): Waiting {
  return {
    kind,
    code: why.code,
    sentence: why.sentence,
    nextStep: why.nextStep,
    // Workflow time: the same at replay.
    since: new Date().toISOString(),
  };
}

function checkWindow(window: number): void {
  if (!Number.isInteger(window) || window < 1 || window > MAX_WINDOW) {
    throw ApplicationFailure.nonRetryable(
      `The window must be a whole number from 1 to ${MAX_WINDOW}.`,
      'NDI_E_USAGE',
    );
  }
}

/** What an activity said about its failure, if it was one of ours. */
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

/** What continue-as-new carries, and the way back. */
export function resumeState(run: Run, ref: RunRef): ResumeState {
  const { ledgerPath, cloudDatasetId, organizationId } = ref;
  return { runKey: run.key, ledgerPath, cloudDatasetId, organizationId, progress: run.progress() };
}

export function resumedRef(input: RunInput, resume: ResumeState): RunRef {
  const { runKey, ledgerPath, cloudDatasetId, organizationId } = resume;
  const { workflowId } = workflowInfo();
  return {
    runKey,
    ledgerPath,
    cloudDatasetId,
    organizationId,
    workflowId,
    cloud: input.cloud,
    tuning: input.tuning,
  };
}
