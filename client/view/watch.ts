/**
 * Draws a run on stderr while it goes on: redrawn in place on a terminal, else one line when something
 * changed, at most every five seconds. stdout stays free for results.
 */
import { createLogUpdate } from 'log-update';
import type { Progress } from '../progress.ts';
import { fraction } from './format.ts';
import { liveLines, plainLine } from './progress-lines.ts';

export interface View {
  show(progress: Progress): void;
  /** Leaves the last picture standing (`keep`) or takes it away. */
  stop(keep: boolean): void;
}

export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const PLAIN_EVERY_MS = 5_000;
const FAILURE_EVERY_MS = 2_000;

/** A view for this stream. `now` is for tests. */
export function createView(stream: NodeJS.WriteStream | Screen, now: () => number = Date.now): View {
  // Some pseudo-terminals have no size; nothing could be drawn in place there.
  const drawable = stream.isTTY === true && (stream.columns ?? 0) > 0 && (stream.rows ?? 0) > 0;
  return drawable ? liveView(stream as NodeJS.WriteStream, now) : plainView(stream, now);
}

function liveView(stream: NodeJS.WriteStream, now: () => number): View {
  const draw = createLogUpdate(stream);
  let leastShare = 0;
  let shown: { readonly lines: readonly string[]; readonly columns: number } | undefined;
  return {
    show: (progress) => {
      leastShare = Math.max(leastShare, fraction(progress.bytes));
      const columns = stream.columns ?? 80;
      const lines = liveLines(progress, { columns, nowMs: now(), leastShare });
      if (shown !== undefined && shown.columns !== columns) {
        stream.write(eraseReflowed(shown.lines, columns));
        draw.done();
      }
      draw(lines.join('\n'));
      shown = { lines, columns };
    },
    stop: (keep) => {
      if (keep) draw.done();
      else draw.clear();
    },
  };
}

/** A terminal that was made narrower has wrapped the lines on it: they take more rows than were drawn. */
function eraseReflowed(lines: readonly string[], columns: number): string {
  const rows = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
  return `${'\u001b[1A\u001b[2K'.repeat(rows)}\u001b[G`;
}

function plainView(stream: Screen, now: () => number): View {
  let shown = '';
  let shownAtMs = Number.NEGATIVE_INFINITY;
  let waitingCode: string | undefined;
  let failureCode: string | undefined;
  let last: string | undefined;
  let leastShare = 0;
  const print = (line: string): void => {
    shown = line;
    shownAtMs = now();
    stream.write(`${line}\n`);
  };
  return {
    show: (progress) => {
      leastShare = Math.max(leastShare, fraction(progress.bytes));
      last = plainLine(progress, leastShare);
      // Why it stands still is said at once.
      const code = progress.waitingFor?.code;
      const urgent = code !== waitingCode;
      waitingCode = code;
      const everyMs = progress.lastFailure?.code === failureCode ? PLAIN_EVERY_MS : FAILURE_EVERY_MS;
      if (last === shown || (!urgent && now() - shownAtMs < everyMs)) return;
      failureCode = progress.lastFailure?.code;
      print(last);
    },
    stop: (keep) => {
      if (keep && last !== undefined && last !== shown) print(last);
    },
  };
}
