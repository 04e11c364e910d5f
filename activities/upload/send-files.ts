/**
 * Binaries into the cloud: many small ones in a zip whose extraction is a job (contract §2.7 F2, §2.8), one by one
 * through an address of their own (F1). A file is the same file under the same uid, so sending it twice is waste,
 * never harm.
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { CourierError, type ErrorCode, isCourierError } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import type { BulkUploadJob, CloudClient } from '../../ndi/cloud/types.ts';
import { EntryError, notAFile, readFailure } from '../../transfer/failures.ts';
import { putFile } from '../../transfer/put.ts';
import type { TransferOptions, ZipEntry } from '../../transfer/types.ts';
import { putZip } from '../../transfer/zip.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import { backoffMs, pollMs, sleep } from '../sleep.ts';
import { failItem, type UnitContext } from '../units.ts';

type Sending = UnitContext<UploadInput>;

/** Files of a serial unit that are on their way at once. */
const SERIAL_AT_ONCE = 4;
/** Tries with one address: asking for another one leaves a job behind that MATLAB's sync waits for (contract §2.8). */
const TRIES_PER_ADDRESS = 3;

export async function sendFileZip(context: Sending): Promise<void> {
  const { deps, ref, unit } = context;
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const cloud = deps.cloud(ref.cloud);
  if (unit.jobId !== null && (await earlierJobWorks(context, cloud, unit.jobId))) {
    ledger.markUnit(ref.runKey, unit.unit, { state: 'sent' });
    return awaitExtraction(context, cloud, unit.jobId);
  }
  const entries = await presentEntries(context);
  if (entries.length === 0) return;
  const address = await cloud.files.bulkUploadUrl(
    ref.organizationId,
    ref.cloudDatasetId,
    context.step.signal,
  );
  ledger.markUnit(ref.runKey, unit.unit, { state: 'sending', jobId: address.jobId ?? null });
  const sent = await putReadable(context, address.url, entries);
  if (sent.length === 0) return;
  ledger.markUnit(ref.runKey, unit.unit, { state: 'sent' });
  markSent(
    context,
    sent.map((entry) => entry.name),
  );
  if (address.jobId !== undefined) await awaitExtraction(context, cloud, address.jobId);
}

type FileEntry = Extract<ZipEntry, { path: string }>;

/** Sends a zip of the entries. One that turns out not to be readable becomes a problem of its own; the others go without it. */
async function putReadable(
  context: Sending,
  url: string,
  entries: readonly FileEntry[],
): Promise<readonly FileEntry[]> {
  const { scratchDir } = context.deps;
  let rest = entries;
  while (rest.length > 0) {
    const going = rest;
    const sizeBytes = going.reduce((sum, entry) => sum + entry.sizeBytes, 0);
    try {
      await withTries(context, sizeBytes, (options) => putZip(url, going, { ...options, scratchDir }));
      break;
    } catch (error) {
      if (!(error instanceof EntryError)) throw error;
      failItem(context, { kind: 'file', id: error.entry }, error);
      rest = await permitted(
        context,
        going.filter((entry) => entry.name !== error.entry),
      );
    }
  }
  return rest;
}

/** Asked only after one could not be read: a whole folder may be closed to us, and each file of it would cost a zip. */
async function permitted(context: Sending, entries: readonly FileEntry[]): Promise<FileEntry[]> {
  const readable: FileEntry[] = [];
  for (const entry of entries) {
    await unlessAboutFile(context, { kind: 'file', id: entry.name }, async () => {
      await access(entry.path, constants.R_OK).catch((error: unknown) => {
        throw readFailure(error, entry.path);
      });
      readable.push(entry);
    });
  }
  return readable;
}

/** The unit's files that are there and have the planned size; the others become problems of their own. */
async function presentEntries(context: Sending): Promise<FileEntry[]> {
  const entries: FileEntry[] = [];
  for (const item of context.items) {
    await unlessAboutFile(context, item, async () => {
      entries.push({ name: item.id, path: await checkedPath(item), sizeBytes: item.sizeBytes });
    });
  }
  return entries;
}

/** Of one file: that it cannot be read, is another one now, or is refused. What is said of a dataset or a login is about all. */
const ABOUT_FILE = new Set<ErrorCode>([
  'NDI_E_BAD_ID',
  'NDI_E_BAD_REQUEST',
  'NDI_E_FILE_CHANGED',
  'NDI_E_FILE_MISSING',
  'NDI_E_FILE_TOO_LARGE',
  'NDI_E_FILE_UNREADABLE',
  'NDI_E_REQUEST_TOO_LARGE',
]);

async function unlessAboutFile(
  context: Sending,
  item: Pick<PlanItem, 'kind' | 'id'>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isCourierError(error) || !ABOUT_FILE.has(error.code)) throw error;
    failItem(context, item, error);
  }
}

/** @throws NDI_E_FILE_MISSING, NDI_E_FILE_UNREADABLE, NDI_E_FILE_CHANGED */
async function checkedPath(item: PlanItem): Promise<string> {
  const path = item.path ?? '';
  const found = await stat(path).catch((error: unknown) => {
    throw readFailure(error, path);
  });
  if (!found.isFile()) throw notAFile(path);
  if (found.size !== item.sizeBytes) {
    throw new CourierError('NDI_E_FILE_CHANGED', {
      detail: `${path} had ${item.sizeBytes} bytes when the run looked, and has ${found.size} now.`,
    });
  }
  return path;
}

function markSent({ deps, ref }: Sending, ids: readonly string[], md5Hex?: string): void {
  const change = { state: 'sent', ...(md5Hex === undefined ? {} : { md5Hex }) } as const;
  deps.ledgers.open(ref.ledgerPath).markItems(ref.runKey, 'file', ids, change);
}

/** A job of an earlier try that has the zip, or had it. `queued` after an unacknowledged PUT means that nothing came. */
async function earlierJobWorks(context: Sending, cloud: CloudClient, jobId: string): Promise<boolean> {
  const job = await knownJob(context, cloud, jobId);
  if (job?.state === 'complete' || job?.state === 'extracting') {
    markSent(
      context,
      context.items.map((item) => item.id),
    );
    return true;
  }
  return job?.state === 'queued' && context.unit.state === 'sent';
}

/** Undefined where the cloud does not know it: a replica may lag (contract §3.4). */
function knownJob(context: Sending, cloud: CloudClient, jobId: string): Promise<BulkUploadJob | undefined> {
  return cloud.bulkUploads.get(jobId, context.step.signal).catch((error: unknown) => {
    if (isCourierError(error, 'NDI_E_NOT_FOUND')) return undefined;
    throw error;
  });
}

/**
 * Waits for the job's own word. One that shows no movement for the quiet time is left to the verification, which
 * asks the file list and sends again what is not there.
 */
async function awaitExtraction(context: Sending, cloud: CloudClient, jobId: string): Promise<void> {
  const { importQuietMs, pollMinMs, pollMaxMs } = context.ref.tuning;
  let lastChange = Date.now();
  let seen = '';
  for (let n = 0; Date.now() - lastChange < importQuietMs; n += 1) {
    const job = await knownJob(context, cloud, jobId);
    if (job?.state === 'complete') return;
    if (job?.state === 'failed') {
      context.deps.ledgers.open(context.ref.ledgerPath).markUnit(context.ref.runKey, context.unit.unit, {
        state: 'pending',
        jobId: null,
      });
      throw new CourierError('NDI_E_BAD_ANSWER', {
        detail: `Unpacking a zip of files failed: ${job.error ?? 'no reason given'}.`,
      });
    }
    const now = job === undefined ? 'not known yet' : `${job.state} ${job.filesExtracted}`;
    if (now !== seen) {
      seen = now;
      lastChange = Date.now();
    }
    context.step.beat({
      unit: context.unit.unit,
      what: `unpacking: ${now}`,
      bytes: context.unit.sizeBytes,
      ofBytes: context.unit.sizeBytes,
    });
    await sleep(pollMs(n, pollMinMs, pollMaxMs), context.step.signal);
  }
}

export async function sendFilesSerially(context: Sending): Promise<void> {
  const queue = [...context.items];
  const lane = async (): Promise<void> => {
    try {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
        context.step.signal.throwIfAborted();
        await sendFile(context, item);
      }
    } catch (error) {
      // The others end with the file they are at: the next try must not meet them.
      queue.length = 0;
      throw error;
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(SERIAL_AT_ONCE, queue.length) }, lane));
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

function sendFile(context: Sending, item: PlanItem): Promise<void> {
  const { deps, ref, step } = context;
  return unlessAboutFile(context, item, async () => {
    const path = await checkedPath(item);
    const { files } = deps.cloud(ref.cloud);
    const url = await files.uploadUrl(ref.organizationId, ref.cloudDatasetId, item.id, step.signal);
    const { md5Hex } = await withTries(context, item.sizeBytes, (options) =>
      putFile(url, { path, sizeBytes: item.sizeBytes }, { ...options, hash: 'md5' }),
    );
    markSent(context, [item.id], md5Hex);
  });
}

/** A few tries with one address; the error of the last one. The address never gets out. */
async function withTries<Result>(
  context: Sending,
  sizeBytes: number,
  send: (options: TransferOptions) => Promise<Result>,
): Promise<Result> {
  const { step, unit, deps } = context;
  for (let attempt = 1; ; attempt += 1) {
    let bytes = 0;
    const onBytes = (more: number): void => {
      bytes += more;
      step.beat({ unit: unit.unit, what: 'sending', bytes, ofBytes: sizeBytes });
    };
    try {
      return await send({ signal: step.signal, throttle: deps.throttle, onBytes });
    } catch (error) {
      const again =
        isCourierError(error) && error.class === 'retryable' && error.code !== 'NDI_E_URL_EXPIRED';
      if (!again || attempt >= TRIES_PER_ADDRESS) throw error;
      await sleep(error.retryAfterMs ?? backoffMs(attempt, 200, 5_000), step.signal);
    }
  }
}
