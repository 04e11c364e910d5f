/** A full disk is watched until it has room again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { freeSpace } from '../../disk/free-space.ts';
import type { RoomWatch } from '../../workflows/steps.ts';
import type { StepContext } from '../deps.ts';

/** Each watch holds one of the worker's places for steps; the others stay free for runs that can go on. */
const MAX_WATCHES = 4;
/** More room than this has come: a person or a program has cleaned up. */
const GROWTH_BYTES = 1024 * 1024;

let watches = 0;

/** @throws the signal's reason when the watch is cancelled, NDI_E_DISK_IO */
export async function awaitRoom({ signal }: StepContext, watch: RoomWatch): Promise<boolean> {
  if (watches >= MAX_WATCHES) return false;
  watches += 1;
  try {
    const { path, freeBytes } = watch.room;
    const needed = freeBytes ?? (await freeSpace(path)) + GROWTH_BYTES;
    // First a pause: a quota may refuse what the disk seems to have room for; the step would fail at once.
    do await sleep(watch.lookEveryMs, undefined, { signal });
    while ((await freeSpace(path)) < needed);
    return true;
  } finally {
    watches -= 1;
  }
}
