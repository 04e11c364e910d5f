/**
 * Draws a run on stderr while it goes on: redrawn in place on a terminal, else one line when something changed, at most
 * every five seconds. stdout stays free for results.
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
  return {
    show: (progress) => {
      leastShare = Math.max(leastShare, fraction(progress.bytes));
      draw(liveLines(progress, { columns: stream.columns ?? 80, nowMs: now(), leastShare }).join('\n'));
    },
    stop: (keep) => {
      if (keep) draw.done();
      else draw.clear();
    },
  };
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
