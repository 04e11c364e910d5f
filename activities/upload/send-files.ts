/**
 * Binaries into the cloud: many small ones in a zip whose extraction is a job (contract §2.7 F2, §2.8), one by one
 * through an address of their own (F1). A file is the same file under the same uid, so sending it twice is waste,
 * never harm.
 */
import { stat } from 'node:fs/promises';
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import type { CloudClient } from '../../ndi/cloud/types.ts';
import { putFile } from '../../transfer/put.ts';
import type { TransferOptions } from '../../transfer/types.ts';
import { putZip } from '../../transfer/zip.ts';
import type { UploadInput } from '../../workflows/contracts.ts';
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
  const entries = await readableEntries(context);
  if (entries.length === 0) return;
  const address = await cloud.files.bulkUploadUrl(
    ref.organizationId,
    ref.cloudDatasetId,
    context.step.signal,
  );
  ledger.markUnit(ref.runKey, unit.unit, { state: 'sending', jobId: address.jobId ?? null });
  const sizeBytes = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  await withTries(context, sizeBytes, (options) =>
    putZip(address.url, entries, { ...options, scratchDir: deps.scratchDir }),
  );
  ledger.markUnit(ref.runKey, unit.unit, { state: 'sent' });
  markSent(
    context,
    entries.map((entry) => entry.name),
  );
  if (address.jobId !== undefined) await awaitExtraction(context, cloud, address.jobId);
}

/** The unit's files that can be read and have the planned size; the others become problems of their own. */
async function readableEntries(
  context: Sending,
): Promise<Array<{ name: string; path: string; sizeBytes: number }>> {
  const entries = [];
  for (const item of context.items) {
    const path = await readablePath(context, item);
    if (path !== undefined) entries.push({ name: item.id, path, sizeBytes: item.sizeBytes });
  }
  return entries;
}

async function readablePath(context: Sending, item: PlanItem): Promise<string | undefined> {
  try {
    return await checkedPath(item);
  } catch (error) {
    if (!isCourierError(error)) throw error;
    failItem(context, item, error);
    return undefined;
  }
}

async function checkedPath(item: PlanItem): Promise<string> {
  const path = item.path ?? '';
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new CourierError('NDI_E_FILE_MISSING', { detail: `${path} is gone.` });
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
  const job = await cloud.bulkUploads.get(jobId, context.step.signal).catch((error: unknown) => {
    if (isCourierError(error, 'NDI_E_NOT_FOUND')) return undefined;
    throw error;
  });
  if (job?.state === 'complete' || job?.state === 'extracting') {
    markSent(
      context,
      context.items.map((item) => item.id),
    );
    return true;
  }
  return job?.state === 'queued' && context.unit.state === 'sent';
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
    const job = await cloud.bulkUploads.get(jobId, context.step.signal);
    if (job.state === 'complete') return;
    if (job.state === 'failed') {
      context.deps.ledgers.open(context.ref.ledgerPath).markUnit(context.ref.runKey, context.unit.unit, {
        state: 'pending',
        jobId: null,
      });
      throw new CourierError('NDI_E_BAD_ANSWER', {
        detail: `Unpacking a zip of files failed: ${job.error ?? 'no reason given'}.`,
      });
    }
    const now = `${job.state} ${job.filesExtracted}`;
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
  const { deps, ref, step } = context;
  const cloud = deps.cloud(ref.cloud);
  const queue = [...context.items];
  const lane = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      step.signal.throwIfAborted();
      const path = await readablePath(context, item);
      if (path === undefined) continue;
      const url = await cloud.files.uploadUrl(ref.organizationId, ref.cloudDatasetId, item.id, step.signal);
      try {
        const { md5Hex } = await withTries(context, item.sizeBytes, (options) =>
          putFile(url, { path, sizeBytes: item.sizeBytes }, { ...options, hash: 'md5' }),
        );
        markSent(context, [item.id], md5Hex);
      } catch (error) {
        if (!isCourierError(error, 'NDI_E_FILE_CHANGED')) throw error;
        failItem(context, item, error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(SERIAL_AT_ONCE, queue.length) }, lane));
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
