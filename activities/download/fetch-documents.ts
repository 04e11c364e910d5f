/**
 * Documents out of the cloud, by zip and by direct fetch. Each goes into the building database as soon as it
 * is here.
 */
import { CourierError, isCourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { createNameMatcher } from '../../ndi/dataset/selection.ts';
import type { DatasetWriter } from '../../ndi/dataset/types.ts';
import { openForWriting } from '../../ndi/dataset/write.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { toLocal, toNdic } from '../../ndi/document/dehydrate.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { NdiDocument } from '../../ndi/document/types.ts';
import { takeDirectly, takeZip } from '../shared/bodies.ts';
import { failItem } from '../shared/units.ts';
import { buildDirOf } from './build-dir.ts';
import type { Fetching } from './fetching.ts';
import { giveTime } from './grace.ts';
import { CLOUD } from './plan-documents.ts';

/** Documents per transaction of the building database: a fraction of a second of this thread. */
const WRITE_BATCH = 250;
/** Bytes per transaction: what is parsed and waits may take a hundred times its text. */
const WRITE_BATCH_BYTES = 2 * 1024 * 1024;
/** Zips that did not come or were damaged before the rest of their unit is fetched directly. */
const ZIP_ATTEMPTS = 3;

/** `isAlone`: without a zip, so that nothing but the named documents is read. */
export async function fetchDocuments(scope: Fetching, isAlone = false): Promise<void> {
  const { input, ledger, unit } = scope;
  const wanted = new Map(scope.items.map((item) => [item.id, item]));
  const writer = openForWriting(buildDirOf(input), { finalDir: input.targetDir });
  /** Errors by cloud id, of documents that came and could not be read. */
  const unreadable = new Map<string, CourierError>();
  let odd: ReadonlyMap<string, CourierError>;
  try {
    const keep = createKeeper(scope, writer, wanted, unreadable);
    try {
      if (!isAlone && zipFailures(scope) < ZIP_ATTEMPTS) {
        const failure = await takeZip(
          scope,
          { name: String(unit.unit), cloudIds: cloudIdsOf(wanted) },
          keep.add,
        );
        if (failure !== undefined) noteZipFailure(scope, failure);
      }
      odd = await takeDirectly(scope, cloudIdsOf(wanted), keep.add);
    } finally {
      // Documents that came before something broke need not come again.
      keep.flush();
    }
  } finally {
    writer.close();
  }
  giveTime(scope, [...odd.values()]);
  ledger.together(() => {
    for (const item of wanted.values()) {
      const detail = `Document ${item.id} is listed, but the cloud gives it neither in a zip nor directly.`;
      const lacking = new CourierError('NDI_E_NOT_FOUND', { detail });
      const id = item.cloudId ?? '';
      failItem(scope, item, unreadable.get(id) ?? odd.get(id) ?? lacking);
    }
  });
}

const cloudIdsOf = (wanted: ReadonlyMap<string, PlanItem>): string[] =>
  [...wanted.values()].map((item) => item.cloudId).filter((id) => id !== null);

interface Keeper {
  /**
   * Takes the text of one document from the cloud; one that is not wanted, or wanted no more, is passed over.
   */
  add(text: string, cloudId?: string): void;
  flush(): void;
}

function createKeeper(
  scope: Fetching,
  writer: DatasetWriter,
  wanted: Map<string, PlanItem>,
  unreadable: Map<string, CourierError>,
): Keeper {
  const { ledger, unit } = scope;
  const place = placement(scope);
  let batch: { document: NdiDocument; id: string; sizeBytes: number }[] = [];
  let bytes = 0;
  let batchBytes = 0;
  const flush = (): void => {
    if (batch.length === 0) return;
    writer.addDocuments(batch.map(({ document }) => document));
    const written = batch;
    ledger.together(() => {
      for (const { document, id, sizeBytes } of written) {
        // The written document is the one that came: both sides were seen, and are equal.
        const sha256Hex = canonicalHash(document);
        const seen = { sha256Hex, cloudHash: sha256Hex, cloudHow: 'read-back' } as const;
        ledger.items.mark('document', [id], { state: 'done', sizeBytes, ...seen });
      }
    });
    scope.heartbeat({ unit: unit.unit, what: 'writing documents', bytes, ofBytes: 0 });
    batch = [];
    batchBytes = 0;
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
      batchBytes += sizeBytes;
      batch.push({ document: place(known.document), id: known.id, sizeBytes });
      if (batch.length >= WRITE_BATCH || batchBytes >= WRITE_BATCH_BYTES) flush();
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
 * Where the document's binaries will lie. A binary that the cloud's list does not have stays behind
 * `ndic://`, so that a reader asks for it rather than looks for a file that never came.
 */
function placement({ ledger, input, ref }: Fetching): (document: NdiDocument) => NdiDocument {
  const listed = (uid: string) => ledger.listings.row('file', CLOUD, uid);
  const inCloud = (document: NdiDocument): NdiDocument =>
    toNdic(document, ref.cloudDatasetId, (uid) => listed(uid) !== undefined);
  if (input.mode === 'hybrid') return inCloud;
  const listsFiles = !ledger.listings.rows('file', CLOUD).next().done;
  const isWanted = createNameMatcher(input.filesMatching);
  const comes = (uid: string): boolean => {
    const row = listed(uid);
    return listsFiles ? row !== undefined && row.uploaded !== false : true;
  };
  return (document) =>
    toLocal(inCloud(document), (uid, name) =>
      comes(uid) && isWanted(name) ? uidPath(input.targetDir, uid) : undefined,
    );
}

/**
 * Failures of zips are counted per unit, not per attempt: a network that was down for a night says nothing
 * about zips.
 */
const zipFailures = ({ ledger, unit }: Fetching): number =>
  ledger.facts.get(RUN_FACTS.zipFailures(unit.unit)) ?? 0;

function noteZipFailure(scope: Fetching, { code, detail }: CourierError): void {
  const { ledger, unit } = scope;
  ledger.facts.set(RUN_FACTS.zipFailures(unit.unit), zipFailures(scope) + 1);
  ledger.audit('a zip of documents was not used', { unit: unit.unit, code, detail });
}
