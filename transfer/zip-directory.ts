/**
 * Reads the directory of a ZIP archive that comes from outside and refuses what is not safe, before a byte is
 * unpacked. Nothing that an archive says is believed: names, sizes, offsets and counts are checked against
 * each other and against limits.
 */
import type { FileHandle } from 'node:fs/promises';
import { CourierError } from '../errors/index.ts';
import type { UnzipLimits } from './types.ts';
import {
  CENTRAL_BYTES,
  CENTRAL_SIGNATURE,
  DEFLATED,
  END_BYTES,
  END_SIGNATURE,
  LOCAL_BYTES,
  STORED,
} from './zip-format.ts';

export interface ZipItem {
  readonly name: string;
  readonly rawName: Buffer;
  readonly isDirectory: boolean;
  readonly flags: number;
  readonly method: number;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  readonly offset: number;
  /** Where the next entry, or the directory, begins: nothing of this one may lie behind. */
  readonly limit: number;
}

export const DEFAULT_LIMITS: UnzipLimits = {
  maxEntries: 100_000,
  maxEntryBytes: 1024 ** 3,
  maxTotalBytes: 4 * 1024 ** 3,
  maxRatio: 200,
};

/** Small archives of small things may shrink beyond any ratio: a thousand spaces are not a bomb. */
const RATIO_FROM_BYTES = 1024 * 1024;
const END64_BYTES = 56;
const END64_SIGNATURE = 0x06064b50;
const LOCATOR_BYTES = 20;
const LOCATOR_SIGNATURE = 0x07064b50;
const MAX_COMMENT_BYTES = 0xffff;
/** With names and extras far beyond this a directory is that of no honest archive. */
const MAX_DIRECTORY_BYTES_PER_ENTRY = 1024;

export const corrupt = (what: string): CourierError =>
  new CourierError('NDI_E_ZIP_CORRUPT', { detail: `${what}.` });
export const unsafe = (what: string): CourierError =>
  new CourierError('NDI_E_ZIP_UNSAFE', { detail: `${what}.` });

export interface ZipDirectory {
  /** In the order of the directory. */
  readonly items: readonly ZipItem[];
}

/**
 * Reads and judges the whole directory of an archive.
 * @throws NDI_E_ZIP_CORRUPT, NDI_E_ZIP_UNSAFE
 */
export async function readDirectory(file: FileHandle, limits: UnzipLimits): Promise<ZipDirectory> {
  const { size } = await file.stat();
  const end = await readEnd(file, size);
  if (end.count > limits.maxEntries) throw unsafe(`${end.count} entries are more than ${limits.maxEntries}`);
  if (end.offset + end.size > end.position) throw corrupt('The directory does not lie before its end');
  if (end.size < end.count * CENTRAL_BYTES) throw corrupt('The directory is too short for its entries');
  if (end.size > MAX_DIRECTORY_BYTES_PER_ENTRY * (end.count + 64))
    throw unsafe('The directory is out of proportion');
  const bytes = await readExactly(file, end.offset, end.size);
  const items: ZipItem[] = [];
  let at = 0;
  for (let n = 0; n < end.count; n += 1) {
    const { item, next } = parseItem(bytes, at);
    items.push(item);
    at = next;
  }
  if (at !== bytes.length) throw corrupt('The directory holds more than its entries');
  ensureSafe(items, limits);
  return { items: withLimits(items, end.offset) };
}

interface End {
  readonly count: number;
  readonly size: number;
  readonly offset: number;
  /** Where the directory must have ended. */
  readonly position: number;
}

async function readEnd(file: FileHandle, size: number): Promise<End> {
  const tailBytes = Math.min(size, END_BYTES + MAX_COMMENT_BYTES + LOCATOR_BYTES);
  const tail = await readExactly(file, size - tailBytes, tailBytes);
  for (let at = tail.length - END_BYTES; at >= 0; at -= 1) {
    // The comment must reach exactly to the end, or the signature is part of one.
    if (
      tail.readUInt32LE(at) !== END_SIGNATURE ||
      at + END_BYTES + tail.readUInt16LE(at + 20) !== tail.length
    )
      continue;
    const disks = [tail.readUInt16LE(at + 4), tail.readUInt16LE(at + 6)];
    const count = tail.readUInt16LE(at + 10);
    const end: End = {
      count,
      size: tail.readUInt32LE(at + 12),
      offset: tail.readUInt32LE(at + 16),
      position: size - tailBytes + at,
    };
    if (count === 0xffff || end.size === 0xffffffff || end.offset === 0xffffffff) {
      const wide = await readEnd64(file, tail, at);
      if (wide !== undefined) return wide;
    }
    if (disks.some((disk) => disk !== 0) || tail.readUInt16LE(at + 8) !== count)
      throw unsafe('It spans several disks');
    return end;
  }
  throw corrupt('It has no end record: it is cut off, or no ZIP archive');
}

async function readEnd64(file: FileHandle, tail: Buffer, at: number): Promise<End | undefined> {
  const locator = at - LOCATOR_BYTES;
  if (locator < 0 || tail.readUInt32LE(locator) !== LOCATOR_SIGNATURE) return undefined;
  const position = exactly(tail.readBigUInt64LE(locator + 8));
  const record = await readExactly(file, position, END64_BYTES);
  if (record.readUInt32LE(0) !== END64_SIGNATURE) throw corrupt('Its 64-bit end record is missing');
  return {
    count: exactly(record.readBigUInt64LE(32)),
    size: exactly(record.readBigUInt64LE(40)),
    offset: exactly(record.readBigUInt64LE(48)),
    position,
  };
}

function exactly(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw unsafe('It claims an impossible size');
  return Number(value);
}

function parseItem(bytes: Buffer, at: number): { item: ZipItem; next: number } {
  if (at + CENTRAL_BYTES > bytes.length || bytes.readUInt32LE(at) !== CENTRAL_SIGNATURE) {
    throw corrupt('The directory is damaged');
  }
  const nameBytes = bytes.readUInt16LE(at + 28);
  const extraBytes = bytes.readUInt16LE(at + 30);
  const nameEnd = at + CENTRAL_BYTES + nameBytes;
  const next = nameEnd + extraBytes + bytes.readUInt16LE(at + 32);
  if (next > bytes.length) throw corrupt('The directory is damaged');
  const rawName = bytes.subarray(at + CENTRAL_BYTES, nameEnd);
  const name = nameOf(rawName);
  const flags = bytes.readUInt16LE(at + 8);
  const wide = wideSizes(bytes.subarray(nameEnd, nameEnd + extraBytes), {
    sizeBytes: bytes.readUInt32LE(at + 24),
    compressedBytes: bytes.readUInt32LE(at + 20),
    offset: bytes.readUInt32LE(at + 42),
  });
  const madeBy = bytes.readUInt16LE(at + 4) >> 8;
  ensureRegular(name, flags, madeBy, bytes.readUInt32LE(at + 38));
  const item: ZipItem = {
    name,
    rawName,
    isDirectory: name.endsWith('/'),
    flags,
    method: bytes.readUInt16LE(at + 10),
    crc32: bytes.readUInt32LE(at + 16),
    ...wide,
    limit: 0,
  };
  return { item, next };
}

function nameOf(raw: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    return raw.toString('latin1');
  }
}

interface Sizes {
  readonly sizeBytes: number;
  readonly compressedBytes: number;
  readonly offset: number;
}

/** ZIP64: fields that did not fit stand in an extra field, in this order, and only those. */
function wideSizes(extra: Buffer, narrow: Sizes): Sizes {
  const wanted = (['sizeBytes', 'compressedBytes', 'offset'] as const).filter(
    (key) => narrow[key] === 0xffffffff,
  );
  if (wanted.length === 0) return narrow;
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 0x0001) {
      if (end > extra.length || end - at - 4 < wanted.length * 8) throw corrupt('The directory is damaged');
      const wide = wanted.map((key, n) => [key, exactly(extra.readBigUInt64LE(at + 4 + n * 8))] as const);
      return { ...narrow, ...Object.fromEntries(wide) };
    }
    at = end;
  }
  return narrow;
}

const ENCRYPTED_FLAGS = 0x0001 | 0x0040 | 0x2000;
const UNIX = 3;

function ensureRegular(name: string, flags: number, madeBy: number, attributes: number): void {
  const shown = JSON.stringify(name.slice(0, 80));
  if ((flags & ENCRYPTED_FLAGS) !== 0) throw unsafe(`${shown} is encrypted`);
  const type = madeBy === UNIX ? (attributes >>> 16) & 0o170000 : 0;
  if (type !== 0 && type !== 0o100000 && type !== 0o040000) throw unsafe(`${shown} is a link or a device`);
  const segments = name.split('/');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  const odd = name === '' || name.length > 1024 || /[\\\u0000-\u001f\u007f]/.test(name);
  const inside = segments.slice(0, name.endsWith('/') ? -1 : undefined);
  if (odd || /^[A-Za-z]:/.test(name) || inside.some((part) => part === '' || part === '.' || part === '..')) {
    throw unsafe(`${shown} is no safe name`);
  }
}

function ensureSafe(items: readonly ZipItem[], limits: UnzipLimits): void {
  const names = new Set<string>();
  let totalBytes = 0;
  for (const item of items) {
    const shown = JSON.stringify(item.name.slice(0, 80));
    // A folder and a file of one name, or two spellings of one letter, are one file on some disks.
    const key = item.name.normalize('NFC').replace(/\/$/, '').toLowerCase();
    if (names.has(key)) throw unsafe(`${shown} is there twice`);
    names.add(key);
    if (item.method !== STORED && item.method !== DEFLATED)
      throw unsafe(`${shown} is packed in an unknown way`);
    if (item.method === STORED && item.sizeBytes !== item.compressedBytes)
      throw corrupt(`${shown} is damaged`);
    if (item.isDirectory && item.sizeBytes !== 0) throw unsafe(`${shown} is a folder with content`);
    if (item.sizeBytes > limits.maxEntryBytes) throw unsafe(`${shown} has ${item.sizeBytes} bytes`);
    const bomb = item.sizeBytes > RATIO_FROM_BYTES && item.sizeBytes > limits.maxRatio * item.compressedBytes;
    if (bomb) throw unsafe(`${shown} would grow to more than ${limits.maxRatio} times its size`);
    totalBytes += item.sizeBytes;
  }
  if (totalBytes > limits.maxTotalBytes) throw unsafe(`It would grow to ${totalBytes} bytes`);
}

/** Entries that share bytes are the trick behind the best bombs; no honest archive has them. */
function withLimits(items: readonly ZipItem[], directoryOffset: number): ZipItem[] {
  const inOrder = [...items].sort((a, b) => a.offset - b.offset);
  const limits = new Map<ZipItem, number>();
  inOrder.forEach((item, n) => {
    const limit = inOrder[n + 1]?.offset ?? directoryOffset;
    if (item.offset + LOCAL_BYTES + item.rawName.length + item.compressedBytes > limit) {
      throw unsafe(`${JSON.stringify(item.name.slice(0, 80))} overlaps what follows it`);
    }
    limits.set(item, limit);
  });
  return items.map((item) => ({ ...item, limit: limits.get(item) as number }));
}

export async function readExactly(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes);
  for (let at = 0; at < bytes; ) {
    const { bytesRead } = await file.read(buffer, at, bytes - at, offset + at);
    if (bytesRead === 0) throw corrupt('It is cut off');
    at += bytesRead;
  }
  return buffer;
}
