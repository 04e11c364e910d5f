/**
 * Opening the files of a dataset for reading. Whoever owns a dataset may put anything in a file's place
 * between the look and the read: a pipe without a writer would hold the thread for ever, a link to
 * `/dev/zero` has no end, and a file may grow while it is read.
 *
 *   openSource, openSourceSync   the descriptor of a regular file of the planned size
 *   sourcePieces, fillFromSource its bytes, never more than were planned
 *   readSourceText               a small text at once
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { CourierError } from '../errors/index.ts';

/** A pipe opens at once, and a terminal does not become ours; Windows has neither flag nor need. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);
const PIECE_BYTES = 1024 * 1024;
/** Texts of a dataset's folder (ids, the sync index of 100,000 documents) have a few megabytes at most. */
const MAX_TEXT_BYTES = 64 * 1024 * 1024;

export interface Source<Handle> {
  readonly path: string;
  readonly file: Handle;
  /** As it was when it was opened. Its size is the planned one. */
  readonly stats: Stats;
}

/**
 * Opens a file of a dataset. It never waits for a writer at the other end of a pipe. The caller closes
 * `file`.
 * @throws NDI_E_FILE_UNREADABLE for all but a regular file; NDI_E_FILE_CHANGED where it has another size than
 * `plannedBytes`; the error of the system
 */
export async function openSource(path: string, plannedBytes?: number): Promise<Source<FileHandle>> {
  const file = await open(path, FLAGS);
  try {
    return { path, file, stats: asPlanned(path, await file.stat(), plannedBytes) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** As `openSource`, on the spot. `file` is a descriptor. */
export function openSourceSync(path: string, plannedBytes?: number): Source<number> {
  const file = openSync(path, FLAGS);
  try {
    return { path, file, stats: asPlanned(path, fstatSync(file), plannedBytes) };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function asPlanned(path: string, stats: Stats, plannedBytes: number | undefined): Stats {
  ensureRegular(path, stats);
  if (plannedBytes !== undefined && stats.size !== plannedBytes) {
    throw new CourierError('NDI_E_FILE_CHANGED', {
      detail: `${path} had ${plannedBytes} bytes when the run looked, and has ${stats.size} now.`,
    });
  }
  return stats;
}

/** @throws NDI_E_FILE_UNREADABLE for all but a regular file, named */
export function ensureRegular(path: string, stats: Stats): void {
  if (stats.isFile()) return;
  throw new CourierError('NDI_E_FILE_UNREADABLE', { detail: `${path} is no file but ${kindOf(stats)}.` });
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}

/** One byte is asked for beyond the planned size, to notice a file that grew. */
const beyond = Buffer.allocUnsafeSlow(1);

/**
 * Fills `data` with the bytes of the file at `path`, on the spot.
 * @throws as `openSource`; NDI_E_FILE_CHANGED for a file that has more or fewer bytes than `data`
 */
export function fillFromSource(path: string, data: Uint8Array): void {
  const { file } = openSourceSync(path, data.length);
  try {
    if (readUpTo(file, data, 0) !== data.length || readSync(file, beyond, 0, 1, data.length) !== 0) {
      throw sourceChanged(path);
    }
  } finally {
    closeSync(file);
  }
}

/** Bytes from `position` on that fit into `data`; how many there were. */
export function readUpTo(fd: number, data: Uint8Array, position: number): number {
  let at = 0;
  for (let count = 1; at < data.length && count > 0; at += count) {
    count = readSync(fd, data, at, data.length - at, position + at);
  }
  return at;
}

/**
 * All bytes of an open file, as many as it had when it was opened.
 * @throws NDI_E_FILE_CHANGED for one that grew or shrank since
 */
export async function readSource({ path, file, stats }: Source<FileHandle>): Promise<Buffer> {
  const data = Buffer.allocUnsafe(stats.size);
  for (let at = 0; at < data.length; ) {
    const { bytesRead } = await file.read(data, at, data.length - at, at);
    if (bytesRead === 0) throw sourceChanged(path);
    at += bytesRead;
  }
  await ensureEnd(file, path, stats.size);
  return data;
}

/**
 * Asks for one byte beyond the planned size: a file may have grown, and a bad disk fails even where nothing
 * was planned.
 */
async function ensureEnd(file: FileHandle, path: string, sizeBytes: number): Promise<void> {
  const { bytesRead } = await file.read(Buffer.allocUnsafe(1), 0, 1, sizeBytes);
  if (bytesRead !== 0) throw sourceChanged(path);
}

/**
 * The bytes of the file at `path`, piece by piece; nothing is opened before the first is asked for.
 * @throws as `openSource`; NDI_E_FILE_CHANGED for a file that was written while it was read
 */
export async function* sourcePieces(path: string, plannedBytes?: number): AsyncGenerator<Uint8Array> {
  const { file, stats } = await openSource(path, plannedBytes);
  try {
    for (let at = 0; at < stats.size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, stats.size - at));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw sourceChanged(path);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    await ensureEnd(file, path, stats.size);
    const after = await file.stat();
    if (after.size !== stats.size || after.mtimeMs !== stats.mtimeMs) throw sourceChanged(path);
  } finally {
    await file.close();
  }
}

/**
 * The text of a small file in a dataset's folder.
 * @throws as `openSource`; NDI_E_FILE_UNREADABLE for a larger one
 */
export function readSourceText(path: string, maxBytes: number = MAX_TEXT_BYTES): string {
  const { file, stats } = openSourceSync(path);
  try {
    if (stats.size > maxBytes) {
      throw new CourierError('NDI_E_FILE_UNREADABLE', {
        detail: `${path} has ${stats.size} bytes; at most ${maxBytes} are read.`,
      });
    }
    const data = Buffer.allocUnsafe(stats.size);
    return data.toString('utf8', 0, readUpTo(file, data, 0));
  } finally {
    closeSync(file);
  }
}

export const sourceChanged = (path: string): CourierError =>
  new CourierError('NDI_E_FILE_CHANGED', { detail: path });
