/**
 * `.ndi/sync/index.json`, in which both NDI clients keep the document ids of the last sync (NDI Cloud
 * contract §6.5). Each client writes fields that the other cannot read, so we write both spellings.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { readSourceText } from '../../disk/source.ts';
import { writeAtomically } from '../../disk/write.ts';
import type { NdiId } from '../document/types.ts';
import { syncIndexPath } from './layout.ts';
import { withDatabaseErrors } from './sqlite.ts';

export interface SyncIndex {
  readonly localIds: readonly NdiId[];
  readonly remoteIds: readonly NdiId[];
  readonly syncedAt: Date;
}

/** MATLAB writes one id as a bare string and none as `[]`; Python may write null. */
const ids = z
  .union([z.array(z.string()), z.string(), z.null()])
  .transform((value) => (value === null || value === '' ? [] : typeof value === 'string' ? [value] : value));
const stamp = z.string().transform((text) => new Date(text));

const matlabIndex = z.object({
  localDocumentIdsLastSync: ids,
  remoteDocumentIdsLastSync: ids,
  lastSyncTimestamp: stamp,
});
const pythonIndex = z.object({
  local_doc_ids_last_sync: ids,
  remote_doc_ids_last_sync: ids,
  last_sync_timestamp: stamp,
});

/**
 * The index of either client, the newer part of a file that has both. Undefined when there is none that can
 * be read.
 */
export function readSyncIndex(dir: string): SyncIndex | undefined {
  let value: unknown;
  try {
    value = JSON.parse(readSourceText(syncIndexPath(dir)));
  } catch {
    // Absent, or emptied by a client that was killed while writing: there is no last sync to speak of.
    return undefined;
  }
  const matlab = matlabIndex.safeParse(value).data;
  const python = pythonIndex.safeParse(value).data;
  const found: SyncIndex[] = [];
  if (matlab !== undefined) {
    found.push({
      localIds: matlab.localDocumentIdsLastSync,
      remoteIds: matlab.remoteDocumentIdsLastSync,
      syncedAt: matlab.lastSyncTimestamp,
    });
  }
  if (python !== undefined) {
    found.push({
      localIds: python.local_doc_ids_last_sync,
      remoteIds: python.remote_doc_ids_last_sync,
      syncedAt: python.last_sync_timestamp,
    });
  }
  return found.sort((a, b) => timeOf(b) - timeOf(a))[0];
}

const timeOf = (index: SyncIndex): number => index.syncedAt.getTime() || 0;

/** Each list is read twice, and never held: a dataset may have a million documents. */
export interface SyncIndexToWrite {
  readonly localIds: () => Iterable<NdiId>;
  readonly remoteIds: () => Iterable<NdiId>;
  readonly syncedAt: Date;
}

/** Replaces the index in one step. @throws NDI_E_DISK_FULL, NDI_E_READ_ONLY */
export function writeSyncIndex(dir: string, index: SyncIndexToWrite): void {
  const path = syncIndexPath(dir);
  withDatabaseErrors(path, () => {
    const folder = dirname(path);
    // `recursive` only where it is needed: it says ENOENT on a read-only file system.
    if (!existsSync(folder)) mkdirSync(folder, { recursive: !existsSync(dirname(folder)) });
    writeAtomically(path, inLots(indexText(index)));
  });
}

function* indexText({ localIds, remoteIds, syncedAt }: SyncIndexToWrite): Generator<string> {
  yield '{\n';
  yield* listText('localDocumentIdsLastSync', localIds());
  yield* listText('remoteDocumentIdsLastSync', remoteIds());
  yield `  "lastSyncTimestamp": ${JSON.stringify(localIso(syncedAt))},\n`;
  yield* listText('local_doc_ids_last_sync', localIds());
  yield* listText('remote_doc_ids_last_sync', remoteIds());
  yield `  "last_sync_timestamp": ${JSON.stringify(syncedAt.toISOString())}\n}`;
}

function* listText(name: string, ids: Iterable<NdiId>): Generator<string> {
  yield `  "${name}": [`;
  let between = '\n    ';
  for (const id of ids) {
    yield between + JSON.stringify(id);
    between = ',\n    ';
  }
  yield between.startsWith(',') ? '\n  ],\n' : '],\n';
}

/** One call of the disk for many ids. */
function* inLots(pieces: Iterable<string>): Generator<string> {
  let lot = '';
  for (const piece of pieces) {
    lot += piece;
    if (lot.length < LOT_LENGTH) continue;
    yield lot;
    lot = '';
  }
  yield lot;
}

const LOT_LENGTH = 64 * 1024;

/** MATLAB's `yyyy-MM-dd'T'HH:mm:ssZZZZ`-like stamp in the local zone, e.g. `2026-03-01T10:00:00+01:00`. */
export function localIso(date: Date): string {
  const offsetMinutes = -date.getTimezoneOffset();
  const clock = new Date(date.getTime() + offsetMinutes * 60_000)
    .toISOString()
    .slice(0, 'yyyy-MM-ddTHH:mm:ss'.length);
  const two = (value: number): string => String(Math.trunc(value)).padStart(2, '0');
  const size = Math.abs(offsetMinutes);
  return `${clock}${offsetMinutes < 0 ? '-' : '+'}${two(size / 60)}:${two(size % 60)}`;
}
