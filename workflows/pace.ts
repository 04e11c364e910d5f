/** How fast bytes have moved while units were in flight, and how long the rest takes at that. Of units that are done. */
import type { RunProgress } from './contracts.ts';

/** Shorter than this says nothing. */
const MINIMUM_MS = 1_000;

type Pace = Pick<RunProgress, 'bytesPerSecond' | 'etaMs'>;

export interface Pacemaker {
  /** Units begin to fly, or do again after a wait. */
  begin(nowMs: number, bytes: number): void;
  end(nowMs: number, bytes: number): void;
  /** `nowMs` is workflow time: the same at replay. */
  of(progress: RunProgress, nowMs: number): Pace;
}

export function createPacemaker(): Pacemaker {
  let movingMs = 0;
  let movedBytes = 0;
  let since: { readonly nowMs: number; readonly bytes: number } | undefined;
  const end = (nowMs: number, bytes: number): void => {
    if (since === undefined) return;
    movingMs += nowMs - since.nowMs;
    movedBytes += bytes - since.bytes;
    since = undefined;
  };
  return {
    begin: (nowMs, bytes) => {
      end(nowMs, bytes);
      since = { nowMs, bytes };
    },
    end,
    of: ({ bytes, waitingFor }, nowMs) => {
      const ms = movingMs + (since === undefined ? 0 : nowMs - since.nowMs);
      const moved = movedBytes + (since === undefined ? 0 : bytes.transferred - since.bytes);
      if (ms < MINIMUM_MS) return { bytesPerSecond: null, etaMs: null };
      const bytesPerSecond = (moved * 1_000) / ms;
      const left = bytes.total - bytes.transferred;
      const knows = bytesPerSecond > 0 && left > 0 && since !== undefined && waitingFor === null;
      return { bytesPerSecond, etaMs: knows ? (left * 1_000) / bytesPerSecond : null };
    },
  };
}
