/**
 * Archives of files, from disk to disk or straight into a PUT.
 *
 *   putZip    stored: streamed into the PUT, its length being known; deflated: by a scratch file
 *   writeZip  to a file, by our own codec when bounded, by archiver when large
 *
 * Whether deflating is worth it is decided by a sample of the content (`auto`): recordings are noise mostly,
 * tables are not.
 */
import { once } from 'node:events';
import { closeSync, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32, deflateRawSync } from 'node:zlib';
import { ZipArchive } from 'archiver';
import { fileFailure } from '../disk/errors.ts';
import {
  fillFromSource,
  openSource,
  openSourceSync,
  readSource,
  readUpTo,
  sourcePieces,
} from '../disk/source.ts';
import { entryFailure } from './failures.ts';
import { putFile, putStream } from './put.ts';
import type { PutResult, TransferOptions, ZipEntry } from './types.ts';
import { type MemoryEntry, packEntries, type ZipLevel } from './zip-documents.ts';
import {
  CENTRAL_BYTES,
  directoryOf,
  END_BYTES,
  ensureFlatNames,
  LOCAL_BYTES,
  localHeader,
  MAX_ARCHIVE_BYTES,
  MAX_ENTRIES,
  STORED,
  storedZipBytes,
  type WrittenEntry,
} from './zip-format.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

export interface ZipOptions {
  /** `auto`: level 1 where a sample shrinks by a third or more, else `store`. Default `auto`. */
  readonly level?: 'store' | 'auto' | Exclude<ZipLevel, 0>;
  readonly signal?: AbortSignal;
}

/** Entries up to here are held in memory, one at a time; larger ones are read in pieces. */
const IN_MEMORY_BYTES = 8 * MiB;
/**
 * Archives up to here are made by our own codec: measured, archiver takes 1.9 s for 10,000 entries that take
 * us 0.4 s.
 */
const OWN_CODEC_BYTES = 64 * MiB;
/**
 * Given out at once: small entries are gathered, so that an archive of 4 KiB files is not sent in 4 KiB
 * pieces.
 */
const PIECE_BYTES = MiB;

const sizeOf = (entry: ZipEntry): number => ('bytes' in entry ? entry.bytes.length : entry.sizeBytes);

/**
 * Sends one archive of `entries` in their order. The result's size and digests are the archive's.
 * @throws as `putFile`; NDI_E_BAD_ID for names that are not flat and unique; `EntryError` for what is about
 * one entry
 */
export async function putZip(
  url: string,
  entries: readonly ZipEntry[],
  options: TransferOptions & ZipOptions & { readonly scratchDir?: string } = {},
): Promise<PutResult> {
  const level = await chooseLevel(entries, options.level);
  if (level === 0 && isBounded(entries)) {
    ensureFlatNames(entries.map((entry) => entry.name));
    const sizeBytes = storedZipBytes(
      entries.map((entry) => ({ name: entry.name, sizeBytes: sizeOf(entry) })),
    );
    return await putStream(url, { open: () => storedZip(entries), sizeBytes }, options);
  }
  const dir = await mkdtemp(join(options.scratchDir ?? tmpdir(), 'zip-'));
  try {
    const path = join(dir, 'unit.zip');
    const { sizeBytes } = await writeZip(entries, path, { ...options, level: level === 0 ? 'store' : level });
    return await putFile(url, { path, sizeBytes }, options);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * Writes one archive of `entries` in their order to `path`.
 * @throws NDI_E_BAD_ID, NDI_E_FILE_CHANGED, NDI_E_FILE_MISSING, NDI_E_DISK_FULL
 */
export async function writeZip(
  entries: readonly ZipEntry[],
  path: string,
  options: ZipOptions = {},
): Promise<{ readonly sizeBytes: number; readonly deflated: boolean }> {
  ensureFlatNames(entries.map((entry) => entry.name));
  const level = await chooseLevel(entries, options.level);
  const totalBytes = entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
  const own = isBounded(entries) && (level === 0 || totalBytes <= OWN_CODEC_BYTES);
  try {
    if (own) {
      const pieces = level === 0 ? storedZip(entries) : gather(packEntries(wholeEntries(entries), level));
      await pipeline(pieces, createWriteStream(path), { signal: options.signal });
    } else await archive(entries, path, level, options.signal);
    return { sizeBytes: (await stat(path)).size, deflated: level > 0 };
  } catch (error) {
    await rm(path, { force: true });
    options.signal?.throwIfAborted();
    throw fileFailure(error, path);
  }
}

const isBounded = (entries: readonly ZipEntry[]): boolean =>
  entries.length <= MAX_ENTRIES &&
  storedZipBytes(entries.map((entry) => ({ name: entry.name, sizeBytes: sizeOf(entry) }))) <
    MAX_ARCHIVE_BYTES;

/** Archives by archiver: entries and archives of any size, streamed, with ZIP64 where it is needed. */
async function archive(
  entries: readonly ZipEntry[],
  path: string,
  level: ZipLevel,
  signal: AbortSignal | undefined,
): Promise<void> {
  const zip = new ZipArchive({ zlib: { level }, store: level === 0 });
  const written = pipeline(zip, createWriteStream(path), { signal });
  // Awaited below; a failure while entries are added must not count as unhandled meanwhile.
  written.catch(() => {});
  const date = new Date('1980-01-01T00:00:00');
  let source: Readable | undefined;
  try {
    for (const entry of entries) {
      const data = { name: entry.name, date, mode: 0o644 };
      const added = once(zip, 'entry');
      if ('bytes' in entry) zip.append(Buffer.from(entry.bytes), data);
      else {
        source = Readable.from(readInPieces(entry), { objectMode: false });
        source.once('error', (error) => zip.destroy(error));
        zip.append(source, data);
      }
      // One at a time: archiver begins to read whatever it is given.
      await Promise.race([added, written]);
    }
    await Promise.all([zip.finalize(), written]);
  } finally {
    source?.destroy();
  }
}

/**
 * A stored archive, in pieces. Its length is `storedZipBytes`.
 * @throws NDI_E_FILE_CHANGED when it would be another
 */
async function* storedZip(entries: readonly ZipEntry[]): AsyncGenerator<Uint8Array> {
  const written: WrittenEntry[] = [];
  let offset = 0;
  for (const batch of batches(entries)) {
    if (batch.length === 1 && sizeOf(batch[0] as ZipEntry) > IN_MEMORY_BYTES) {
      const large = batch[0] as FileEntry;
      const entry = storedEntry(large, await crcOfFile(large), offset);
      written.push(entry);
      const header = localHeader(entry);
      yield header;
      yield* readInPieces(large);
      offset += header.length + large.sizeBytes;
    } else {
      const piece = await storedBatch(batch, offset, written);
      yield piece;
      offset += piece.length;
    }
  }
  yield directoryOf(written, offset);
}

type FileEntry = Extract<ZipEntry, { path: string }>;

const storedEntry = (entry: ZipEntry, sum: number, offset: number): WrittenEntry => ({
  name: Buffer.from(entry.name),
  method: STORED,
  crc32: sum,
  compressedBytes: sizeOf(entry),
  sizeBytes: sizeOf(entry),
  offset,
});

/** Entries that make up a piece together; what is larger than a piece goes alone. */
function* batches(entries: readonly ZipEntry[]): Generator<ZipEntry[]> {
  let batch: ZipEntry[] = [];
  let batchBytes = 0;
  for (const entry of entries) {
    const bytes = LOCAL_BYTES + Buffer.byteLength(entry.name) + sizeOf(entry);
    if (batch.length > 0 && batchBytes + bytes > PIECE_BYTES) {
      yield batch;
      batch = [];
      batchBytes = 0;
    }
    batch.push(entry);
    batchBytes += bytes;
  }
  if (batch.length > 0) yield batch;
}

/** Headers and data of a batch in one buffer, each file read to its place. */
async function storedBatch(
  batch: readonly ZipEntry[],
  offset: number,
  written: WrittenEntry[],
): Promise<Uint8Array> {
  const piece = Buffer.allocUnsafe(storedZipBytes(batch.map(sized)) - directoryBytes(batch));
  const places: Array<{ readonly entry: ZipEntry; readonly header: Buffer; readonly data: Buffer }> = [];
  let at = 0;
  for (const entry of batch) {
    const dataAt = at + LOCAL_BYTES + Buffer.byteLength(entry.name);
    const end = dataAt + sizeOf(entry);
    places.push({ entry, header: piece.subarray(at, dataAt), data: piece.subarray(dataAt, end) });
    at = end;
  }
  await fill(places);
  for (const { entry, header, data } of places) {
    const made = storedEntry(entry, crc32(data), offset + header.byteOffset - piece.byteOffset);
    written.push(made);
    localHeader(made).copy(header);
  }
  return piece;
}

const sized = (entry: ZipEntry): { name: string; sizeBytes: number } => ({
  name: entry.name,
  sizeBytes: sizeOf(entry),
});

const directoryBytes = (batch: readonly ZipEntry[]): number =>
  batch.reduce((sum, { name }) => sum + CENTRAL_BYTES + Buffer.byteLength(name), END_BYTES);

/**
 * A disk that takes longer for one file is asked from the thread pool for the rest of the batch, so that it
 * holds up nobody but us.
 */
const SLOW_READ_MS = 5;

/**
 * Reading 10,000 files of 4 KiB takes 0.05 s on the spot and 0.3 to 1.7 s through the thread pool (measured),
 * so files are read on the spot as long as each comes quickly (page cache, SSD).
 */
async function fill(
  places: ReadonlyArray<{ readonly entry: ZipEntry; readonly data: Buffer }>,
): Promise<void> {
  const later: Array<Promise<void>> = [];
  let slow = false;
  for (const { entry, data } of places) {
    if ('bytes' in entry) data.set(entry.bytes);
    else if (slow || data.length > PIECE_BYTES) later.push(fillFromPool(entry, data));
    else {
      const startedAt = performance.now();
      fillOnTheSpot(entry, data);
      slow = performance.now() - startedAt > SLOW_READ_MS;
    }
  }
  await Promise.all(later);
}

function fillOnTheSpot(entry: FileEntry, data: Buffer): void {
  try {
    fillFromSource(entry.path, data);
  } catch (error) {
    throw entryFailure(error, entry);
  }
}

async function fillFromPool(entry: FileEntry, data: Buffer): Promise<void> {
  try {
    const source = await openSource(entry.path, entry.sizeBytes);
    try {
      (await readSource(source)).copy(data);
    } finally {
      await source.file.close();
    }
  } catch (error) {
    throw entryFailure(error, entry);
  }
}

async function* wholeEntries(entries: readonly ZipEntry[]): AsyncGenerator<MemoryEntry> {
  for (const batch of batches(entries)) {
    const places = batch.map((entry) => ({ entry, data: Buffer.allocUnsafe(sizeOf(entry)) }));
    await fill(places);
    for (const { entry, data } of places) yield { name: entry.name, bytes: data };
  }
}

/**
 * The CRC stands before the data, so a large file is read twice; a change in between breaks the CRC, and the
 * cloud notices.
 */
async function crcOfFile(entry: FileEntry): Promise<number> {
  let sum = 0;
  for await (const piece of readInPieces(entry)) sum = crc32(piece, sum);
  return sum;
}

async function* readInPieces(entry: FileEntry): AsyncGenerator<Uint8Array> {
  try {
    yield* sourcePieces(entry.path, entry.sizeBytes);
  } catch (error) {
    throw entryFailure(error, entry);
  }
}

async function* gather(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let gathered: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    gathered.push(piece);
    size += piece.length;
    if (size >= PIECE_BYTES) {
      yield gathered.length === 1 ? piece : Buffer.concat(gathered, size);
      gathered = [];
      size = 0;
    }
  }
  if (size > 0) yield Buffer.concat(gathered, size);
}

/** So many entries, spread over the archive, so much of each. */
const SAMPLE_ENTRIES = 16;
const SAMPLE_BYTES = 16 * KiB;
/** Below this ratio deflating at 145 MiB/s beats the uplinks labs have. */
const WORTH_RATIO = 0.67;

async function chooseLevel(
  entries: readonly ZipEntry[],
  level: ZipOptions['level'] = 'auto',
): Promise<ZipLevel> {
  if (level === 'store') return 0;
  if (level !== 'auto') return level;
  let raw = 0;
  let deflated = 0;
  for (let n = 0; n < Math.min(SAMPLE_ENTRIES, entries.length); n += 1) {
    const entry = entries[
      Math.floor((n * entries.length) / Math.min(SAMPLE_ENTRIES, entries.length))
    ] as ZipEntry;
    const sample = sampleOf(entry);
    // A slow disk must not keep the others waiting for all samples at once.
    await nextTurn();
    raw += sample.length;
    deflated += sample.length === 0 ? 0 : deflateRawSync(sample, { level: 1 }).length;
  }
  return raw > 0 && deflated / raw <= WORTH_RATIO ? 1 : 0;
}

/** From the middle, where a file is more like itself than at its header. */
function sampleOf(entry: ZipEntry): Uint8Array {
  const start = Math.max(0, Math.floor((sizeOf(entry) - SAMPLE_BYTES) / 2));
  if ('bytes' in entry) return entry.bytes.subarray(start, start + SAMPLE_BYTES);
  try {
    const { file } = openSourceSync(entry.path, entry.sizeBytes);
    try {
      const buffer = Buffer.allocUnsafe(Math.min(SAMPLE_BYTES, entry.sizeBytes));
      return buffer.subarray(0, readUpTo(file, buffer, start));
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw entryFailure(error, entry);
  }
}
