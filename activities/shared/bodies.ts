/**
 * Document bodies out of the cloud: in a zip that is made while one waits (contract §2.5 E10), and by direct
 * fetches (E8) for what the zip lacks. Used by downloads, and to read back what an upload sent.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CourierError, type ErrorCode, isCourierError } from '../../errors/index.ts';
import { createArraySplitter } from '../../ndi/document/split.ts';
import { getToFile } from '../../transfer/get.ts';
import type { UnzipLimits } from '../../transfer/types.ts';
import { readJsonEntries } from '../../transfer/unzip.ts';
import type { RunScope } from '../deps.ts';
import { pollMs, sleep } from './poll.ts';

/** Gets the text of one document. `cloudId` is known of direct fetches only. */
export type TakeBody = (text: string, cloudId?: string) => void;

/**
 * Ids per direct fetch: the API takes 500, and its answer must stay under the gateway's 6 MB (contract §4.4).
 */
const FETCH_BATCH = 200;

/**
 * A zip beyond these is not used, and its documents are fetched directly: 2,000 documents of 170 kB make 340
 * MB, and a zip of this cloud holds them in one entry. Entries are streamed, so that a limit bounds time and
 * not memory.
 */
const ZIP_LIMITS: UnzipLimits = {
  maxEntries: 10_000,
  maxEntryBytes: 512 * 1024 * 1024,
  maxTotalBytes: 1024 * 1024 * 1024,
  maxRatio: 200,
};

/** Errors of a zip that leave its documents to the direct fetch. */
const LEAVES_THE_REST: ReadonlySet<ErrorCode> = new Set([
  'NDI_E_ZIP_UNSAFE',
  'NDI_E_ZIP_CORRUPT',
  'NDI_E_BAD_JSON',
  'NDI_E_INTEGRITY',
  'NDI_E_NOT_READY',
]);

/**
 * Asks for a zip, waits for it, reads it. Resolves with the error of a zip that never came or is damaged:
 * what it gave until then was taken. `name` makes the name of its file.
 */
export async function takeZip(
  scope: RunScope,
  { name, cloudIds }: { readonly name: string; readonly cloudIds: readonly string[] },
  take: TakeBody,
): Promise<CourierError | undefined> {
  const { cloud, ref, signal, attempt, deps } = scope;
  const zipPath = join(deps.scratchDir, `${ref.runKey}-${name}-${process.pid}-${attempt}.documents.zip`);
  try {
    const url = await cloud.documents.bulkDownloadUrl(ref.cloudDatasetId, cloudIds, signal);
    if (!(await getWhenReady(scope, url, zipPath))) return new CourierError('NDI_E_NOT_READY');
    for await (const { pieces } of readJsonEntries(zipPath, ZIP_LIMITS)) {
      // An entry is an array of documents, or one (contract §4.5).
      const documents = createArraySplitter();
      for await (const piece of pieces) for (const text of documents.push(piece)) take(text);
      documents.end();
    }
    return undefined;
  } catch (error) {
    if (!isCourierError(error) || !LEAVES_THE_REST.has(error.code)) throw error;
    return error;
  } finally {
    await rm(zipPath, { force: true });
  }
}

/** 403 and 404 both mean "not yet" (contract §10 #13). */
const NOT_YET: ReadonlySet<ErrorCode> = new Set(['NDI_E_URL_EXPIRED', 'NDI_E_NOT_FOUND', 'NDI_E_NOT_READY']);

/** False when the zip was not there after the quiet time. */
async function getWhenReady(scope: RunScope, url: string, path: string): Promise<boolean> {
  const { signal, deps } = scope;
  const { importQuietMs, pollMinMs, pollMaxMs } = scope.tuning;
  const giveUpAt = Date.now() + importQuietMs;
  for (let n = 0; ; n += 1) {
    try {
      await getToFile(url, path, { signal, throttle: deps.throttle, network: deps.network, ranges: 1 });
      return true;
    } catch (error) {
      if (!isCourierError(error) || !NOT_YET.has(error.code)) throw error;
      if (Date.now() > giveUpAt) return false;
    }
    scope.heartbeat({ unit: null, what: 'waiting for a zip of documents', bytes: 0, ofBytes: 0 });
    await sleep(pollMs(n, pollMinMs, pollMaxMs), signal);
  }
}

const MAY_BE_TOO_MUCH: ReadonlySet<ErrorCode> = new Set([
  'NDI_E_ANSWER_TOO_LARGE',
  'NDI_E_REQUEST_TOO_LARGE',
  'NDI_E_GATEWAY_TIMEOUT',
  'NDI_E_CLOUD_UNAVAILABLE',
]);

/** An answer that is too large for a single document says that the document is too large. */
const aboutOne = (error: CourierError): CourierError =>
  error.code === 'NDI_E_ANSWER_TOO_LARGE'
    ? new CourierError('NDI_E_DOCUMENT_TOO_LARGE', { detail: error.detail ?? '' })
    : error;

/**
 * Fetches documents by cloud id: in smaller batches where an answer is too large for the gateway
 * (contract §4.4). Resolves with the errors, by cloud id, of those that are too large by themselves.
 */
export async function takeDirectly(
  { ref, cloud, signal }: RunScope,
  cloudIds: readonly string[],
  take: TakeBody,
): Promise<ReadonlyMap<string, CourierError>> {
  const odd = new Map<string, CourierError>();
  let atOnce = FETCH_BATCH;
  for (let at = 0; at < cloudIds.length; ) {
    const batch = cloudIds.slice(at, at + atOnce);
    try {
      const rows = await cloud.documents.bulkFetch(ref.cloudDatasetId, batch, signal);
      for (const row of rows) take(row.text, row.id);
      at += batch.length;
      atOnce = Math.min(FETCH_BATCH, atOnce * 2);
    } catch (error) {
      if (!isCourierError(error) || !MAY_BE_TOO_MUCH.has(error.code)) throw error;
      if (batch.length === 1) {
        // Not held against the document when it is the cloud that is out of order.
        await cloud.documents.count(ref.cloudDatasetId, signal);
        odd.set(batch[0] as string, aboutOne(error));
        at += 1;
      }
      atOnce = Math.ceil(batch.length / 4);
    }
  }
  return odd;
}
