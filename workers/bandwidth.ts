/**
 * The bandwidth limit of this computer: a file in the state folder, else `network.bwlimit` of `config.json`
 * there. Workers read both again while they run.
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
  return readIfThere(fileOf(home))?.trim() ?? configured(home) ?? 'off';
}

function configured(home: Home): string | undefined {
  const text = readIfThere(join(home.dir, 'config.json'));
  if (text === undefined) return undefined;
  const { network } = JSON.parse(text) as { readonly network?: { readonly bwlimit?: unknown } };
  return network?.bwlimit === undefined ? undefined : String(network.bwlimit);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @throws NDI_E_USAGE */
export const checkBandwidth = (text: string): void => void parseBandwidth(text);

/**
 * Running workers take it within about a second. `config` goes back to what `config.json` says.
 * @throws NDI_E_USAGE, and nothing is changed
 */
export function writeBandwidth(home: Home, text: string): void {
  if (text.trim() === 'config') {
    rmSync(fileOf(home), { force: true });
    return;
  }
  checkBandwidth(text);
  // `off` is written, too: it holds against a limit in `config.json`.
  writeAtomically(fileOf(ensureHome(home)), `${text.trim()}\n`);
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
