/**
 * A run in the hand of a person or program: watch it, steer it, wait for it. Letting go of a handle changes
 * nothing; the run goes on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Client,
  isGrpcServiceError,
  QueryNotRegisteredError,
  QueryRejectedError,
  ServiceError,
  WorkflowFailedError,
  type WorkflowHandle,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { CancelledFailure, TerminatedFailure } from '@temporalio/common';
import { CourierError, ERRORS, type ErrorCode, WAITS } from '../errors/index.ts';
import {
  approvalSignal,
  pauseSignal,
  progressQuery,
  type RunProgress,
  type RunResult,
  resumeSignal,
  setWindowUpdate,
  supersededSignal,
} from '../workflows/contracts/index.ts';
import { parseRunId } from '../workflows/operations.ts';
import { missingWorker } from './pollers.ts';
import { createRate, type ExecutionStatus, mergeProgress, type Progress } from './progress.ts';
import { failureInfoOf, readRecord, readStatus } from './run-records.ts';

export interface WatchOptions {
  /** Between two looks. Default 500; not under 100. */
  readonly intervalMs?: number;
  /** Ends the watching, never the run. */
  readonly signal?: AbortSignal;
}

export interface RunHandle<Result extends RunResult = RunResult> {
  readonly workflowId: string;
  readonly runId: string;
  /** One look. Answers also when no worker is there to ask. */
  progress(): Promise<Progress>;
  /**
   * A look every half second until the run has ended; the last one says how. May be left early. While the
   * server is away, the last look is given again, waiting for `service`. @throws NDI_E_NOT_RUNNING when it
   * stays away for two minutes
   */
  watch(options?: WatchOptions): AsyncIterable<Progress>;
  /** Waits for the end. Throws `CourierError`: what the run failed of, or NDI_E_CANCELLED. */
  result(): Promise<Result>;
  /** A sync that only waits for an approval ends without it; any other run goes on. */
  supersede(): Promise<void>;
  /** Answers the approval that a sync waits for. `by` goes into the audit. */
  answer(approved: boolean, by: string): Promise<void>;
  /** No new units from now on; those in flight end. */
  pause(): Promise<void>;
  /** Ends a pause; a run that waits for a person or a login tries again now. */
  resume(): Promise<void>;
  /** Stops it after what is in flight; starting it again goes on where it stopped. */
  cancel(): Promise<void>;
  /** Units in flight from now on, 1 to 64. Returns what it was before. */
  setWindow(units: number): Promise<number>;
}

/** A query needs a live worker; this long is given to one before the server's record has to do. */
const QUERY_TIMEOUT_MS = 2_500;
/** A server that gives no record within this counts as away. */
const LOOK_TIMEOUT_MS = 4_000;
const INTERVAL_MS = 500;
const MIN_INTERVAL_MS = 100;
/** A server that restarts is back within this; a watcher stays. */
const OUTAGE_MS = 120_000;

export interface RunHandleDeps {
  readonly client: Client;
  readonly workflowId: string;
  /** The run id that callers show; the handle itself follows the run through continue-as-new. */
  readonly runId: string;
  readonly handle: WorkflowHandle;
}

export function createRunHandle(deps: RunHandleDeps): RunHandle {
  const { client, workflowId, runId, handle } = deps;
  let lastAnswer: RunProgress | undefined;

  const progress = async (): Promise<Progress> => {
    const untilMs = Date.now() + LOOK_TIMEOUT_MS;
    const timely = <T>(call: () => Promise<T>): Promise<T> => client.connection.withDeadline(untilMs, call);
    const [record, answer] = await Promise.all([
      timely(() => readRecord(client, workflowId, runId)),
      ask(client, handle),
    ]);
    lastAnswer = answer ?? lastAnswer;
    const missing = await timely(() => missingWorker(client, record, answer));
    return { ...mergeProgress(record, answer, lastAnswer, missing), runId };
  };

  const steer = (act: () => Promise<void>): Promise<void> =>
    known(workflowId, async () => {
      const status = await readStatus(client, workflowId, runId);
      if (status !== 'running') {
        throw new CourierError('NDI_E_RUN_ENDED', { detail: `${workflowId} (${status})` });
      }
      await act();
    });

  return {
    workflowId,
    runId,
    progress: () => known(workflowId, progress),
    watch: (options = {}) => watch(() => known(workflowId, progress), options),
    result: () =>
      known(workflowId, async () => {
        await ended(() => readStatus(client, workflowId, runId));
        return resultOf(handle);
      }),
    supersede: () => steer(() => handle.signal(supersededSignal)),
    answer: (approved, by) => steer(() => handle.signal(approvalSignal, { approved, by })),
    pause: () => steer(() => handle.signal(pauseSignal)),
    resume: () => steer(() => handle.signal(resumeSignal)),
    cancel: () => steer(async () => void (await handle.cancel())),
    setWindow: (units) => known(workflowId, () => setWindow(handle, units)),
  };
}

/** The workflow's own answer, or nothing when no worker gives one in time. */
async function ask(client: Client, handle: WorkflowHandle): Promise<RunProgress | undefined> {
  try {
    return await client.connection.withDeadline(Date.now() + QUERY_TIMEOUT_MS, () =>
      handle.query(progressQuery),
    );
  } catch (error) {
    if (
      isServerTrouble(error) ||
      error instanceof QueryNotRegisteredError ||
      error instanceof QueryRejectedError
    ) {
      return undefined;
    }
    throw error;
  }
}

/**
 * The server, or the way to it, did not do what it was asked; the SDK wraps some of these and passes on
 * others.
 */
const isServerTrouble = (error: unknown): boolean =>
  error instanceof ServiceError || isGrpcServiceError(error);

async function* watch(look: () => Promise<Progress>, options: WatchOptions): AsyncGenerator<Progress> {
  const intervalMs = Math.max(MIN_INTERVAL_MS, options.intervalMs ?? INTERVAL_MS);
  const { signal } = options;
  const rate = createRate();
  const patient = withPatience(look);
  let last: Progress | undefined;
  while (!signal?.aborted) {
    const seen = await unlessAborted(patient(), signal);
    if (seen === undefined) return;
    if ('answer' in seen) last = seen.answer;
    const view = 'answer' in seen ? seen.answer : last && withoutServer(last, seen.awaySince);
    if (view !== undefined) {
      yield rate(view, performance.now());
      if (view.status !== 'running') return;
    }
    await pause(intervalMs, signal);
  }
}

/** The last look while the server is away: nothing is known to be in flight. */
const withoutServer = (last: Progress, since: string): Progress => ({
  ...last,
  waitingFor: { kind: 'service', ...WAITS.service, since },
  inFlight: [],
  lastFailure: null,
  bytesPerSecond: null,
  etaMs: null,
});

/** Nothing once the signal is aborted; a look that is left behind may fail unheard. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  if (signal === undefined) return work;
  const left = new AbortController();
  try {
    return await Promise.race([
      work,
      new Promise<undefined>((resolve) => {
        if (signal.aborted) resolve(undefined);
        signal.addEventListener('abort', () => resolve(undefined), { once: true, signal: left.signal });
      }),
    ]);
  } finally {
    left.abort();
    work.catch(() => {});
  }
}

/**
 * Waits for the end by looking, not with the SDK's long poll: a long poll that is let go of holds the
 * process, and its retry throws past every handler once the connection is closed.
 */
async function ended(look: () => Promise<ExecutionStatus>): Promise<void> {
  const patient = withPatience(look);
  for (;;) {
    const seen = await patient();
    if ('answer' in seen && seen.answer !== 'running') return;
    await pause(INTERVAL_MS, undefined);
  }
}

type Seen<T> = { readonly answer: T } | { readonly awaySince: string };

/** Answers since when the server is away, and gives up after `OUTAGE_MS`. */
function withPatience<T>(look: () => Promise<T>): () => Promise<Seen<T>> {
  let away: { readonly sinceMs: number; readonly since: string } | undefined;
  return async () => {
    const before = { sinceMs: performance.now(), since: new Date().toISOString() };
    try {
      const answer = await look();
      away = undefined;
      return { answer };
    } catch (cause) {
      if (!isServerTrouble(cause)) throw cause;
      away ??= before;
      if (performance.now() - away.sinceMs < OUTAGE_MS) return { awaySince: away.since };
      throw new CourierError('NDI_E_NOT_RUNNING', {
        detail: 'The Temporal server stopped answering; the run goes on when it is back.',
        cause,
      });
    }
  };
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch {
    // Aborted: the loop sees it.
  }
}

async function resultOf(handle: WorkflowHandle): Promise<RunResult> {
  try {
    return complete((await handle.result()) as RunResult, handle.workflowId);
  } catch (error) {
    if (error instanceof WorkflowFailedError) throw asCourierError(error);
    throw error;
  }
}

/** Results of release 0.1 name neither their operation nor the NDI id. */
function complete(result: Partial<RunResult>, workflowId: string): RunResult {
  const known = parseRunId(workflowId);
  const { operation = known?.operation, ndiDatasetId = known?.fields.ndiDatasetId ?? null } = result;
  return { ...result, operation, ndiDatasetId } as RunResult;
}

/** How a run ended, in the words of the one who knew. */
export function asCourierError(error: WorkflowFailedError): CourierError {
  const { cause } = error;
  if (cause instanceof CancelledFailure) return new CourierError('NDI_E_CANCELLED', { cause: error });
  if (cause instanceof TerminatedFailure) {
    return new CourierError('NDI_E_CANCELLED', {
      detail: 'It was terminated from outside, without tidying up.',
      cause: error,
    });
  }
  const info = failureInfoOf(cause);
  if (info === undefined || !Object.hasOwn(ERRORS, info.code)) {
    return new CourierError('NDI_E_INTERNAL', { detail: cause?.message ?? error.message, cause: error });
  }
  const code = info.code as ErrorCode;
  const { sentence } = ERRORS[code];
  const detail = info.sentence.startsWith(sentence)
    ? info.sentence.slice(sentence.length).trim()
    : info.sentence;
  return new CourierError(code, { ...(detail === '' ? {} : { detail }), cause: error });
}

async function setWindow(handle: WorkflowHandle, units: number): Promise<number> {
  try {
    return await handle.executeUpdate(setWindowUpdate, { args: [units] });
  } catch (error) {
    if (!(error instanceof WorkflowUpdateFailedError)) throw error;
    throw new CourierError('NDI_E_USAGE', { detail: error.cause?.message ?? error.message, cause: error });
  }
}

/** Not-found becomes our word for it. */
async function known<T>(workflowId: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    throw new CourierError('NDI_E_RUN_UNKNOWN', { detail: workflowId, cause: error });
  }
}
