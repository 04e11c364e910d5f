/**
 * Binaries into the cloud many at once: a zip whose extraction is a job of the cloud (contract §2.7 F2,
 * §2.8).
 */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import type { BulkUploadJob } from '../../ndi/cloud/types.ts';
import { EntryError, readFailure } from '../../transfer/failures.ts';
import type { ZipEntry } from '../../transfer/types.ts';
import { putZip } from '../../transfer/zip.ts';
import { untilQuiet } from '../shared/poll.ts';
import { failItem, unlessAboutItem } from '../shared/units.ts';
import { sendFile, withAttempts } from './send-files.ts';
import type { Sending } from './sending.ts';
import { isSameFile, type SourceFile, sourceFile } from './source-file.ts';

type FileEntry = Extract<ZipEntry, { path: string }>;

/** A file of a zip, as it was when the zip was begun. */
interface Packed {
  readonly item: PlanItem;
  readonly entry: FileEntry;
  readonly source: SourceFile;
}

export async function sendFileZip(scope: Sending): Promise<void> {
  const { ref, unit, ledger, cloud, signal } = scope;
  if (unit.jobId !== null && (await earlierJobWorks(scope, unit.jobId))) {
    ledger.units.mark(unit.unit, { state: 'sent' });
    return awaitExtraction(scope, unit.jobId);
  }
  const files = await presentFiles(scope);
  if (files.length === 0) return;
  const address = await cloud.files.bulkUploadUrl(ref.organizationId, ref.cloudDatasetId, signal);
  ledger.units.mark(unit.unit, { state: 'sending', jobId: address.jobId ?? null });
  const sent = await putReadable(scope, address.url, files);
  if (sent.length === 0) return;
  ledger.units.mark(unit.unit, { state: 'sent' });
  const written = await noteSent(scope, sent);
  if (address.jobId !== undefined) await awaitExtraction(scope, address.jobId);
  // After the extraction, which would put the older bytes in their place again.
  for (const { item } of written) await sendFile(scope, item);
}

/** Marks what was sent; resolves with the files that somebody wrote while they were read. */
async function noteSent(scope: Sending, sent: readonly Packed[]): Promise<readonly Packed[]> {
  const written: Packed[] = [];
  const same: Packed[] = [];
  for (const packed of sent) {
    await unlessAboutItem(scope, packed.item, async () => {
      ((await isSameFile(packed.item, packed.source)) ? same : written).push(packed);
    });
  }
  scope.ledger.together(() => {
    for (const { item, source } of same) {
      const { mtimeMs, inode } = source;
      scope.ledger.items.mark('file', [item.id], { state: 'sent', mtimeMs, inode });
    }
  });
  return written;
}

/**
 * Sends a zip of the files. One that turns out not to be readable becomes a problem of its own; the others go
 * without it.
 */
async function putReadable(
  scope: Sending,
  url: string,
  files: readonly Packed[],
): Promise<readonly Packed[]> {
  const { scratchDir } = scope.deps;
  let rest = files;
  while (rest.length > 0) {
    const going = rest.map(({ entry }) => entry);
    const sizeBytes = going.reduce((sum, entry) => sum + entry.sizeBytes, 0);
    try {
      await withAttempts(scope, sizeBytes, (options) => putZip(url, going, { ...options, scratchDir }));
      break;
    } catch (error) {
      if (!(error instanceof EntryError)) throw error;
      failItem(scope, { kind: 'file', id: error.entry }, error);
      rest = await permitted(
        scope,
        rest.filter(({ entry }) => entry.name !== error.entry),
      );
    }
  }
  return rest;
}

/**
 * Asked only after one could not be read: a whole folder may be closed to us, and each file of it would cost
 * a zip.
 */
async function permitted(scope: Sending, files: readonly Packed[]): Promise<Packed[]> {
  const readable: Packed[] = [];
  for (const packed of files) {
    await unlessAboutItem(scope, packed.item, async () => {
      await access(packed.entry.path, constants.R_OK).catch((error: unknown) => {
        throw readFailure(error, packed.entry.path);
      });
      readable.push(packed);
    });
  }
  return readable;
}

/** The unit's files that are there and have the planned size; the others become problems of their own. */
async function presentFiles(scope: Sending): Promise<Packed[]> {
  const files: Packed[] = [];
  for (const item of scope.items) {
    await unlessAboutItem(scope, item, async () => {
      const source = await sourceFile(item);
      files.push({ item, source, entry: { name: item.id, path: source.path, sizeBytes: item.sizeBytes } });
    });
  }
  return files;
}

/**
 * A job of an earlier attempt that has the zip, or had it. `queued` after an unacknowledged PUT means that
 * nothing came.
 */
async function earlierJobWorks(scope: Sending, jobId: string): Promise<boolean> {
  const job = await knownJob(scope, jobId);
  if (job?.state === 'complete' || job?.state === 'extracting') {
    const ids = scope.items.map((item) => item.id);
    scope.ledger.items.mark('file', ids, { state: 'sent' });
    return true;
  }
  return job?.state === 'queued' && scope.unit.state === 'sent';
}

/** Undefined where the cloud does not know it: a replica may lag (contract §3.4). */
function knownJob({ cloud, signal }: Sending, jobId: string): Promise<BulkUploadJob | undefined> {
  return cloud.bulkUploads.get(jobId, signal).catch((error: unknown) => {
    if (isCourierError(error, 'NDI_E_NOT_FOUND')) return undefined;
    throw error;
  });
}

/**
 * Waits for the job's own word. One that shows no movement for the quiet time is left to the verification,
 * which asks the file list and sends again what is not there.
 */
async function awaitExtraction(scope: Sending, jobId: string): Promise<void> {
  const { unit, ledger, tuning } = scope;
  const { sizeBytes } = unit;
  const marker = (job: BulkUploadJob | undefined): string =>
    job === undefined ? 'not known yet' : `${job.state} ${job.filesExtracted}`;
  await untilQuiet(scope, {
    name: `job of unit ${unit.unit}`,
    look: async () => {
      const job = await knownJob(scope, jobId);
      if (job?.state === 'failed') {
        ledger.units.mark(unit.unit, { state: 'pending', jobId: null });
        throw new CourierError('NDI_E_BAD_ANSWER', {
          detail: `Unpacking a zip of files failed: ${job.error ?? 'no reason given'}.`,
        });
      }
      scope.heartbeat({
        unit: unit.unit,
        what: `unpacking: ${marker(job)}`,
        bytes: sizeBytes,
        ofBytes: sizeBytes,
      });
      return job;
    },
    marker,
    isDone: (job) => job?.state === 'complete',
    quietMs: tuning.importQuietMs,
  });
}
