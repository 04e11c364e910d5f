/**
 * `.ndi/sync/index.json`, in which both NDI clients keep the document ids of the last sync (NDI Cloud
 * contract §6.5). Each client writes fields that the other cannot read, so we write both spellings. The file
 * knows ids alone, and not of which cloud dataset: as a base it is weak, and no reason to delete anything.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { readSourceText } from '../../disk/source.ts';
import { writeAtomically } from '../../disk/write.ts';
import { objectMembers } from '../cloud/json-text.ts';
import type { NdiId } from '../document/types.ts';
import { syncIndexPath } from './layout.ts';
import { withDatabaseErrors } from './sqlite.ts';

export interface SyncIndex {
  /** Each id once. */
  readonly localIds: readonly NdiId[];
  readonly remoteIds: readonly NdiId[];
  /** Absent where the client wrote no time that can be read. */
  readonly syncedAt?: Date;
}

export type SyncIndexReading =
  | { readonly state: 'read'; readonly index: SyncIndex }
  | { readonly state: 'absent' }
  /** The reason is a sentence for people. */
  | { readonly state: 'unusable'; readonly reason: string };

/** MATLAB writes one id as a bare string, none as `[]`, and a missing one as null; Python may write null. */
const ids = z
  .union([z.array(z.string().nullable()), z.string(), z.null()])
  .transform((value): NdiId[] => [
    ...new Set([value].flat().filter((id): id is string => id !== null && id !== '')),
  ]);
const stamp = z.string().optional().catch(undefined).transform(timeOf);

const matlabIndex = z
  .object({ localDocumentIdsLastSync: ids, remoteDocumentIdsLastSync: ids, lastSyncTimestamp: stamp })
  .transform((value) =>
    indexOf(value.localDocumentIdsLastSync, value.remoteDocumentIdsLastSync, value.lastSyncTimestamp),
  );
const pythonIndex = z
  .object({ local_doc_ids_last_sync: ids, remote_doc_ids_last_sync: ids, last_sync_timestamp: stamp })
  .transform((value) =>
    indexOf(value.local_doc_ids_last_sync, value.remote_doc_ids_last_sync, value.last_sync_timestamp),
  );

const indexOf = (localIds: NdiId[], remoteIds: NdiId[], syncedAt: Date | undefined): SyncIndex => ({
  localIds,
  remoteIds,
  ...(syncedAt === undefined ? {} : { syncedAt }),
});

/**
 * A stamp of MATLAB (`…T10:00:00GMT+01:00`), of Python (`…T09:00:00.123456+00:00`) or of newer Pythons
 * (`…T10:00:00+0100`).
 */
function timeOf(text: string | undefined): Date | undefined {
  // Some languages write a minus of their own.
  const iso = text
    ?.trim()
    .replace('\u2212', '-')
    .replace(/(?:GMT|UTC)(?=[+-])/, '')
    .replace(/(?:GMT|UTC)$/, 'Z');
  const time = new Date(iso ?? Number.NaN);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** The index of either client, the newer part of a file that has both. Never throws: a run goes on without. */
export function readSyncIndex(dir: string): SyncIndexReading {
  const path = syncIndexPath(dir);
  const unusable = (what: string): SyncIndexReading => ({ state: 'unusable', reason: `${path} ${what}` });
  let text: string;
  try {
    text = readIndexText(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { state: 'absent' };
    return unusable(`cannot be read: ${(error as Error).message}`);
  }
  if (text.trim() === '') return unusable('is empty: an NDI client was stopped while it wrote it.');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return unusable(
      'is not valid JSON: an NDI client was stopped while it wrote it, or it was edited by hand.',
    );
  }
  const [newest] = [matlabIndex, pythonIndex]
    .flatMap((schema) => schema.safeParse(value).data ?? [])
    .sort((a, b) => (b.syncedAt?.getTime() ?? 0) - (a.syncedAt?.getTime() ?? 0));
  if (newest === undefined) return unusable('does not have the lists of document ids of any NDI client.');
  return { state: 'read', index: newest };
}

/** Without the mark that some editors put before a text. */
const readIndexText = (path: string): string => readSourceText(path).replace(/^\ufeff/, '');

/** Each list is read twice, and never held: a dataset may have a million documents. */
export interface SyncIndexToWrite {
  readonly localIds: () => Iterable<NdiId>;
  readonly remoteIds: () => Iterable<NdiId>;
  readonly syncedAt: Date;
}

/**
 * Replaces the index in one step. Keys that are not of an index stay in the file.
 * @throws NDI_E_DISK_FULL, NDI_E_READ_ONLY
 */
export function writeSyncIndex(dir: string, index: SyncIndexToWrite): void {
  const path = syncIndexPath(dir);
  withDatabaseErrors(path, () => {
    const folder = dirname(path);
    // `recursive` only where it is needed: it says ENOENT on a read-only file system.
    if (!existsSync(folder)) mkdirSync(folder, { recursive: !existsSync(dirname(folder)) });
    writeAtomically(path, inLots(indexText(index, foreignMembers(path))));
  });
}

/** Members of the file that no client reads, as they are written. None of a file that is no JSON object. */
function foreignMembers(path: string): string[] {
  try {
    const text = readIndexText(path);
    // The scan below checks only as much as it needs to find the ends.
    JSON.parse(text);
    const foreign = objectMembers(text).filter(({ key }) => !OWN_KEYS.has(key));
    return foreign.map(({ start, valueEnd }) => text.slice(start, valueEnd));
  } catch {
    return [];
  }
}

const OWN_KEYS: ReadonlySet<string> = new Set([
  ...Object.keys(matlabIndex.in.shape),
  ...Object.keys(pythonIndex.in.shape),
]);

function* indexText(
  { localIds, remoteIds, syncedAt }: SyncIndexToWrite,
  foreign: readonly string[],
): Generator<string> {
  yield '{\n';
  yield* listText('localDocumentIdsLastSync', localIds());
  yield* listText('remoteDocumentIdsLastSync', remoteIds());
  yield `  "lastSyncTimestamp": ${JSON.stringify(localIso(syncedAt))},\n`;
  yield* listText('local_doc_ids_last_sync', localIds());
  yield* listText('remote_doc_ids_last_sync', remoteIds());
  yield `  "last_sync_timestamp": ${JSON.stringify(syncedAt.toISOString())}`;
  for (const member of foreign) yield `,\n  ${member}`;
  yield '\n}';
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

/** A stamp in the local zone as MATLAB's, which no client parses: `2026-03-01T10:00:00+01:00`. */
export function localIso(date: Date): string {
  const offsetMinutes = -date.getTimezoneOffset();
  const clock = new Date(date.getTime() + offsetMinutes * 60_000)
    .toISOString()
    .slice(0, 'yyyy-MM-ddTHH:mm:ss'.length);
  const two = (value: number): string => String(Math.trunc(value)).padStart(2, '0');
  const size = Math.abs(offsetMinutes);
  return `${clock}${offsetMinutes < 0 ? '-' : '+'}${two(size / 60)}:${two(size % 60)}`;
}
