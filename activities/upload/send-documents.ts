/**
 * Documents into the cloud. A zip is imported some time after it was taken, and nothing tells when or whether
 * (contract §2.5 E9): sent documents count as uploaded only when `settleDocuments` sees them listed.
 */
import { CourierError, mayHaveActed, wasRefused } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { putBytes } from '../../transfer/put.ts';
import { zipDocuments } from '../../transfer/zip-documents.ts';
import { unlessAboutItem } from '../shared/units.ts';
import { textToSend } from './local-documents.ts';
import { noteSentAgain } from './resend.ts';
import type { Sending } from './sending.ts';
import { openForUnit } from './shared-copy.ts';

/** A body above this does not pass the gateway (contract §4.4). */
const MAX_SINGLE_DOCUMENT_BYTES = 5_000_000;

export async function sendDocumentsZipped(scope: Sending): Promise<void> {
  const { deps, ref, unit, ledger, cloud, signal } = scope;
  // An earlier attempt may have been taken in: only the cloud's list can tell.
  if (unit.state !== 'pending') return;
  const { zip, ids } = await zipOf(scope);
  if (ids.length === 0) return;
  const url = await cloud.documents.bulkUploadUrl(ref.cloudDatasetId, signal);
  // The attempt before this one, given up and slow, may have been quicker after all.
  const isMine = ledger.together(() => {
    if (ledger.units.get(unit.unit).state !== 'pending') return false;
    ledger.items.mark('document', ids, { state: 'sending' });
    ledger.units.mark(unit.unit, { state: 'sending' });
    return true;
  });
  if (!isMine) return;
  let bytes = 0;
  let allLeft = false;
  try {
    await putBytes(url, zip, {
      signal,
      throttle: deps.throttle,
      network: deps.network,
      onBytes: (more) => {
        bytes += more;
        scope.heartbeat({ unit: unit.unit, what: 'sending', bytes, ofBytes: zip.byteLength });
      },
      onLastPiece: () => {
        allLeft = true;
      },
    });
  } catch (error) {
    // Perhaps taken in: the unit stays `sending`, and the cloud's list decides.
    if (allLeft && mayHaveActed(error)) return;
    if (allLeft && !wasRefused(error)) throw error;
    // A store keeps no half object: this zip is not there, so the unit may go again.
    ledger.items.mark('document', ids, { state: 'pending' });
    ledger.units.mark(unit.unit, { state: 'pending' });
    throw error;
  }
  ledger.items.mark('document', ids, { state: 'sent' });
}

/** One entry holding an array, as the real cloud's own zips have it (contract §4.5). */
async function zipOf(scope: Sending): Promise<{ zip: Buffer; ids: string[] }> {
  const reader = openForUnit(scope);
  try {
    const texts: string[] = [];
    const ids: string[] = [];
    scope.ledger.together(() => {
      for (const item of scope.items) {
        const text = textToSend(scope, reader, item);
        if (text === undefined) continue;
        texts.push(text);
        ids.push(item.id);
      }
    });
    const entry = { name: 'documents.json', bytes: Buffer.from(`[${texts.join(',\n')}]`) };
    return { zip: await zipDocuments([entry]), ids };
  } finally {
    reader.close();
  }
}

/** One request per document, in dependency order, each with its own answer. */
export async function sendDocumentsSerially(scope: Sending): Promise<void> {
  await oneByOne(scope, 'sending', async (item, text) => {
    const cloudId = await addOnce(scope, item, text);
    scope.ledger.items.mark('document', [item.id], { state: 'sent', cloudId });
  });
}

/**
 * Calls `send` for each document of the unit that can be read; an error of one of them becomes its problem.
 */
export async function oneByOne(
  scope: Sending,
  what: string,
  send: (item: PlanItem, text: string) => Promise<void>,
): Promise<void> {
  const { signal, unit } = scope;
  const reader = openForUnit(scope);
  try {
    let bytes = 0;
    for (const item of scope.items) {
      signal.throwIfAborted();
      const text = textToSend(scope, reader, item);
      if (text === undefined) continue;
      await unlessAboutItem(scope, item, () => send(item, text));
      bytes += item.sizeBytes;
      scope.heartbeat({ unit: unit.unit, what, bytes, ofBytes: unit.sizeBytes });
    }
  } finally {
    reader.close();
  }
}

/** Adds a document unless an earlier attempt, whose answer was lost, has done so. Returns its cloud id. */
async function addOnce(scope: Sending, item: PlanItem, text: string): Promise<string> {
  const { ref, ledger, cloud, signal } = scope;
  if (item.sizeBytes > MAX_SINGLE_DOCUMENT_BYTES) {
    throw new CourierError('NDI_E_REQUEST_TOO_LARGE', {
      detail: `Document ${item.id} has ${item.sizeBytes} bytes.`,
    });
  }
  if (item.state === 'sending') {
    const known = await findInCloud(scope, item.id);
    if (known !== undefined) return known;
    // The earlier request may still be at work.
    noteSentAgain(ledger);
  }
  // On disk before the request: an attempt after this one looks first.
  ledger.items.mark('document', [item.id], { state: 'sending' });
  try {
    return (await cloud.documents.add(ref.cloudDatasetId, text, signal)).id;
  } catch (error) {
    if (wasRefused(error)) ledger.items.mark('document', [item.id], { state: 'pending' });
    throw error;
  }
}

async function findInCloud({ cloud, ref, signal }: Sending, ndiId: string): Promise<string | undefined> {
  const byId = [{ field: 'base.id', operation: 'exact_string', param1: ndiId, param2: '' }];
  const { rows } = await cloud.query(ref.cloudDatasetId, byId, { page: 1, pageSize: 20 }, signal);
  return rows.map((row) => row.id).toSorted()[0];
}
