/**
 * Log lines, and log files of processes that outlive their starter. Each process appends to its file itself,
 * so nothing is lost when the supervisor is killed. The supervisor only cuts a file that has grown: it copies
 * the file aside and empties it. Every writer has it open for appending, so the next line lands at the new
 * start.
 */
import { copyFileSync, openSync, readFileSync, renameSync, statSync, truncateSync } from 'node:fs';

/** How the parts of `workers/` tell a person what they are doing: one finished sentence per call. */
export type Log = (line: string) => void;

export const silent: Log = () => {};

const MAX_BYTES = 10_000_000;
const KEPT = 2;

/** A descriptor to hand to a child; the caller closes it. */
export const openLog = (path: string): number => openSync(path, 'a', 0o600);

/**
 * Moves a log of more than `maxBytes` to `<path>.1` (and `.1` to `.2`). Lines written meanwhile may be lost.
 */
export function rotateLog(path: string, maxBytes: number = MAX_BYTES): void {
  try {
    if (statSync(path).size <= maxBytes) return;
    for (let n = KEPT; n > 1; n -= 1) {
      try {
        renameSync(`${path}.${n - 1}`, `${path}.${n}`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    copyFileSync(path, `${path}.1`);
    truncateSync(path, 0);
  } catch (error) {
    // A full disk must not end the supervisor.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') console.error(`rotating ${path}: ${error}`);
  }
}

/** The end of a log, for an error message. */
export function lastLines(path: string, lines: number): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}
