/**
 * The bucket: object bytes are files in `<stateDir>/objects`, what is known about them is a row. Bytes are
 * written aside and renamed, under a new name each time, so that a reader of the old object keeps its bytes
 * and a crash leaves no half object.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Store } from '../store.ts';

export interface ObjectInfo {
  readonly key: string;
  readonly size: number;
  readonly md5: string;
  readonly contentType: string;
  readonly modifiedMs: number;
  /** Before this moment the object answers "no such key": uploaded, and not yet readable. */
  readonly readableMs: number;
}

export interface ObjectWriter {
  /**
   * Appends; the chunk belongs to the writer from here on. A promise asks the caller to wait: enough is under
   * way.
   */
  write(chunk: Uint8Array): Promise<void> | undefined;
  bytes(): number;
  /** Makes the bytes the object. `readableMs` as in `ObjectInfo`. */
  commit(contentType: string, readableMs?: number): Promise<ObjectInfo>;
  abort(): Promise<void>;
}

export interface Bucket {
  info(key: string): ObjectInfo | undefined;
  open(key: string): Promise<FileHandle | undefined>;
  writer(key: string): ObjectWriter;
  /** Stores a small object at once, without a trip through the thread pool. */
  putSmall(key: string, bytes: Uint8Array, contentType: string, readableMs?: number): ObjectInfo;
  /** Makes an object of a finished file of the same file system, by renaming it. */
  adopt(key: string, path: string, size: number, md5: string): Promise<ObjectInfo>;
  /** A path for a temporary file, swept away at the next start. */
  temporaryPath(): string;
  remove(key: string): void;
  removePrefix(prefix: string): void;
}

interface ObjectRow {
  key: string;
  blob: string;
  size: number;
  md5: string;
  content_type: string;
  modified_ms: number;
  readable_ms: number;
}

const toInfo = (row: ObjectRow): ObjectInfo => ({
  key: row.key,
  size: row.size,
  md5: row.md5,
  contentType: row.content_type,
  modifiedMs: row.modified_ms,
  readableMs: row.readable_ms,
});

export function createBucket(deps: { store: Store; now: () => number }): Bucket {
  const { store, now } = deps;
  const root = join(store.stateDir, 'objects');
  const temporary = join(store.stateDir, 'incoming');
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  for (let i = 0; i < 256; i++) mkdirSync(join(root, i.toString(16).padStart(2, '0')), { recursive: true });
  const blobPath = (blob: string): string => join(root, blob.slice(0, 2), blob);
  const temporaryPath = (): string => join(temporary, randomBytes(12).toString('hex'));
  const rowOf = (key: string): ObjectRow | undefined =>
    store.get<ObjectRow>('SELECT * FROM objects WHERE key=?', key);
  const discard = (blob: string): void => void rm(blobPath(blob), { force: true }).catch(() => undefined);

  const record = (blob: string, row: Omit<ObjectRow, 'blob' | 'modified_ms'>): ObjectInfo => {
    const before = rowOf(row.key);
    const full: ObjectRow = { ...row, blob, modified_ms: now() };
    store.run(
      'INSERT OR REPLACE INTO objects (key, blob, size, md5, content_type, modified_ms, readable_ms) VALUES (?,?,?,?,?,?,?)',
      full.key,
      blob,
      full.size,
      full.md5,
      full.content_type,
      full.modified_ms,
      full.readable_ms,
    );
    if (before !== undefined) discard(before.blob);
    return toInfo(full);
  };
  const newBlob = (): string => randomBytes(12).toString('hex');
  const put = async (path: string, row: Omit<ObjectRow, 'blob' | 'modified_ms'>): Promise<ObjectInfo> => {
    const blob = newBlob();
    await rename(path, blobPath(blob));
    return record(blob, row);
  };
  const putSmall: Bucket['putSmall'] = (key, bytes, contentType, readableMs = 0) => {
    const blob = newBlob();
    // Under its own name at once: no row names it before it is whole.
    writeFileSync(blobPath(blob), bytes);
    const md5 = createHash('md5').update(bytes).digest('hex');
    return record(blob, { key, size: bytes.length, md5, content_type: contentType, readable_ms: readableMs });
  };

  return {
    info: (key) => {
      const row = rowOf(key);
      return row === undefined ? undefined : toInfo(row);
    },
    open: async (key) => {
      const row = rowOf(key);
      return row === undefined ? undefined : open(blobPath(row.blob), 'r');
    },
    putSmall,
    writer: (key) => {
      const path = temporaryPath();
      const output = createOutput(path);
      return {
        write: output.write,
        bytes: output.bytes,
        commit: async (contentType, readableMs = 0) => {
          const small = output.small();
          if (small !== undefined) return putSmall(key, small, contentType, readableMs);
          const md5 = await output.finish();
          return put(path, {
            key,
            size: output.bytes(),
            md5,
            content_type: contentType,
            readable_ms: readableMs,
          });
        },
        abort: () => output.abort(),
      };
    },
    adopt: (key, path, size, md5) =>
      put(path, { key, size, md5, content_type: 'binary/octet-stream', readable_ms: 0 }),
    temporaryPath,
    remove: (key) => {
      const row = rowOf(key);
      if (row === undefined) return;
      store.run('DELETE FROM objects WHERE key=?', key);
      discard(row.blob);
    },
    removePrefix: (prefix) => {
      // Keys are ASCII after `/`: the next character after it bounds the range.
      const end = `${prefix.slice(0, -1)}0`;
      for (const row of store.all<ObjectRow>('SELECT * FROM objects WHERE key>=? AND key<?', prefix, end))
        discard(row.blob);
      store.run('DELETE FROM objects WHERE key>=? AND key<?', prefix, end);
    },
  };
}

/**
 * Chunks are gathered up to this before they are written: measured, 8 MiB is a third faster than 1 MiB on
 * ext4.
 */
const LOT_BYTES = 8 * 1024 * 1024;
/** An object of up to this is written in one go. */
const SMALL_BYTES = 256 * 1024;
/** So many bytes may wait for the disk before the sender has to. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;

/**
 * Appends to a file and hashes at the same time: while the thread pool writes one lot of chunks, this thread
 * hashes the next. One gathered write per lot, for a call per 64 KiB chunk would cost more than the copy.
 */
function createOutput(path: string) {
  const hash = createHash('md5');
  let file: FileHandle | undefined;
  let bytes = 0;
  let written = 0;
  let queue: Uint8Array[] = [];
  let waitingBytes = 0;
  let flushing: Promise<void> | undefined;
  let failure: { cause: unknown } | undefined;
  const flush = async (): Promise<void> => {
    file ??= await open(path, 'wx');
    while (queue.length > 0) {
      let lot = queue;
      let left = waitingBytes;
      queue = [];
      waitingBytes = 0;
      while (left > 0) {
        const { bytesWritten } = await file.writev(lot, written);
        written += bytesWritten;
        left -= bytesWritten;
        if (left > 0) lot = [Buffer.concat(lot).subarray(-left)];
      }
    }
  };
  const start = (): Promise<void> => {
    // A full disk is remembered and comes out of `finish`; nobody may be waiting for this very write.
    flushing ??= flush()
      .catch((cause: unknown) => {
        failure = { cause };
      })
      .finally(() => {
        flushing = undefined;
      });
    return flushing;
  };
  const abort = async (): Promise<void> => {
    await flushing;
    await file?.close();
    await rm(path, { force: true });
  };
  return {
    bytes: () => bytes,
    write: (chunk: Uint8Array): Promise<void> | undefined => {
      queue.push(chunk);
      bytes += chunk.length;
      waitingBytes += chunk.length;
      if (waitingBytes >= LOT_BYTES) void start();
      hash.update(chunk);
      return waitingBytes >= MAX_WAITING_BYTES ? start() : undefined;
    },
    /** All bytes, where none has gone to the disk yet. */
    small: (): Uint8Array | undefined =>
      file === undefined && flushing === undefined && failure === undefined && bytes <= SMALL_BYTES
        ? Buffer.concat(queue)
        : undefined,
    /**
     * Waits for the disk and closes; answers the MD5 in hex. Throws what writing threw, and leaves no file
     * then.
     */
    finish: async (): Promise<string> => {
      while (failure === undefined && (flushing !== undefined || queue.length > 0 || file === undefined))
        await start();
      if (failure !== undefined) {
        await abort();
        throw failure.cause;
      }
      await file?.close();
      return hash.digest('hex');
    },
    abort,
  };
}
