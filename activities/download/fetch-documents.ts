/**
 * Documents out of the cloud: a zip that is made while one waits (contract §2.5 E10), and a direct fetch (E8) for
 * what the zip lacks. Each goes into the building database as soon as it is here.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import type { CloudClient } from '../../ndi/cloud/types.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import type { DatasetWriter } from '../../ndi/dataset/types.ts';
import { openForWriting } from '../../ndi/dataset/write.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { toLocal, toNdic } from '../../ndi/document/dehydrate.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { splitJsonArray } from '../../ndi/document/split.ts';
import type { NdiDocument } from '../../ndi/document/types.ts';
import { getToFile } from '../../transfer/get.ts';
import { readJsonEntries } from '../../transfer/unzip.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import { pollMs, sleep } from '../sleep.ts';
import { failItem, type UnitContext } from '../units.ts';
import { giveTime } from './odd.ts';
import { buildDirOf } from './places.ts';

type Fetching = UnitContext<DownloadInput>;

/** Documents per transaction of the building database: a fraction of a second of this thread. */
const WRITE_BATCH = 250;
/** Ids per direct fetch: the API takes 500, and its answer must stay under the gateway's 6 MB (contract §4.4). */
const FETCH_BATCH = 200;
/** Zips that did not come or were damaged before the rest of their unit is fetched directly. */
const ZIP_TRIES = 3;

export async function fetchDocuments(context: Fetching): Promise<void> {
  const { deps, input } = context;
  const wanted = new Map(context.items.map((item) => [item.id, item]));
  const writer = openForWriting(buildDirOf(input), { finalDir: input.targetDir });
  /** Why, by cloud id: of those that came and made no sense. */
  const unreadable = new Map<string, CourierError>();
  let odd: ReadonlyMap<string, CourierError>;
  try {
    const keep = createKeeper(context, writer, wanted, unreadable);
    try {
      if (zipFailures(context) < ZIP_TRIES) await fromZip(context, keep);
      odd = await fromDirectFetch(context, deps.cloud(context.ref.cloud), wanted, keep);
    } finally {
      // What came before something broke need not come again.
      keep.flush();
    }
  } finally {
    writer.close();
  }
  giveTime(context, [...odd.values()]);
  for (const item of wanted.values()) {
    const detail = `Document ${item.id} is listed, but the cloud gives it neither in a zip nor directly.`;
    const lacking = new CourierError('NDI_E_NOT_FOUND', { detail });
    const id = item.cloudId ?? '';
    failItem(context, item, unreadable.get(id) ?? odd.get(id) ?? lacking);
  }
}

interface Keeper {
  /** Takes the text of one document from the cloud; one that is not wanted, or wanted no more, is passed over. */
  add(text: string, cloudId?: string): void;
  flush(): void;
}

function createKeeper(
  context: Fetching,
  writer: DatasetWriter,
  wanted: Map<string, PlanItem>,
  unreadable: Map<string, CourierError>,
): Keeper {
  const { deps, ref, step, unit } = context;
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const place = placement(context);
  let batch: { document: NdiDocument; id: string; sizeBytes: number }[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (batch.length === 0) return;
    writer.addDocuments(batch.map(({ document }) => document));
    const written = batch;
    ledger.together(() => {
      for (const { document, id, sizeBytes } of written) {
        const sha256Hex = canonicalHash(document);
        ledger.markItems(ref.runKey, 'document', [id], { state: 'done', sizeBytes, sha256Hex });
      }
    });
    step.beat({ unit: unit.unit, what: 'writing documents', bytes, ofBytes: 0 });
    batch = [];
  };
  return {
    add: (text, cloudId) => {
      const known = understood(text);
      if (isCourierError(known)) {
        if (cloudId !== undefined) unreadable.set(cloudId, known);
        return;
      }
      const item = wanted.get(known.id);
      if (item === undefined) return;
      wanted.delete(known.id);
      const sizeBytes = Buffer.byteLength(text);
      bytes += sizeBytes;
      batch.push({ document: place(known.document), id: known.id, sizeBytes });
      if (batch.length >= WRITE_BATCH) flush();
    },
    flush,
  };
}

/** A document that cannot be read stays wanted: it is reported when nothing gives it in a readable form. */
function understood(text: string): { id: string; document: NdiDocument } | CourierError {
  try {
    const document = parseDocument(text);
    return { id: describeDocument(document).id, document };
  } catch (error) {
    if (isCourierError(error)) return error;
    throw error;
  }
}

/**
 * Where the document's binaries will lie. What the cloud's list does not have stays behind `ndic://`, so that a reader
 * asks for it rather than looks for a file that never came.
 */
function placement({ deps, input, ref }: Fetching): (document: NdiDocument) => NdiDocument {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const listed = (uid: string) => ledger.listed(ref.runKey, 'file', 'cloud', uid);
  const inCloud = (document: NdiDocument): NdiDocument =>
    toNdic(document, ref.cloudDatasetId, (uid) => listed(uid) !== undefined);
  if (input.mode === 'hybrid') return inCloud;
  const listsFiles = !ledger.listing(ref.runKey, 'file', 'cloud').next().done;
  const comes = (uid: string): boolean => {
    const row = listed(uid);
    return listsFiles ? row !== undefined && row.uploaded !== false : true;
  };
  return (document) =>
    toLocal(inCloud(document), (uid) => (comes(uid) ? uidPath(input.targetDir, uid) : undefined));
}

/** Of this unit. Not its tries: a network that was down for a night says nothing about zips. */
const zipFailures = ({ deps, ref, unit }: Fetching): number =>
  Number(deps.ledgers.open(ref.ledgerPath).fact(ref.runKey, `zip failures of unit ${unit.unit}`) ?? 0);

function noteZipFailure(
  context: Fetching,
  why: { readonly code: string; readonly detail?: string | undefined },
): void {
  const { deps, ref, unit } = context;
  const ledger = deps.ledgers.open(ref.ledgerPath);
  ledger.setFact(ref.runKey, `zip failures of unit ${unit.unit}`, String(zipFailures(context) + 1));
  ledger.audit(ref.runKey, 'a zip of documents was not used', { unit: unit.unit, ...why });
}

/** Asks for the zip, waits for it, reads it. A zip that never comes or is damaged leaves the rest to the direct fetch. */
async function fromZip(context: Fetching, keep: Keeper): Promise<void> {
  const { deps, ref, step, unit, items } = context;
  const cloud = deps.cloud(ref.cloud);
  const cloudIds = items.map((item) => item.cloudId).filter((id) => id !== null);
  const zipPath = join(
    deps.scratchDir,
    `${ref.runKey}-${unit.unit}-${process.pid}-${context.step.attempt}.documents.zip`,
  );
  try {
    const url = await cloud.documents.bulkDownloadUrl(ref.cloudDatasetId, cloudIds, step.signal);
    if (!(await getWhenReady(context, url, zipPath)))
      return noteZipFailure(context, { code: 'NDI_E_NOT_READY' });
    for await (const entry of readJsonEntries(zipPath)) {
      // An entry is an array of documents, or one (contract §4.5).
      for (const text of splitJsonArray(entry.text)) keep.add(text);
    }
  } catch (error) {
    if (!isCourierError(error) || !LEAVES_THE_REST.has(error.code)) throw error;
    noteZipFailure(context, { code: error.code, detail: error.detail });
  } finally {
    await rm(zipPath, { force: true });
  }
}

const LEAVES_THE_REST = new Set([
  'NDI_E_ZIP_UNSAFE',
  'NDI_E_ZIP_CORRUPT',
  'NDI_E_BAD_JSON',
  'NDI_E_INTEGRITY',
]);

/** False when the zip was not there after the quiet time. 403 and 404 both mean "not yet" (contract §10 #13). */
async function getWhenReady(context: Fetching, url: string, path: string): Promise<boolean> {
  const { step, unit, ref, deps } = context;
  const { importQuietMs, pollMinMs, pollMaxMs } = ref.tuning;
  const giveUpAt = Date.now() + importQuietMs;
  for (let n = 0; ; n += 1) {
    try {
      await getToFile(url, path, { signal: step.signal, throttle: deps.throttle, ranges: 1 });
      return true;
    } catch (error) {
      if (!isCourierError(error) || !NOT_YET.has(error.code)) throw error;
      if (Date.now() > giveUpAt) return false;
    }
    step.beat({ unit: unit.unit, what: 'waiting for a zip of documents', bytes: 0, ofBytes: 0 });
    await sleep(pollMs(n, pollMinMs, pollMaxMs), step.signal);
  }
}

const NOT_YET = new Set(['NDI_E_URL_EXPIRED', 'NDI_E_NOT_FOUND', 'NDI_E_NOT_READY']);

/**
 * What is still wanted, asked for by id: in smaller batches where an answer is too large for the gateway (contract §4.4). Returns the
 * cloud ids of those for which it is too large by themselves.
 */
async function fromDirectFetch(
  { ref, step }: Fetching,
  cloud: CloudClient,
  wanted: ReadonlyMap<string, PlanItem>,
  keep: Keeper,
): Promise<ReadonlyMap<string, CourierError>> {
  const odd = new Map<string, CourierError>();
  const ids = [...wanted.values()].map((item) => item.cloudId).filter((id) => id !== null);
  let atOnce = FETCH_BATCH;
  for (let at = 0; at < ids.length; ) {
    const batch = ids.slice(at, at + atOnce);
    try {
      const rows = await cloud.documents.bulkFetch(ref.cloudDatasetId, batch, step.signal);
      for (const row of rows) keep.add(row.text, row.id);
      at += batch.length;
      atOnce = Math.min(FETCH_BATCH, atOnce * 2);
    } catch (error) {
      if (!isCourierError(error) || !MAY_BE_TOO_MUCH.has(error.code)) throw error;
      if (batch.length === 1) {
        // Not held against the document when it is the cloud that is out of order.
        await cloud.documents.count(ref.cloudDatasetId, step.signal);
        odd.set(batch[0] as string, error);
        at += 1;
      }
      atOnce = Math.ceil(batch.length / 4);
    }
  }
  return odd;
}

const MAY_BE_TOO_MUCH = new Set([
  'NDI_E_REQUEST_TOO_LARGE',
  'NDI_E_GATEWAY_TIMEOUT',
  'NDI_E_CLOUD_UNAVAILABLE',
]);
