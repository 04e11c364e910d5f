/**
 * A run drawn as text. Pure: the same progress gives the same lines.
 *
 *   liveLines    the block that is redrawn in place while a terminal watches
 *   plainLine    one line for logs and pipes
 *   resultLines  what is printed at the end
 */
import type { Counts, PreviewResult, RunResult } from '../../workflows/contracts/index.ts';
import { operationSpec, phaseText } from '../../workflows/operations.ts';
import type { Progress, UnitInFlight } from '../progress.ts';
import {
  bar,
  formatBytes,
  formatCount,
  formatCounts,
  formatDuration,
  formatRate,
  fraction,
  plural,
  printable,
  shorten,
} from './format.ts';
import { syncLines } from './sync-lines.ts';

export interface Canvas {
  readonly columns: number;
  readonly nowMs: number;
  /** Most lines of units in flight that are drawn. */
  readonly maxUnits?: number;
  /** The largest share shown so far, 0 to 1: what is shown never falls, even when the plan grows. */
  readonly leastShare?: number;
}

const BAR_WIDTH = 28;
/** Columns beside the bar: percent, bytes, rate, time left. */
const BESIDE_BAR = 60;
const MAX_UNITS = 6;

/** The block of a live view, each line within `columns`. */
export function liveLines(progress: Progress, canvas: Canvas): string[] {
  const { bytes } = progress;
  const share = Math.max(fraction(bytes), canvas.leastShare ?? 0);
  const lines = [`${phaseText(progress.operation, progress.phase)}  ${clock(progress, canvas.nowMs)}`];
  if (bytes.total > 0) {
    lines.push(
      `${bar(share, barWidth(canvas.columns))} ${percent(share)}  ${formatBytes(bytes.transferred)} of ${formatBytes(bytes.total)}${speed(progress)}`,
    );
  }
  lines.push(...countLines(progress.operation, progress.counts));
  const worries = worryLine(progress);
  if (worries !== undefined) lines.push(worries);
  lines.push(...waitingLines(progress, canvas.nowMs));
  lines.push(...unitLines(progress, canvas));
  return lines.map((line) => shorten(line, Math.max(20, canvas.columns - 1)));
}

/** The counters of a run type with their words, in its order; `from` has them as fields. */
function counted(
  operation: string,
  from: Readonly<Record<string, unknown>>,
): [word: string, counts: Counts][] {
  return Object.entries(operationSpec(operation)?.counters ?? {}).flatMap(([counter, word]) => {
    const counts = from[counter] as Counts | undefined;
    return counts === undefined ? [] : [[word, counts] as [string, Counts]];
  });
}

const countLines = (operation: string, from: Readonly<Record<string, unknown>>): string[] =>
  counted(operation, from).map(([word, counts]) => `${word.padEnd(10)} ${formatCounts(counts)}`);

const barWidth = (columns: number): number => Math.min(BAR_WIDTH, Math.max(6, columns - BESIDE_BAR));

const percent = (share: number): string => `${String(Math.floor(share * 100)).padStart(3)} %`;

function clock(progress: Progress, nowMs: number): string {
  const startedMs = Date.parse(progress.startedAt);
  return Number.isNaN(startedMs) ? '' : `(${formatDuration(nowMs - startedMs)})`;
}

function speed({ bytesPerSecond, etaMs }: Progress): string {
  if (bytesPerSecond === null) return '';
  const eta = etaMs === null ? '' : `, ${formatDuration(etaMs)} left`;
  return `  ${formatRate(bytesPerSecond)}${eta}`;
}

function worryLine({ retries, problemCount }: Progress): string | undefined {
  const parts = [];
  if (retries > 0) parts.push(`${retries} ${retries === 1 ? 'retry' : 'retries'}`);
  if (problemCount > 0) parts.push(plural(problemCount, 'problem'));
  return parts.length === 0 ? undefined : parts.join(' · ');
}

/** The reason why the run waits and the next step: a person looks for these two when nothing moves. */
function waitingLines(progress: Progress, nowMs: number): string[] {
  const lines: string[] = [];
  const waiting = progress.waitingFor;
  if (waiting !== null) {
    const since = Date.parse(waiting.since);
    const time = Number.isNaN(since) ? '' : ` (for ${formatDuration(nowMs - since)})`;
    lines.push(`Waiting: ${printable(waiting.sentence)}${time}`, `  → ${waiting.nextStep}`);
  } else if (progress.lastFailure !== null) {
    lines.push(`Trying again: ${printable(progress.lastFailure.sentence)}`);
  }
  if (progress.source === 'records' && progress.status === 'running' && waiting?.kind !== 'service') {
    lines.push('No worker answers right now; this is what the server has on record.');
  }
  return lines;
}

function unitLines(progress: Progress, canvas: Canvas): string[] {
  const limit = canvas.maxUnits ?? MAX_UNITS;
  const flights = progress.inFlight;
  const lines = flights.slice(0, limit).map((flight) => `  ${unitLine(flight, progress, canvas.nowMs)}`);
  if (flights.length > limit) lines.push(`  and ${flights.length - limit} more in flight`);
  return lines;
}

function unitLine(flight: UnitInFlight, { operation, phase }: Progress, nowMs: number): string {
  // Until its first heartbeat a step is known by its name in the code alone.
  const what = STEP_NAME.test(flight.what) ? phaseText(operation, phase) : printable(flight.what);
  const size = flight.ofBytes > 0 ? `  ${formatBytes(flight.bytes)} of ${formatBytes(flight.ofBytes)}` : '';
  const attempt = flight.attempt > 1 ? `  try ${flight.attempt}` : '';
  return `${what}${size}${attempt}${stateText(flight, nowMs)}`;
}

const STEP_NAME = /^[a-z]+(?:[A-Z][a-z]*)+$/;

function stateText(flight: UnitInFlight, nowMs: number): string {
  if (flight.state === 'queued') return '  waiting for a worker';
  if (flight.state !== 'backing-off') return '';
  const next = flight.nextTryAt === null ? Number.NaN : Date.parse(flight.nextTryAt) - nowMs;
  return Number.isNaN(next) || next <= 0 ? '  about to be tried again' : `  again in ${formatDuration(next)}`;
}

/** Everything of importance on one line, for logs. */
export function plainLine(progress: Progress, leastShare = 0): string {
  const { bytes } = progress;
  const parts = [phaseText(progress.operation, progress.phase)];
  if (bytes.total > 0) {
    parts.push(
      `${percent(Math.max(fraction(bytes), leastShare)).trim()}, ${formatBytes(bytes.transferred)} of ${formatBytes(bytes.total)}${speed(progress)}`,
    );
  }
  for (const [word, counts] of counted(progress.operation, progress.counts))
    parts.push(`${word} ${formatCounts(counts)}`);
  const worries = worryLine(progress);
  if (worries !== undefined) parts.push(worries);
  if (progress.waitingFor !== null) {
    parts.push(`waiting: ${printable(progress.waitingFor.sentence)} ${progress.waitingFor.nextStep}`);
  } else if (progress.lastFailure !== null) {
    parts.push(`trying again: ${printable(progress.lastFailure.sentence)}`);
  }
  return parts.join(' · ');
}

/** A plan in numbers. */
export function planLines(plan: PreviewResult): string[] {
  const lines = [
    `This would move ${plural(plan.documents.transferred, 'document')} and ${plural(plan.files.transferred, 'file')}, ${formatBytes(plan.bytes)}. Nothing was written.`,
    ...countLines(plan.operation, { ...plan }),
    `cloud id   ${plan.datasetId === '' ? 'a new cloud dataset' : plan.datasetId}`,
    `folder     ${plan.directory}`,
    ...differenceLines(plan),
  ];
  for (const problem of plan.problems.slice(0, SHOWN_PROBLEMS)) lines.push(problemLine(problem));
  const more = plan.problemCount - Math.min(SHOWN_PROBLEMS, plan.problems.length);
  if (more > 0) lines.push(`  and ${more} more; see them with --list`);
  return lines;
}

const problemLine = ({ kind, id, detail, code }: RunResult['problems'][number]): string =>
  `  ${kind} ${printable(id)}: ${printable(detail)} (${code})`;

const DIFFERENCES = {
  changedHere: 'changed here',
  changedThere: 'changed in the cloud',
  goneHere: 'gone here',
  onlyInCloud: 'only in the cloud',
} as const;

/** Differences between both sides, one line per kind; nothing where they agree. The report has the names. */
function differenceLines(result: RunResult): string[] {
  if (!('differences' in result) || result.differences === undefined) return [];
  return Object.entries(result.differences).flatMap(([kind, counts]) => {
    const parts = Object.entries(DIFFERENCES)
      .filter(([what]) => counts[what as keyof typeof DIFFERENCES] > 0)
      .map(([what, words]) => `${counts[what as keyof typeof DIFFERENCES]} ${words}`);
    return parts.length === 0 ? [] : [`${kind} that differ: ${parts.join(', ')}`];
  });
}

/** Problems a person sees at the end; the report has them all. */
const SHOWN_PROBLEMS = 10;

/** The whole run in one line: what was moved, how long it took, and how quick that was. */
function totalLine(result: RunResult, tookMs: number): string {
  const items = counted(result.operation, { ...result }).map(
    ([word, { transferred }]) => `${formatCount(transferred)} ${word}`,
  );
  const pace =
    result.bytes > 0 && tookMs > 0 ? `, ${formatRate((result.bytes * 1_000) / tookMs)} on average` : '';
  return `Total: ${[...items, formatBytes(result.bytes)].join(', ')} in ${formatDuration(tookMs)}${pace}.`;
}

/** `tookMs`: from start to end of the run, where it is known; the last line is the total then. */
export function resultLines(result: RunResult, tookMs?: number): string[] {
  const what = operationSpec(result.operation)?.noun ?? result.operation;
  if (result.operation === 'sync' || result.operation === 'diff')
    return [...syncLines(result), ...problemLines(result), ...timeLines(result, tookMs)];
  if (result.status === 'planned') return planLines(result);
  const moved = result.bytes > 0 ? `${formatBytes(result.bytes)} moved` : 'nothing had to be moved';
  const lines = [
    result.status === 'done'
      ? `The ${what} is done: ${moved}.`
      : `The ${what} is done, but ${plural(result.problemCount, 'item')} could not be taken along; ${moved}.`,
    ...countLines(result.operation, { ...result }),
    `cloud id   ${result.datasetId}`,
    `folder     ${result.directory}`,
  ];
  // A run that found everything in place writes none.
  if (result.reportPath !== '') lines.push(`report     ${result.reportPath}`);
  if (result.retries > 0) lines.push(`retries    ${result.retries}`);
  lines.push(...differenceLines(result));
  if ('duplicatesRemoved' in result && result.duplicatesRemoved > 0)
    lines.push(`duplicates removed  ${result.duplicatesRemoved}`);
  return [...lines, ...problemLines(result), ...timeLines(result, tookMs)];
}

function problemLines({ problems, problemCount }: RunResult): string[] {
  const lines = problems.slice(0, SHOWN_PROBLEMS).map(problemLine);
  const more = problemCount - lines.length;
  if (lines.length > 0 && more > 0) lines.push(`  and ${more} more in the report`);
  return lines;
}

const timeLines = (result: RunResult, tookMs: number | undefined): string[] =>
  tookMs === undefined || Number.isNaN(tookMs) ? [] : [totalLine(result, tookMs)];
