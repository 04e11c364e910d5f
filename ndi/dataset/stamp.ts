/**
 * The stamp of a dataset's database: which file it is, and how often it was changed. A file with another
 * inode is another file; one whose counter has gone back is an older one, as a restored backup is.
 */
import { closeSync, readSync, statSync } from 'node:fs';
import { openSourceSync } from '../../disk/source.ts';
import { locateDatabase } from './read.ts';
import { withDatabaseErrors } from './sqlite.ts';

export interface DatabaseStamp {
  readonly inode: string;
  /** SQLite's file change counter: grows with each transaction that changed the file. */
  readonly changes: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** Bytes of the write-ahead log beside it: what is in there the counter does not know. */
  readonly walBytes: number;
}

/** Where SQLite keeps the counter, big-endian (SQLite's file format, 1.3.7). */
const COUNTER_AT = 24;

/** @throws those of `openDataset` for a folder without a database */
export function databaseStamp(dir: string): DatabaseStamp {
  const path = locateDatabase(dir);
  return withDatabaseErrors(path, () => {
    const { file, stats } = openSourceSync(path);
    const header = Buffer.alloc(COUNTER_AT + 4);
    try {
      readSync(file, header, 0, header.length, 0);
    } finally {
      closeSync(file);
    }
    const { ino, size, mtimeMs } = stats;
    const walBytes = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    const changes = header.readUInt32BE(COUNTER_AT);
    return { inode: String(ino), changes, sizeBytes: size, mtimeMs, walBytes };
  });
}
