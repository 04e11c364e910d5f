/**
 * Documents into the cloud. A zip is imported some time after it was taken, and nothing tells when or whether
 * (contract §2.5 E9): sent documents count as uploaded only when `settleDocuments` sees them listed.
 */
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import type { CloudClient } from '../../ndi/cloud/types.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import { putBytes } from '../../transfer/put.ts';
import { zipDocuments } from '../../transfer/zip-documents.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import { mayHaveHappened, wasRefused } from '../ambiguous.ts';
import { failItem, type UnitContext } from '../units.ts';
import { noteSentAgain } from './again.ts';
import { openForUnit } from './copies.ts';

type Sending = UnitContext<UploadInput>;

/** A body above this does not pass the gateway (contract §4.4). */
const MAX_SINGLE_DOCUMENT_BYTES = 5_000_000;

export async function sendDocumentsZipped(context: Sending): Promise<void> {
  const { deps, ref, unit, step } = context;
  const ledger = deps.ledgers.open(ref.ledgerPath);
  // An earlier try may have been taken in: only the cloud's list can tell.
  if (unit.state !== 'pending') return;
  const cloud = deps.cloud(ref.cloud);
  const { zip, ids } = await zipOf(context);
  if (ids.length === 0) return;
  const url = await cloud.documents.bulkUploadUrl(ref.cloudDatasetId, step.signal);
  // The try before this one, given up and slow, may have been quicker after all.
  const isMine = ledger.together(() => {
    if (ledger.unit(ref.runKey, unit.unit).state !== 'pending') return false;
    ledger.markItems(ref.runKey, 'document', ids, { state: 'sending' });
    ledger.markUnit(ref.runKey, unit.unit, { state: 'sending' });
    return true;
  });
  if (!isMine) return;
  let bytes = 0;
  let allLeft = false;
  try {
    await putBytes(url, zip, {
      signal: step.signal,
      throttle: deps.throttle,
      onBytes: (more) => {
        bytes += more;
        step.beat({ unit: unit.unit, what: 'sending', bytes, ofBytes: zip.byteLength });
      },
      onLastPiece: () => {
        allLeft = true;
      },
    });
  } catch (error) {
    // Taken in, perhaps: the unit stays `sending`, and the cloud's list decides.
    if (allLeft && mayHaveHappened(error)) return;
    if (allLeft && !wasRefused(error)) throw error;
    // A store keeps no half object: this zip is not there, so the unit may go again.
    ledger.markItems(ref.runKey, 'document', ids, { state: 'pending' });
    ledger.markUnit(ref.runKey, unit.unit, { state: 'pending' });
    throw error;
  }
  ledger.markItems(ref.runKey, 'document', ids, { state: 'sent' });
}

/** One entry holding an array, as the real cloud's own zips have it (contract §4.5). Texts go as they are stored. */
async function zipOf(context: Sending): Promise<{ zip: Buffer; ids: string[] }> {
  const reader = openForUnit(context.deps, context.input, context.ref.runKey);
  try {
    const texts: string[] = [];
    const ids: string[] = [];
    for (const item of context.items) {
      const text = textOf(context, reader, item);
      if (text === undefined) continue;
      texts.push(text);
      ids.push(item.id);
    }
    const entry = { name: 'documents.json', bytes: Buffer.from(`[${texts.join(',\n')}]`) };
    return { zip: await zipDocuments([entry]), ids };
  } finally {
    reader.close();
  }
}

function textOf(context: Sending, reader: DatasetReader, item: PlanItem): string | undefined {
  const stored = reader.document(item.id);
  if (stored !== undefined) return stored.text;
  failItem(context, item, new CourierError('NDI_E_FILE_CHANGED', { detail: `Document ${item.id} is gone.` }));
  return undefined;
}

/** One request per document, in dependency order, each with its own answer. */
export async function sendDocumentsSerially(context: Sending): Promise<void> {
  const { deps, ref, step } = context;
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const cloud = deps.cloud(ref.cloud);
  const reader = openForUnit(deps, context.input, ref.runKey);
  try {
    let bytes = 0;
    for (const item of context.items) {
      step.signal.throwIfAborted();
      const text = textOf(context, reader, item);
      if (text === undefined) continue;
      try {
        const cloudId = await addOnce(context, cloud, item, text);
        ledger.markItems(ref.runKey, 'document', [item.id], { state: 'sent', cloudId });
      } catch (error) {
        if (!isCourierError(error) || error.class !== 'permanent' || !isAboutDocument(error)) throw error;
        failItem(context, item, error);
      }
      bytes += item.sizeBytes;
      step.beat({ unit: context.unit.unit, what: 'sending', bytes, ofBytes: context.unit.sizeBytes });
    }
  } finally {
    reader.close();
  }
}

/** A refusal of this document, not of the whole dataset. */
const isAboutDocument = (error: CourierError): boolean =>
  error.code === 'NDI_E_BAD_REQUEST' ||
  error.code === 'NDI_E_BAD_JSON' ||
  error.code === 'NDI_E_REQUEST_TOO_LARGE';

/** Adds a document unless an earlier try, whose answer was lost, has done so. Returns its cloud id. */
async function addOnce(context: Sending, cloud: CloudClient, item: PlanItem, text: string): Promise<string> {
  const { deps, ref, step } = context;
  if (item.sizeBytes > MAX_SINGLE_DOCUMENT_BYTES) {
    throw new CourierError('NDI_E_REQUEST_TOO_LARGE', {
      detail: `Document ${item.id} has ${item.sizeBytes} bytes.`,
    });
  }
  const ledger = deps.ledgers.open(ref.ledgerPath);
  if (item.state === 'sending') {
    const known = await findInCloud(cloud, ref.cloudDatasetId, item.id, step.signal);
    if (known !== undefined) return known;
    // The earlier request may still be at work.
    noteSentAgain(ledger, ref.runKey);
  }
  // On disk before the request: a try after this one looks first.
  ledger.markItems(ref.runKey, 'document', [item.id], { state: 'sending' });
  try {
    return (await cloud.documents.add(ref.cloudDatasetId, text, step.signal)).id;
  } catch (error) {
    if (wasRefused(error)) ledger.markItems(ref.runKey, 'document', [item.id], { state: 'pending' });
    throw error;
  }
}

async function findInCloud(
  cloud: CloudClient,
  datasetId: string,
  ndiId: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const byId = [{ field: 'base.id', operation: 'exact_string', param1: ndiId, param2: '' }];
  const { rows } = await cloud.query(datasetId, byId, { page: 1, pageSize: 20 }, signal);
  return rows.map((row) => row.id).toSorted()[0];
}
