/**
 * Writing small files in a helper thread, for `../place.ts`, many at a time. First all are written, then all
 * are forced to disk: the first flush takes most of the others with it.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  renameSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fsyncDirectorySync } from '../../disk/fsync.ts';
import type { FileToPlace, PlaceOrder, PlaceReply, ThreadFailure } from './messages.ts';

export function placeFiles({ id, files }: PlaceOrder): PlaceReply {
  const placed: (ThreadFailure | null)[] = files.map(() => null);
  const open: (number | undefined)[] = [];
  const each = (body: (file: FileToPlace, n: number) => unknown): void => {
    for (const [n, file] of files.entries()) {
      if (placed[n] !== null) continue;
      try {
        body(file, n);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        placed[n] = { code, message };
      }
    }
  };
  try {
    each(({ partial, bytes }, n) => {
      // Neither truncated nor made anew when it exists: another try for the same object may be writing the
      // same bytes to it.
      const fd = openSync(partial, constants.O_RDWR | constants.O_CREAT, 0o644);
      open[n] = fd;
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, at);
    });
    each(({ force }, n) => force && fsyncSync(open[n] as number));
    each(({ partial, target }, n) => {
      const fd = open[n] as number;
      const mine = fstatSync(fd);
      // Before the name is given: a network file system or a quota may tell a full disk only now.
      open[n] = undefined;
      closeSync(fd);
      rename(mine, partial, target);
    });
  } finally {
    for (const fd of open) if (fd !== undefined) closeQuietly(fd);
  }
  const flushed = new Set<string>();
  each(({ target, force }) => {
    const folder = dirname(target);
    if (!force || flushed.has(folder)) return;
    fsyncDirectorySync(folder);
    flushed.add(folder);
  });
  return { id, placed };
}

/** Another try for the same object may have been first; then the same bytes are in place already. */
function rename(mine: Stats, partial: string, target: string): void {
  try {
    renameSync(partial, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const there = statSync(target, { throwIfNoEntry: false });
    if (there?.ino !== mine.ino || there.dev !== mine.dev) throw error;
  }
}

/** Closes a file that has failed already. */
function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // Its first failure is the one to report.
  }
}
