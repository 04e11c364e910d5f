/**
 * The end: documents point where their binaries are now, then binaries that were let go of are removed. Done
 * again after a crash, it goes on where it was: a binary that is here counts as here, whatever a document
 * says.
 */
import { rm } from 'node:fs/promises';
import { fsyncFileSystem } from '../../disk/fsync.ts';
import { documentFilePath, uidPath } from '../../ndi/dataset/layout.ts';
import { createSelector } from '../../ndi/dataset/selection.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import { linkFileNames, openForWriting } from '../../ndi/dataset/write.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { moveLocations, type NewPlace } from '../../ndi/document/dehydrate.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { NdiDocument } from '../../ndi/document/types.ts';
import type { FilesInput } from '../../workflows/contracts/index.ts';
import type { SiteResult } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { openHere } from '../shared/open-here.ts';
import { createPacer } from '../shared/poll.ts';
import { buildResult, writeReport } from '../shared/report.ts';

/** Documents per transaction of the dataset's database. */
const WRITE_BATCH = 250;

export async function finishFiles(scope: RunScope, input: FilesInput): Promise<SiteResult> {
  const { ledger, ref, deps } = scope;
  const reader = openHere(deps, input);
  try {
    if (input.action === 'get') await nameFetched(scope, input, reader);
    await pointDocuments(scope, input, reader);
  } finally {
    reader.close();
  }
  if (input.action === 'drop') await removeDropped(scope, input);
  ledger.advanceBase();
  const result = buildResult(scope, input.datasetDir, 0);
  await writeReport(scope, result, 'files');
  ledger.audit('transfer of files finished', { status: result.status, problems: result.problemCount });
  ledger.dataset.lease.release(ref.runKey);
  return result;
}

/** Gives the fetched binaries their second name, and forces the small ones to disk. */
async function nameFetched(scope: RunScope, input: FilesInput, reader: DatasetReader): Promise<void> {
  const { ledger, signal } = scope;
  const dir = input.datasetDir;
  for (const stored of reader.documents()) {
    const facts = describeDocument(parseDocument(stored.text));
    for (const { name, file } of reader.files(facts)) {
      if (file.kind !== 'local' || ledger.items.get('file', file.uid)?.state !== 'done') continue;
      linkFileNames(dir, facts.id, name, file.uid);
      const { mtimeMs, inode } = file;
      ledger.items.mark('file', [file.uid], { state: 'done', mtimeMs, inode });
    }
  }
  await fsyncFileSystem(dir, () => fetchedPaths(scope, dir), signal);
}

function* fetchedPaths({ ledger }: RunScope, dir: string): Iterable<string> {
  for (const { id } of ledger.items.each({ kind: 'file', states: ['done'] })) yield uidPath(dir, id);
}

async function pointDocuments(scope: RunScope, input: FilesInput, reader: DatasetReader): Promise<void> {
  const { ledger, ref } = scope;
  const { datasetDir: dir, action } = input;
  const selects = createSelector(reader.identity, input.selection);
  const writer = openForWriting(dir);
  let batch: NdiDocument[] = [];
  const flush = (): void => {
    writer.replaceDocuments(batch);
    batch = [];
  };
  const placeOf = (uid: string): NewPlace => {
    const state = ledger.items.get('file', uid)?.state;
    if (action === 'drop')
      return state === 'sent' || state === 'done' ? { ndic: ref.cloudDatasetId } : undefined;
    return state === 'done' || state === 'skipped' ? { path: uidPath(dir, uid) } : undefined;
  };
  const pause = createPacer(scope, (count) => `updating documents: ${count}`);
  try {
    for (const stored of reader.documents()) {
      await pause();
      const document = parseDocument(stored.text);
      const facts = describeDocument(document);
      const isAffected = facts.files.some(({ locations }) =>
        locations.some(({ uid, location }) => pointsElsewhere(placeOf(uid), location)),
      );
      if (!isAffected || !selects(facts)) continue;
      batch.push(moveLocations(document, placeOf) as NdiDocument);
      if (batch.length >= WRITE_BATCH) flush();
    }
    flush();
  } finally {
    writer.close();
  }
}

/** A location that already leads to its binary stays as its author wrote it. */
const pointsElsewhere = (place: NewPlace, location: string): boolean =>
  place !== undefined && location.startsWith('ndic://') === 'path' in place;

/** Only now that no document points at them. */
async function removeDropped({ ledger }: RunScope, { datasetDir: dir }: FilesInput): Promise<void> {
  for (const item of ledger.items.each({ kind: 'file', states: ['sent'] })) {
    await rm(uidPath(dir, item.id), { force: true });
    if (item.documentId !== null && item.name !== null)
      await rm(documentFilePath(dir, item.documentId, item.name), { force: true });
    ledger.items.mark('file', [item.id], { state: 'done' });
  }
}
