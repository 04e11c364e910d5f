/**
 * Reading archives that come from outside. The whole directory is judged first (`zip-directory.ts`); every
 * entry's own header, length and CRC are checked when it is read.
 *
 *   readEntries      entry by entry in memory
 *   readJsonEntries  `.json` entries in pieces; a large one is checked first and never held as a whole
 *
 * @throws NDI_E_ZIP_UNSAFE (permanent), NDI_E_ZIP_CORRUPT (retryable: fetch it again)
 */
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { crc32, createInflateRaw, inflateRaw, inflateRawSync } from 'node:zlib';
import { fileFailure } from '../disk/errors.ts';
import { CourierError, isCourierError } from '../errors/index.ts';
import type { UnzipLimits } from './types.ts';
import {
  corrupt,
  DEFAULT_LIMITS,
  readDirectory,
  readExactly,
  unsafe,
  type ZipItem,
} from './zip-directory.ts';
import { DEFLATED, LOCAL_BYTES, LOCAL_SIGNATURE } from './zip-format.ts';

export { DEFAULT_LIMITS } from './zip-directory.ts';

const inflateInPool = promisify(inflateRaw);
/** Up to this size an entry is inflated on the spot; a larger one in the thread pool. */
const ON_THE_SPOT_BYTES = 128 * 1024;
/** Read at once, so that thousands of small entries are not thousands of reads. */
const WINDOW_BYTES = 1024 * 1024;

/** Every entry but folders, in the order of the directory, one in memory at a time. */
export async function* readEntries(
  path: string,
  limits: UnzipLimits = DEFAULT_LIMITS,
): AsyncGenerator<{ readonly name: string; readonly bytes: Buffer }> {
  const file = await openArchive(path);
  try {
    const read = windowed(file);
    const { items } = await readDirectory(file, limits);
    for (const item of items) {
      if (item.isDirectory) continue;
      const near = read.cached(item);
      yield { name: item.name, bytes: await unpack(item, near ?? (await read.fetch(item))) };
    }
  } finally {
    await file.close();
  }
}

/** Entries up to here are unpacked at once; larger ones stream, twice. */
const HELD_BYTES = 8 * 1024 * 1024;

/**
 * The `.json` entries, each in pieces that are whole UTF-8 together. The bytes of an entry are checked before
 * its first piece is given. The JSON itself is the caller's to judge.
 * @throws NDI_E_BAD_JSON for an entry that is not UTF-8
 */
export async function* readJsonEntries(
  path: string,
  limits: UnzipLimits = DEFAULT_LIMITS,
): AsyncGenerator<{ readonly name: string; readonly pieces: AsyncIterable<Buffer> }> {
  const file = await openArchive(path);
  try {
    const read = windowed(file);
    const { items } = await readDirectory(file, limits);
    for (const item of items) {
      if (item.isDirectory || !item.name.toLowerCase().endsWith('.json')) continue;
      const isHeld = item.sizeBytes <= HELD_BYTES && item.compressedBytes <= HELD_BYTES;
      const held = isHeld ? await unpack(item, read.cached(item) ?? (await read.fetch(item))) : undefined;
      const pieces = (): AsyncIterable<Buffer> => (held === undefined ? streamed(file, item) : only(held));
      await ensureUtf8(item, pieces());
      yield { name: item.name, pieces: pieces() };
    }
  } finally {
    await file.close();
  }
}

async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

async function ensureUtf8(item: ZipItem, pieces: AsyncIterable<Buffer>): Promise<void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const check = (bytes: Buffer | undefined): void => {
    try {
      decoder.decode(bytes, { stream: bytes !== undefined });
    } catch {
      throw new CourierError('NDI_E_BAD_JSON', { detail: `${item.name} is not UTF-8.` });
    }
  };
  for await (const bytes of pieces) check(bytes);
  check(undefined);
}

async function* readWindows(file: FileHandle, start: number, sizeBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < sizeBytes; at += WINDOW_BYTES)
    yield await readExactly(file, start + at, Math.min(WINDOW_BYTES, sizeBytes - at));
}

/**
 * An entry piece by piece, inflated no further than the size that was judged; its length and CRC are known at
 * the end.
 */
async function* streamed(file: FileHandle, item: ZipItem): AsyncGenerator<Buffer> {
  const start = item.offset + dataStart(item, await readExactly(file, item.offset, headBytes(item)));
  const packed = Readable.from(readWindows(file, start, item.compressedBytes), { objectMode: false });
  const inflate = item.method === DEFLATED ? createInflateRaw({ chunkSize: WINDOW_BYTES }) : undefined;
  const pieces = inflate === undefined ? packed : packed.pipe(inflate);
  packed.once('error', (error) => inflate?.destroy(error));
  let sum = 0;
  let sizeBytes = 0;
  try {
    for await (const piece of pieces as AsyncIterable<Buffer>) {
      sizeBytes += piece.length;
      if (sizeBytes > item.sizeBytes) throw unsafe(`${item.name} is longer than it says`);
      sum = crc32(piece, sum);
      yield piece;
    }
  } catch (error) {
    throw isCourierError(error) ? error : (asZipFailure(error) ?? error);
  } finally {
    packed.destroy();
    inflate?.destroy();
  }
  if (sizeBytes !== item.sizeBytes || sum !== item.crc32) throw corrupt(`${item.name} is damaged`);
}

async function openArchive(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    throw fileFailure(error, path);
  }
}

const headBytes = (item: ZipItem): number =>
  Math.min(LOCAL_BYTES + item.rawName.length, item.limit - item.offset);

/**
 * Where an entry's data begins in `head`, which begins with its header. The header must say what the
 * directory said.
 */
function dataStart(item: ZipItem, head: Buffer): number {
  const same =
    head.length >= LOCAL_BYTES + item.rawName.length &&
    head.readUInt32LE(0) === LOCAL_SIGNATURE &&
    head.readUInt16LE(8) === item.method &&
    head.readUInt16LE(26) === item.rawName.length &&
    head.subarray(LOCAL_BYTES, LOCAL_BYTES + item.rawName.length).equals(item.rawName);
  if (!same) throw corrupt(`${item.name} is not where the directory says`);
  const start = LOCAL_BYTES + item.rawName.length + head.readUInt16LE(28);
  if (item.offset + start + item.compressedBytes > item.limit)
    throw unsafe(`${item.name} overlaps what follows it`);
  return start;
}

async function unpack(item: ZipItem, stored: Buffer): Promise<Buffer> {
  const start = dataStart(item, stored);
  const data = stored.subarray(start, start + item.compressedBytes);
  const bytes = item.method === DEFLATED ? await inflate(item, data) : Buffer.from(data);
  if (bytes.length !== item.sizeBytes || crc32(bytes) !== item.crc32)
    throw corrupt(`${item.name} is damaged`);
  return bytes;
}

async function inflate(item: ZipItem, data: Buffer): Promise<Buffer> {
  // Stops where the announced length is passed: the announcement was a lie then.
  const options = { maxOutputLength: Math.max(1, item.sizeBytes), chunkSize: Math.max(64, item.sizeBytes) };
  try {
    return item.sizeBytes <= ON_THE_SPOT_BYTES
      ? inflateRawSync(data, options)
      : await inflateInPool(data, { ...options, chunkSize: Math.min(options.chunkSize, WINDOW_BYTES) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw unsafe(`${item.name} is longer than it says`);
    }
    throw corrupt(`${item.name} is damaged`);
  }
}

/** The errors of zlib and unzipper mean a damaged archive. */
function asZipFailure(error: unknown): CourierError | undefined {
  const { code, message } = error as NodeJS.ErrnoException;
  const zlib = typeof code === 'string' && /^(Z_|ERR_ZLIB)/.test(code);
  return zlib || /FILE_ENDED|invalid|signature/i.test(message) ? corrupt('It is damaged') : undefined;
}

/**
 * All that an entry can take: its extra field may have any length up to 65,535, and the gap behind it any at
 * all.
 */
const extentOf = (item: ZipItem): number =>
  Math.min(item.limit - item.offset, LOCAL_BYTES + item.rawName.length + 0xffff + item.compressedBytes);

/** Reads entries through a window over the file: neighbours come with one read. */
function windowed(file: FileHandle): {
  cached(item: ZipItem): Buffer | undefined;
  fetch(item: ZipItem): Promise<Buffer>;
} {
  let start = 0;
  let window: Buffer = Buffer.alloc(0);
  const cached = (item: ZipItem): Buffer | undefined => {
    const end = item.offset + extentOf(item);
    const inside = item.offset >= start && end <= start + window.length;
    return inside ? window.subarray(item.offset - start, end - start) : undefined;
  };
  return {
    cached,
    fetch: async (item) => {
      const { size } = await file.stat();
      const wanted = Math.max(extentOf(item), Math.min(WINDOW_BYTES, size - item.offset));
      window = await readExactly(file, item.offset, wanted);
      start = item.offset;
      return window.subarray(0, extentOf(item));
    },
  };
}
