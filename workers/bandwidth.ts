/**
 * The bandwidth limit of this computer: a file in the state folder, which workers read again while they run.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from '../disk/write.ts';
import { bandwidthAt, parseBandwidth } from '../transfer/bandwidth.ts';
import type { Throttle } from '../transfer/types.ts';
import { ensureHome, type Home } from './home.ts';

const POLL_MS = 1_000;

const fileOf = (home: Home): string => join(home.dir, 'bwlimit');

/** As it was set; `off` when it never was. */
export function readBandwidth(home: Home): string {
  try {
    return readFileSync(fileOf(home), 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'off';
    throw error;
  }
}

/** Running workers take it within about a second. @throws NDI_E_USAGE, and nothing is changed */
export function writeBandwidth(home: Home, text: string): void {
  parseBandwidth(text);
  if (text.trim().toLowerCase() === 'off') rmSync(fileOf(home), { force: true });
  else writeAtomically(fileOf(ensureHome(home)), `${text.trim()}\n`);
}

/**
 * Turns the throttle by the file and the clock until the returned function is called. A file that cannot be
 * read changes nothing.
 */
export function followBandwidth(home: Home, throttle: Throttle): () => void {
  let last: number | undefined;
  const look = (): void => {
    try {
      const next = bandwidthAt(parseBandwidth(readBandwidth(home)), new Date());
      if (next !== last) throttle.setBytesPerSecond(next);
      last = next;
    } catch {
      // The limit from before holds.
    }
  };
  look();
  const timer = setInterval(look, POLL_MS).unref();
  return () => clearInterval(timer);
}
