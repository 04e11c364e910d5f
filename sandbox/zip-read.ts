/**
 * Reading an uploaded zip by its central directory, in constant memory. Own code and no library, because a
 * batch of 10,000 small files must not cost 10,000 openings of the archive.
 */
import type { FileHandle } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { promisify } from 'node:util';
import { crc32, createInflateRaw, inflateRaw, inflateRawSync } from 'node:zlib';

const inflate = promisify(inflateRaw) as (bytes: Uint8Array, options: object) => Promise<Buffer>;

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packedSize: number;
  readonly size: number;
  readonly offset: number;
  readonly encrypted: boolean;
}

const TAIL_BYTES = 66_000;
const SMALL_BYTES = 4 * 1024 * 1024;
/** Below this, a trip through the thread pool takes longer than the work. */
const SYNC_BYTES = 64 * 1024;

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** The entries that are files. Throws on anything that is not a readable zip. */
export async function listZip(file: FileHandle, size: number): Promise<ZipEntry[]> {
  const tailStart = Math.max(0, size - TAIL_BYTES);
  const tail = await readAt(file, tailStart, size - tailStart);
  const end = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (end < 0 || tail.length < end + 22) throw new Error('not a zip archive');
  let count = tail.readUInt16LE(end + 10);
  let length = tail.readUInt32LE(end + 12);
  let start = tail.readUInt32LE(end + 16);
  if (end >= 20 && tail.readUInt32LE(end - 20) === 0x07064b50) {
    const record = await readAt(file, Number(tail.readBigUInt64LE(end - 12)), 56);
    if (record.length < 56 || record.readUInt32LE(0) !== 0x06064b50) throw new Error('broken zip64 record');
    count = Number(record.readBigUInt64LE(32));
    length = Number(record.readBigUInt64LE(40));
    start = Number(record.readBigUInt64LE(48));
  }
  const directory = await readAt(file, start, length);
  if (directory.length < length) throw new Error('truncated central directory');
  const entries: ZipEntry[] = [];
  for (let i = 0, at = 0; i < count; i++) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50)
      throw new Error('broken central directory');
    const [nameLength, extraLength] = [directory.readUInt16LE(at + 28), directory.readUInt16LE(at + 30)];
    const entry = entryAt(directory, at, nameLength, extraLength);
    if (!entry.name.endsWith('/')) entries.push(entry);
    at += 46 + nameLength + extraLength + directory.readUInt16LE(at + 32);
  }
  return entries;
}

function entryAt(directory: Buffer, at: number, nameLength: number, extraLength: number): ZipEntry {
  let packedSize = directory.readUInt32LE(at + 20);
  let size = directory.readUInt32LE(at + 24);
  let offset = directory.readUInt32LE(at + 42);
  const extraStart = at + 46 + nameLength;
  for (let x = extraStart; x + 4 <= extraStart + extraLength; x += 4 + directory.readUInt16LE(x + 2)) {
    if (directory.readUInt16LE(x) !== 1) continue;
    let field = x + 4;
    const next = (): number => {
      const value = Number(directory.readBigUInt64LE(field));
      field += 8;
      return value;
    };
    if (size === 0xffffffff) size = next();
    if (packedSize === 0xffffffff) packedSize = next();
    if (offset === 0xffffffff) offset = next();
  }
  return {
    name: directory.toString('utf8', at + 46, at + 46 + nameLength),
    method: directory.readUInt16LE(at + 10),
    crc: directory.readUInt32LE(at + 16),
    packedSize,
    size,
    offset,
    encrypted: (directory.readUInt16LE(at + 8) & 1) === 1,
  };
}

/** The bytes of an entry, in pieces; throws at the end where length or CRC are not those of the directory. */
export async function* readEntry(file: FileHandle, entry: ZipEntry): AsyncGenerator<Uint8Array> {
  if (entry.encrypted) throw new Error('encrypted entry');
  if (entry.method !== 0 && entry.method !== 8) throw new Error(`unknown compression method ${entry.method}`);
  let bytes = 0;
  let crc = 0;
  for await (const chunk of unpacked(file, entry)) {
    bytes += chunk.length;
    if (bytes > entry.size) throw new Error('entry is longer than it says');
    crc = crc32(chunk, crc);
    yield chunk;
  }
  if (bytes !== entry.size || crc >>> 0 !== entry.crc) throw new Error('entry is damaged');
}

/** Where the packed bytes start, behind a local header that lies at the start of `header`. */
function dataStart(header: Buffer): number {
  if (header.length < 30 || header.readUInt32LE(0) !== 0x04034b50) throw new Error('broken local header');
  return 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
}

async function* unpacked(file: FileHandle, entry: ZipEntry): AsyncGenerator<Uint8Array> {
  if (entry.size <= SMALL_BYTES && entry.packedSize <= SMALL_BYTES) {
    // Header and bytes in one read: names and extra fields are short as a rule, and read again where they are
    // not.
    let block = await readAt(file, entry.offset, 30 + 512 + entry.packedSize);
    const start = dataStart(block);
    if (start > 30 + 512) block = await readAt(file, entry.offset, start + entry.packedSize);
    const packed = block.subarray(start, start + entry.packedSize);
    const options = { maxOutputLength: entry.size + 1 };
    if (entry.method === 0) yield packed;
    else yield entry.size <= SYNC_BYTES ? inflateRawSync(packed, options) : await inflate(packed, options);
    return;
  }
  const start = entry.offset + dataStart(await readAt(file, entry.offset, 30));
  const raw = async function* (): AsyncGenerator<Buffer> {
    for (let done = 0; done < entry.packedSize; ) {
      const chunk = await readAt(file, start + done, Math.min(1024 * 1024, entry.packedSize - done));
      if (chunk.length === 0) throw new Error('truncated entry');
      done += chunk.length;
      yield chunk;
    }
  };
  if (entry.method === 0) yield* raw();
  else yield* pipeline(Readable.from(raw()), createInflateRaw({ chunkSize: 256 * 1024 }), () => undefined);
}
