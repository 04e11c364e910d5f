/**
 * The rate at which bytes moved while units were in flight, and the time that the rest takes at that rate.
 */
import type { RunProgress } from '../contracts/common.ts';

/** Shorter stretches give no rate. */
const MINIMUM_MS = 1_000;

type Rate = Pick<RunProgress, 'bytesPerSecond' | 'etaMs'>;

export interface RateMeter {
  /** Units are in flight from now on, or again after a wait. */
  begin(nowMs: number, bytes: number): void;
  end(nowMs: number, bytes: number): void;
  /** `nowMs` is workflow time: the same at replay. */
  of(progress: Pick<RunProgress, 'bytes' | 'waitingFor'>, nowMs: number): Rate;
}

export function createRateMeter(): RateMeter {
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
