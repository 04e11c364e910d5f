/**
 * What a download has to fetch. First the documents that the cloud lists; then, when they are here, the binaries that
 * they name; then whatever a fetched file-series manifest names.
 */
import { CourierError } from '../../errors/index.ts';
import type { Ledger, NewPlanItem, NewPlanUnit } from '../../ledger/types.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import type { DatasetReader, ResolvedFile } from '../../ndi/dataset/types.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { isSafeName } from '../../ndi/ids.ts';
import { ensureSpace } from '../../transfer/probe.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { PlanSummary, RunRef } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { listDocuments, listFiles } from '../listing.ts';
import { letOthers } from '../sleep.ts';
import { planSummary } from '../summary.ts';
import { buildDirOf, isCompleting } from './places.ts';
import { lookAgainAfterReboot } from './trust.ts';

/** Files of one step: enough to be worth it, few enough to be looked over again after a crash. */
const FILES_PER_UNIT = 256;
const FILE_BYTES_PER_UNIT = 1_000_000_000;
const ITEM_BATCH = 1_000;

export async function planDownload(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
  ref: RunRef,
): Promise<PlanSummary> {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const { runKey, tuning } = ref;
  if (ledger.planState(runKey) === 'sealed') return planSummary(ledger, runKey);
  ledger.beginPlan(runKey, { operation: 'download', cloudDatasetId: ref.cloudDatasetId });
  const listing = {
    ledger,
    runKey,
    cloud: deps.cloud(ref.cloud),
    datasetId: ref.cloudDatasetId,
    name: 'cloud',
    pollMinMs: tuning.pollMinMs,
    pollMaxMs: tuning.pollMaxMs,
    quietMs: tuning.importQuietMs,
  };
  await listDocuments(context, listing);
  await listFiles(context, listing);

  const here = documentsHere(deps, input);
  let batch: NewPlanItem[] = [];
  let planned = 0;
  let last = '';
  const flush = (): void => {
    ledger.addItems(runKey, batch);
    batch = [];
  };
  for (const row of ledger.listing(runKey, 'document', 'cloud')) {
    // The cloud may list a document twice; its smallest id is the one the clients keep (contract §5.5).
    if (row.id === last) continue;
    last = row.id;
    const unit = Math.floor(planned / tuning.documentsPerUnit);
    const item = documentItem(row.id, row.cloudId, here.has(row.id) ? null : unit);
    if (item.unit !== null) planned += 1;
    batch.push(item);
    if (batch.length >= ITEM_BATCH) flush();
  }
  flush();
  ledger.addUnits(runKey, documentUnits(planned, tuning.documentsPerUnit));
  ledger.sealPlan(runKey);
  return planSummary(ledger, runKey);
}

/** Documents of a target that is being completed. A building folder begins with none. */
function documentsHere(deps: StepDeps, input: DownloadInput): ReadonlySet<string> {
  if (!isCompleting(input)) return new Set();
  const reader = openDataset(input.targetDir, { scratchDir: deps.scratchDir, allowAmbiguousId: true });
  try {
    return new Set(reader.documentIds());
  } finally {
    reader.close();
  }
}

/** `unit` is null for a document that is here already. */
function documentItem(id: string, cloudId: string | null, unit: number | null): NewPlanItem {
  // Rows without an NDI id cannot be kept in a dataset: it is the name of everything there.
  const error = id.startsWith('cloud:') || !isSafeName(id);
  return error
    ? {
        kind: 'document',
        id,
        unit: null,
        state: 'failed',
        sizeBytes: 0,
        cloudId,
        errorCode: 'NDI_E_BAD_ID',
        errorDetail: `The cloud’s document ${cloudId} has no usable NDI id.`,
      }
    : { kind: 'document', id, unit, state: unit === null ? 'skipped' : 'pending', sizeBytes: 0, cloudId };
}

function documentUnits(documents: number, perUnit: number): NewPlanUnit[] {
  return Array.from({ length: Math.ceil(documents / perUnit) }, (_, unit) => ({
    unit,
    kind: 'documents',
    wave: 0,
    itemCount: Math.min(perUnit, documents - unit * perUnit),
    sizeBytes: 0,
  }));
}

/** Fact of a run: `none` when only documents name binaries, and all of those are planned. */
const SERIES = 'file series';

/** Adds the binaries that are named and not planned yet. Called until it finds no more. */
export async function planDownloadFiles(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
  ref: RunRef,
): Promise<PlanSummary> {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  await lookAgainAfterReboot(deps, context, input, ref);
  if (ledger.fact(ref.runKey, SERIES) === 'none') return planSummary(ledger, ref.runKey);
  const reader = openDataset(buildDirOf(input), { scratchDir: deps.scratchDir, allowAmbiguousId: true });
  try {
    const { items, units, hasSeries } = await newFiles(context, reader, ledger, ref.runKey);
    if (items.length > 0) {
      // Said now, not after a night of filling the disk. Sizes that the cloud does not list count as nothing.
      await ensureSpace(
        buildDirOf(input),
        units.reduce((sum, unit) => sum + unit.sizeBytes, 0),
      );
      ledger.reopenPlan(ref.runKey);
      // Units first: a unit without items is harmless, an item without a unit would be forgotten.
      ledger.addUnits(ref.runKey, units);
      ledger.addItems(ref.runKey, items);
      ledger.sealPlan(ref.runKey);
    }
    if (!hasSeries) ledger.setFact(ref.runKey, SERIES, 'none');
  } finally {
    reader.close();
  }
  return planSummary(ledger, ref.runKey);
}

async function newFiles(
  context: StepContext,
  reader: DatasetReader,
  ledger: Ledger,
  runKey: string,
): Promise<{ items: NewPlanItem[]; units: NewPlanUnit[]; hasSeries: boolean }> {
  const items: NewPlanItem[] = [];
  let hasSeries = false;
  const seen = new Set<string>();
  // A published dataset may list no files although it has them (contract §2.4 D3): then each is simply tried.
  const listsFiles = !ledger.listing(runKey, 'file', 'cloud').next().done;
  const pack = packer(nextUnit(ledger, runKey));
  let count = 0;
  for (const stored of reader.documents()) {
    count += 1;
    if (count % 500 === 0) await letOthers(context, `reading documents: ${count}`);
    const facts = describeDocument(parseDocument(stored.text));
    hasSeries ||= (facts.series?.length ?? 0) > 0;
    for (const { name, file } of reader.files(facts)) {
      if (file.uid === '' || seen.has(file.uid) || isElsewhere(file)) continue;
      seen.add(file.uid);
      if (ledger.item(runKey, 'file', file.uid) !== undefined) continue;
      items.push(fileItem(ledger, runKey, { documentId: facts.id, name, file, listsFiles }, pack.add));
    }
  }
  return { items, units: pack.units(), hasSeries };
}

/** Behind an author's own address: not the cloud's to give. */
const isElsewhere = (file: ResolvedFile): boolean =>
  file.kind === 'remote' && !file.uri.startsWith('ndic://');

interface NamedFile {
  readonly documentId: string;
  readonly name: string;
  readonly file: ResolvedFile;
  readonly listsFiles: boolean;
}

function fileItem(
  ledger: Ledger,
  runKey: string,
  { documentId, name, file, listsFiles }: NamedFile,
  unitFor: (sizeBytes: number) => number,
): NewPlanItem {
  const item = { kind: 'file', id: file.uid, documentId, name } as const;
  const lacking = (error: CourierError): NewPlanItem => ({
    ...item,
    unit: null,
    state: 'failed',
    sizeBytes: 0,
    errorCode: error.code,
    errorDetail: error.detail ?? error.message,
  });
  const where = `File ${name} (${file.uid}) of document ${documentId}`;
  if (!isSafeName(file.uid)) return lacking(new CourierError('NDI_E_BAD_ID', { detail: where }));
  const listed = ledger.listed(runKey, 'file', 'cloud', file.uid);
  if (listsFiles && (listed === undefined || listed.uploaded === false)) {
    return lacking(new CourierError('NDI_E_NOT_FOUND', { detail: `${where} was never uploaded.` }));
  }
  // An earlier run has brought it. Of another size it is fetched again and replaced.
  if (file.kind === 'local' && (listed?.sizeBytes ?? file.sizeBytes) === file.sizeBytes)
    return { ...item, unit: null, state: 'skipped', sizeBytes: file.sizeBytes };
  const sizeBytes = listed?.sizeBytes ?? 0;
  return { ...item, unit: unitFor(sizeBytes), state: 'pending', sizeBytes };
}

function nextUnit(ledger: Ledger, runKey: string): number {
  let next = 0;
  const kinds = ['documents', 'files'] as const;
  for (let page = ledger.units(runKey, { kinds, limit: 1_000 }); page.length > 0; ) {
    next = (page.at(-1)?.unit ?? 0) + 1;
    page = ledger.units(runKey, { kinds, after: next - 1, limit: 1_000 });
  }
  return next;
}

function packer(firstUnit: number): { add(sizeBytes: number): number; units(): NewPlanUnit[] } {
  const units: { unit: number; kind: 'files'; wave: 0; itemCount: number; sizeBytes: number }[] = [];
  return {
    add: (sizeBytes) => {
      let unit = units.at(-1);
      const full =
        unit === undefined ||
        unit.itemCount >= FILES_PER_UNIT ||
        (unit.itemCount > 0 && unit.sizeBytes + sizeBytes > FILE_BYTES_PER_UNIT);
      if (unit === undefined || full) {
        unit = { unit: firstUnit + units.length, kind: 'files', wave: 0, itemCount: 0, sizeBytes: 0 };
        units.push(unit);
      }
      unit.itemCount += 1;
      unit.sizeBytes += sizeBytes;
      return unit.unit;
    },
    units: () => units,
  };
}
