/**
 * The bytes of a ZIP archive without data (PKWARE APPNOTE 6.3): headers and directory, for archives below 4
 * GiB and 65,536 entries. Sizes and CRC stand before the data, so that streaming readers can read what is
 * stored, and every header has a known length, so that an archive of stored entries has a known length before
 * it is made. Dates are constant: equal entries, equal archive.
 */
import { CourierError } from '../errors/index.ts';

export const LOCAL_SIGNATURE = 0x04034b50;
export const CENTRAL_SIGNATURE = 0x02014b50;
export const END_SIGNATURE = 0x06054b50;
export const LOCAL_BYTES = 30;
export const CENTRAL_BYTES = 46;
export const END_BYTES = 22;
export const STORED = 0;
export const DEFLATED = 8;

const VERSION = 20;
const UNIX = 3;
/** Names are UTF-8. */
const UTF8_FLAG = 0x0800;
/** 1 January 1980, the first day of ZIP. */
const DOS_DATE = 0x0021;
const REGULAR_FILE_0644 = 0o100644;

/** Limits of the format without its 64-bit extension. */
export const MAX_ENTRIES = 0xffff;
export const MAX_ARCHIVE_BYTES = 0xffffffff;

export interface WrittenEntry {
  readonly name: Buffer;
  readonly method: typeof STORED | typeof DEFLATED;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  /** Where its header stands in the archive. */
  readonly offset: number;
}

export function localHeader(entry: WrittenEntry): Buffer {
  const header = Buffer.allocUnsafe(LOCAL_BYTES + entry.name.length);
  header.writeUInt32LE(LOCAL_SIGNATURE, 0);
  writeCommon(header, 4, entry);
  entry.name.copy(header, LOCAL_BYTES);
  return header;
}

export function directoryOf(entries: readonly WrittenEntry[], offset: number): Buffer {
  const size = entries.reduce((sum, entry) => sum + CENTRAL_BYTES + entry.name.length, 0);
  const bytes = Buffer.alloc(size + END_BYTES);
  let at = 0;
  for (const entry of entries) {
    bytes.writeUInt32LE(CENTRAL_SIGNATURE, at);
    bytes.writeUInt16LE((UNIX << 8) | VERSION, at + 4);
    writeCommon(bytes, at + 6, entry);
    bytes.writeUInt32LE(REGULAR_FILE_0644 * 0x10000, at + 38);
    bytes.writeUInt32LE(entry.offset, at + 42);
    entry.name.copy(bytes, at + CENTRAL_BYTES);
    at += CENTRAL_BYTES + entry.name.length;
  }
  bytes.writeUInt32LE(END_SIGNATURE, at);
  bytes.writeUInt16LE(entries.length, at + 8);
  bytes.writeUInt16LE(entries.length, at + 10);
  bytes.writeUInt32LE(size, at + 12);
  bytes.writeUInt32LE(offset, at + 16);
  return bytes;
}

/** The 26 bytes that both kinds of header share, from "version needed" on. */
function writeCommon(bytes: Buffer, at: number, entry: WrittenEntry): void {
  bytes.writeUInt16LE(VERSION, at);
  bytes.writeUInt16LE(UTF8_FLAG, at + 2);
  bytes.writeUInt16LE(entry.method, at + 4);
  bytes.writeUInt16LE(0, at + 6);
  bytes.writeUInt16LE(DOS_DATE, at + 8);
  bytes.writeUInt32LE(entry.crc32, at + 10);
  bytes.writeUInt32LE(entry.compressedBytes, at + 14);
  bytes.writeUInt32LE(entry.sizeBytes, at + 18);
  bytes.writeUInt16LE(entry.name.length, at + 22);
  bytes.writeUInt16LE(0, at + 24);
}

/** The length of an archive whose entries are all stored. */
export const storedZipBytes = (
  entries: readonly { readonly name: string; readonly sizeBytes: number }[],
): number =>
  entries.reduce(
    (sum, { name, sizeBytes }) => sum + LOCAL_BYTES + CENTRAL_BYTES + 2 * Buffer.byteLength(name) + sizeBytes,
    END_BYTES,
  );

/**
 * Refuses names that an extractor could misread. Entries are flat, unique and named by uid, because nobody
 * knows how the cloud treats folders and repeated names (NDI Cloud contract §10 no. 20).
 * @throws NDI_E_BAD_ID
 */
export function ensureFlatNames(names: Iterable<string>): void {
  const seen = new Set<string>();
  for (const name of names) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
    const bad = name === '' || name === '.' || name === '..' || /[/\\:\u0000-\u001f]/.test(name);
    if (bad || Buffer.byteLength(name) > 255) {
      throw new CourierError('NDI_E_BAD_ID', {
        detail: `${JSON.stringify(name)} cannot be an entry of a ZIP.`,
      });
    }
    if (seen.has(name)) {
      throw new CourierError('NDI_E_BAD_ID', { detail: `${JSON.stringify(name)} is twice in a ZIP.` });
    }
    seen.add(name);
  }
}
