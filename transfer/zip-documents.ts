/**
 * The ZIP codec for batches in memory and small files: `node:zlib` and headers, nothing else. Measured
 * against archiver 8 on 10,000 documents of 2.2 KB it packs five times as fast (0.36 s against 1.92 s), since
 * a stream per entry costs more than the deflating; archiver serves what is large (`zip.ts`).
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { crc32, deflateRaw, deflateRawSync } from 'node:zlib';
import {
  DEFLATED,
  directoryOf,
  ensureFlatNames,
  localHeader,
  STORED,
  type WrittenEntry,
} from './zip-format.ts';

const deflateInPool = promisify(deflateRaw);

/** Up to this size an entry is deflated on the spot (under 1 ms); a larger one in the thread pool. */
const ON_THE_SPOT_BYTES = 128 * 1024;
/** Longest time without letting others have a turn. */
const TURN_MS = 10;

export interface MemoryEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** 0 stores. 1 is right for JSON: level 6 takes twice the time for 6 % fewer bytes. */
export type ZipLevel = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/**
 * A whole archive in memory, for batches whose size the caller has bounded.
 * @throws NDI_E_BAD_ID (see `ensureFlatNames`)
 */
export async function zipDocuments(entries: readonly MemoryEntry[], level: ZipLevel = 1): Promise<Buffer> {
  ensureFlatNames(entries.map((entry) => entry.name));
  const pieces: Uint8Array[] = [];
  for await (const piece of packEntries(entries, level)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The archive piece by piece. Names are taken as they are. */
export async function* packEntries(
  entries: Iterable<MemoryEntry> | AsyncIterable<MemoryEntry>,
  level: ZipLevel,
): AsyncGenerator<Uint8Array> {
  const written: WrittenEntry[] = [];
  let offset = 0;
  let turnEnds = performance.now() + TURN_MS;
  for await (const { name, bytes } of entries) {
    if (performance.now() > turnEnds) {
      await nextTurn();
      turnEnds = performance.now() + TURN_MS;
    }
    const deflated = level === 0 ? undefined : await deflate(bytes, level);
    const data = deflated ?? bytes;
    const entry: WrittenEntry = {
      name: Buffer.from(name),
      method: deflated === undefined ? STORED : DEFLATED,
      crc32: crc32(bytes),
      compressedBytes: data.length,
      sizeBytes: bytes.length,
      offset,
    };
    written.push(entry);
    const header = localHeader(entry);
    offset += header.length + data.length;
    yield header;
    yield data;
  }
  yield directoryOf(written, offset);
}

/** Undefined where deflating gains nothing. */
async function deflate(bytes: Uint8Array, level: ZipLevel): Promise<Uint8Array | undefined> {
  const deflated =
    bytes.length <= ON_THE_SPOT_BYTES
      ? deflateRawSync(bytes, { level })
      : await deflateInPool(bytes, { level });
  return deflated.length < bytes.length ? deflated : undefined;
}
