/**
 * The progress of a run as its workflow keeps it: how it begins, how it comes back after continue-as-new, how
 * units add to it.
 */
import { type Counts, NO_COUNTS, type RunInput, type RunProgress } from '../contracts/common.ts';
import { OPERATIONS, type Operation } from '../operations.ts';
import type { PlanSummary, UnitOutcome } from '../steps.ts';

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Fields of the progress that continue-as-new carried in release 0.1; runs of that release go on under this
 * code.
 */
interface ProgressV0 {
  readonly documents: Counts;
  readonly files: Counts;
  /** The cloud's id. */
  readonly datasetId: string | null;
}

export function beginProgress(operation: Operation, input: RunInput, startTime: Date): Mutable<RunProgress> {
  return {
    operation,
    phase: 'opening',
    waitingFor: null,
    paused: false,
    site: input.site,
    profile: input.cloud.profile,
    ndiDatasetId: null,
    cloudDatasetId: null,
    counts: Object.fromEntries(countersOf(operation).map((counter) => [counter, NO_COUNTS])),
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

/** Progress carried over continue-as-new, from this release or from 0.1. */
export function restoreProgress(carried: RunProgress | (RunProgress & ProgressV0)): Mutable<RunProgress> {
  if (carried.counts !== undefined) return { ...carried, waitingFor: null };
  const { documents, files, datasetId, ...common } = carried as RunProgress & ProgressV0;
  return {
    ...common,
    waitingFor: null,
    ndiDatasetId: null,
    cloudDatasetId: datasetId,
    counts: { documents, files },
  };
}

/** Adds what one finished unit moved. */
export function countUnit(progress: Mutable<RunProgress>, outcome: UnitOutcome): void {
  const counts = Object.entries(progress.counts).map(([counter, before]) => {
    const delta = outcome[counter as keyof typeof outcome] as UnitOutcome['documents'];
    const { transferred, failed } = delta ?? { transferred: 0, failed: 0 };
    return [
      counter,
      { ...before, transferred: before.transferred + transferred, failed: before.failed + failed },
    ];
  });
  progress.counts = Object.fromEntries(counts) as RunProgress['counts'];
  progress.bytes = { ...progress.bytes, transferred: progress.bytes.transferred + outcome.bytes };
  progress.units = { ...progress.units, done: progress.units.done + 1 };
  progress.retries += outcome.retries;
}

/**
 * The change that a plan makes. Its counts are those of the whole run and include what was transferred
 * already.
 */
export function planChange(progress: RunProgress, plan: PlanSummary): Partial<RunProgress> {
  return {
    counts: countsFrom(progress, plan),
    bytes: { total: plan.bytes, transferred: progress.bytes.transferred },
    units: { ...progress.units, total: plan.units },
    problemCount: plan.problemCount,
  };
}

/**
 * The counters of the operation, taken from a plan or a result, which have them as fields of the same names.
 */
export const countsFrom = (progress: RunProgress, from: object): RunProgress['counts'] =>
  Object.fromEntries(
    Object.entries(progress.counts).map(([counter, before]) => [
      counter,
      (from as Record<string, Counts | undefined>)[counter] ?? before,
    ]),
  );

const countersOf = (operation: Operation): string[] => Object.keys(OPERATIONS[operation].counters);
