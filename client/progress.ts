/**
 * The view of a run, merged from the workflow's knowledge (its `progress` query), the server's (pending
 * activities with heartbeats and last failures), and time.
 *
 *   Progress        the merged view
 *   mergeProgress   the merge, pure
 *   createRate      bytes per second and time left from successive views, pure but for the time given
 *
 * Bytes of units in flight come from heartbeats, so a single large file moves the bar; retries of a step are
 * known to the server before the workflow hears of them.
 */
import { WAITS } from '../errors/index.ts';
import {
  type EndPhase,
  type FailureInfo,
  type HeartbeatInfo,
  NO_COUNTS,
  type RunProgress,
  type Waiting,
} from '../workflows/contracts/index.ts';
import { operationSpec } from '../workflows/operations.ts';

export type ExecutionStatus = 'running' | 'done' | 'failed' | 'cancelled' | 'terminated' | 'timed-out';

/** One step that the run waits for right now. */
export interface UnitInFlight {
  /** Number of the unit in the plan; null for steps that are no unit. */
  readonly unit: number | null;
  readonly what: string;
  readonly bytes: number;
  readonly ofBytes: number;
  /** From 1. */
  readonly attempt: number;
  /** `queued`: no worker took it yet; `backing-off`: it failed and is tried again at `nextTryAt`. */
  readonly state: 'queued' | 'working' | 'backing-off';
  readonly nextTryAt: string | null;
  readonly lastFailure: FailureInfo | null;
}

export interface Progress extends RunProgress {
  readonly workflowId: string;
  readonly runId: string;
  readonly status: ExecutionStatus;
  /** ISO time; null while it goes on. */
  readonly closedAt?: string | null;
  /** Done units plus what heartbeats say of those in flight; never more than the total. */
  readonly bytes: { readonly total: number; readonly transferred: number };
  readonly inFlight: readonly UnitInFlight[];
  /** The most telling failure of a step that is being tried again. */
  readonly lastFailure: FailureInfo | null;
  /** `workflow`: a worker answered; `records`: none did, and this is what the server has on record. */
  readonly source: 'workflow' | 'records';
}

/** A pending activity, already decoded. */
export interface PendingStep {
  readonly activityType: string;
  readonly state: 'scheduled' | 'started' | 'other';
  readonly attempt: number;
  readonly heartbeat: HeartbeatInfo | null;
  readonly lastFailure: FailureInfo | null;
  readonly nextTryAt: string | null;
}

/** The server's record of a run. */
export interface RunRecord {
  readonly workflowId: string;
  readonly runId: string;
  readonly operation: string;
  readonly status: ExecutionStatus;
  readonly startedAt: string;
  /** ISO time; null while it goes on. */
  readonly closedAt?: string | null;
  readonly site: string | null;
  readonly profile: string | null;
  readonly datasetId: string | null;
  readonly ndiDatasetId: string | null;
  readonly phase: string | null;
  readonly waitingFor: string | null;
  /** The task queue of the workflow. */
  readonly queue: string;
  readonly pending: readonly PendingStep[];
}

/** The view when no worker answers: the last answer if there was one, else the search attributes. */
function recorded(record: RunRecord, last: RunProgress | undefined): RunProgress {
  if (last !== undefined) return last;
  return {
    operation: record.operation,
    phase: record.phase ?? 'opening',
    waitingFor: waitingOnRecord(record),
    paused: record.waitingFor === 'paused',
    site: record.site ?? '',
    profile: record.profile,
    ndiDatasetId: record.ndiDatasetId,
    cloudDatasetId: record.datasetId,
    counts: Object.fromEntries(
      Object.keys(operationSpec(record.operation)?.counters ?? {}).map((counter) => [counter, NO_COUNTS]),
    ),
    bytes: { total: 0, transferred: 0 },
    bytesPerSecond: null,
    etaMs: null,
    units: { total: 0, done: 0, inFlight: record.pending.length },
    retries: 0,
    window: 0,
    startedAt: record.startedAt,
    problemCount: 0,
  };
}

function waitingOnRecord(record: RunRecord): Waiting | null {
  if (record.waitingFor === null || !Object.hasOwn(WAITS, record.waitingFor)) return null;
  const kind = record.waitingFor as Waiting['kind'];
  return { kind, ...WAITS[kind], since: record.startedAt };
}

function inFlight(step: PendingStep): UnitInFlight {
  return {
    unit: step.heartbeat?.unit ?? null,
    what: step.heartbeat?.what ?? step.activityType,
    bytes: step.state === 'started' ? (step.heartbeat?.bytes ?? 0) : 0,
    ofBytes: step.heartbeat?.ofBytes ?? 0,
    attempt: step.attempt,
    state: step.state === 'started' ? 'working' : step.lastFailure === null ? 'queued' : 'backing-off',
    nextTryAt: step.nextTryAt,
    lastFailure: failureNow(step),
  };
}

/**
 * The failure of the step at this moment: of its last attempt, or of a request that it repeats; nothing
 * once it moves again.
 */
function failureNow({ state, attempt, heartbeat, lastFailure }: PendingStep): FailureInfo | null {
  if (state !== 'started' || heartbeat?.attempt !== attempt) return lastFailure;
  if (heartbeat.trouble) return heartbeat.trouble;
  return heartbeat.trouble === null || heartbeat.bytes > 0 ? null : lastFailure;
}

const ENDED: Readonly<Partial<Record<ExecutionStatus, EndPhase>>> = {
  done: 'done',
  failed: 'failed',
  'timed-out': 'failed',
  cancelled: 'cancelled',
  terminated: 'cancelled',
};

/**
 * Merges the workflow's answer (if a worker gave one) with the server's record. `last` is the newest answer
 * seen before, shown while no worker answers.
 */
export function mergeProgress(
  record: RunRecord,
  answer: RunProgress | undefined,
  last: RunProgress | undefined,
  missing?: Waiting,
): Progress {
  const base = answer ?? recorded(record, last);
  const flights = record.pending.map(inFlight);
  // Steps that are no unit (comparing, checking) read bytes, too; those are not moved.
  const flying = flights.reduce((sum, { unit, bytes }) => sum + (unit === null ? 0 : Math.max(0, bytes)), 0);
  const { total, transferred } = base.bytes;
  return {
    ...base,
    phase: ENDED[record.status] ?? base.phase,
    waitingFor: record.status === 'running' ? (missing ?? base.waitingFor) : null,
    workflowId: record.workflowId,
    runId: record.runId,
    status: record.status,
    closedAt: record.closedAt ?? null,
    bytes: { total, transferred: Math.max(transferred, Math.min(transferred + flying, total)) },
    etaMs: record.status === 'running' ? base.etaMs : null,
    retries: base.retries + flights.reduce((sum, flight) => sum + Math.max(0, flight.attempt - 1), 0),
    inFlight: flights,
    lastFailure: worstFailure(flights),
    source: answer === undefined ? 'records' : 'workflow',
  };
}

/** The progress as scripts read it: each counter is a key of its own, and `datasetId` is the cloud's id. */
export function progressJson(
  progress: Progress,
): Progress & { readonly datasetId: string | null } & Readonly<Record<string, unknown>> {
  return { ...progress, ...progress.counts, datasetId: progress.cloudDatasetId };
}

/** The failure of the step that has been tried most often. */
function worstFailure(flights: readonly UnitInFlight[]): FailureInfo | null {
  let worst: UnitInFlight | undefined;
  for (const flight of flights) {
    if (flight.lastFailure !== null && flight.attempt > (worst?.attempt ?? 0)) worst = flight;
  }
  return worst?.lastFailure ?? null;
}

/** Over this long a stretch the rate is averaged: long enough to be calm, short enough to show a stall. */
const RATE_WINDOW_MS = 15_000;
const RATE_MINIMUM_MS = 1_000;

/**
 * Rate and time left of the last 15 seconds, in place of the whole run's. Feed it every view in order.
 * Bytes that go back (a unit started over) give a rate of zero, not a negative one.
 */
export function createRate(): (progress: Progress, nowMs: number) => Progress {
  const samples: { atMs: number; bytes: number }[] = [];
  return (progress, nowMs) => {
    const bytes = progress.bytes.transferred;
    samples.push({ atMs: nowMs, bytes });
    while (samples.length > 2 && nowMs - samples[1]!.atMs >= RATE_WINDOW_MS) samples.shift();
    const first = samples[0]!;
    const elapsedMs = nowMs - first.atMs;
    if (progress.status !== 'running' || elapsedMs < RATE_MINIMUM_MS) return progress;
    const bytesPerSecond = Math.max(0, ((bytes - first.bytes) * 1_000) / elapsedMs);
    const left = progress.bytes.total - bytes;
    const moving = bytesPerSecond > 0 && left > 0 && progress.waitingFor === null;
    return { ...progress, bytesPerSecond, etaMs: moving ? (left * 1_000) / bytesPerSecond : null };
  };
}
