/**
 * Which files are meant: those of the selected documents, and the members of file series whose manifest is
 * here.
 */

import { ensureSpace } from '../../disk/free-space.ts';
import { CourierError } from '../../errors/index.ts';
import { packUnits } from '../../ledger/pack.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { ListingRow, NewPlanItem, NewPlanUnit } from '../../ledger/types.ts';
import { createSelector } from '../../ndi/dataset/selection.ts';
import type { DatasetReader, ResolvedFile } from '../../ndi/dataset/types.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { isSafeName } from '../../ndi/ids.ts';
import type { FilesInput } from '../../workflows/contracts/index.ts';
import type { PlanSummary } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { listFiles, listingOf } from '../shared/listing.ts';
import { openHere } from '../shared/open-here.ts';
import { createPacer } from '../shared/poll.ts';
import { planSummary } from '../shared/report.ts';
import { failedItem, fileUnitLimits } from '../shared/units.ts';

/** The name under which the run keeps the cloud's list of files. */
const CLOUD = 'cloud';

/** Adds the files that are meant and not planned yet. Called until it finds no more. */
export async function planFiles(scope: RunScope, input: FilesInput): Promise<PlanSummary> {
  const { ledger, ref, deps } = scope;
  const isFirst = ledger.plan.state() !== 'sealed';
  if (isFirst) {
    const direction = input.action === 'get' ? 'down' : 'up';
    ledger.plan.begin({ operation: 'files', direction, cloudDatasetId: ref.cloudDatasetId });
    await listFiles(scope, listingOf(scope, CLOUD));
  }
  const reader = openHere(deps, input);
  try {
    const { items, units } = await newFiles(scope, input, reader, ledger.plan.totals().units);
    const bytes = units.reduce((sum, unit) => sum + unit.sizeBytes, 0);
    // Said now, not after a night of filling the disk.
    if (input.action === 'get') await ensureSpace(input.datasetDir, bytes);
    if (!isFirst) ledger.plan.reopen();
    // Units first: a unit without items is harmless, an item without a unit would be forgotten.
    ledger.units.add(units);
    ledger.items.add(items);
    ledger.plan.seal();
  } finally {
    reader.close();
  }
  return planSummary(ledger);
}

interface NamedFile {
  readonly documentId: string;
  readonly name: string;
  readonly file: ResolvedFile;
}

async function newFiles(
  scope: RunScope,
  input: FilesInput,
  reader: DatasetReader,
  firstUnit: number,
): Promise<{ items: NewPlanItem[]; units: NewPlanUnit[] }> {
  const { ledger } = scope;
  const selects = createSelector(reader.identity, input.selection);
  const named = new Map<string, NamedFile>();
  /** Uids that documents name which are not selected: their binaries stay. */
  const keptByOthers = new Set<string>();
  const pause = createPacer(scope, (count) => `reading documents: ${count}`);
  for (const stored of reader.documents()) {
    await pause();
    const facts = describeDocument(parseDocument(stored.text));
    const isSelected = selects(facts);
    for (const { name, file } of reader.files(facts)) {
      if (file.uid === '') continue;
      if (isSelected) named.set(file.uid, { documentId: facts.id, name, file });
      else keptByOthers.add(file.uid);
    }
  }
  const items: NewPlanItem[] = [];
  const units: NewPlanUnit[] = [];
  let nextUnit = firstUnit;
  const pack = packUnits(
    fileUnitLimits(scope),
    () => nextUnit++,
    (unit) => units.push(unit),
  );
  const plan = input.action === 'get' ? itemToGet : itemToDrop(keptByOthers);
  for (const file of named.values()) {
    if (ledger.items.get('file', file.file.uid) !== undefined) continue;
    const item = plan(ledger, file, pack.add);
    if (item !== undefined) items.push(item);
  }
  pack.close();
  return { items, units };
}

type Planner = (
  ledger: RunLedger,
  named: NamedFile,
  unitFor: (sizeBytes: number) => number,
) => NewPlanItem | undefined;

/** Undefined for files that are somewhere else on purpose: at an author's own address. */
const itemToGet: Planner = (ledger, { documentId, name, file }, unitFor) => {
  const item = { kind: 'file', id: file.uid, documentId, name } as const;
  if (file.kind === 'local') {
    const { sizeBytes, mtimeMs, inode } = file;
    return { ...item, unit: null, action: 'none', state: 'skipped', sizeBytes, mtimeMs, inode };
  }
  if (file.kind === 'remote' && !file.uri.startsWith('ndic://')) return undefined;
  const where = `File ${name} (${file.uid}) of document ${documentId}`;
  if (!isSafeName(file.uid)) return failedItem(item, new CourierError('NDI_E_BAD_ID', { detail: where }));
  const listed = ledger.listings.row('file', CLOUD, file.uid);
  const listsFiles = !ledger.listings.rows('file', CLOUD).next().done;
  if (listsFiles && !isThere(listed)) {
    return failedItem(item, new CourierError('NDI_E_NOT_FOUND', { detail: `${where} is not in the cloud.` }));
  }
  const sizeBytes = listed?.sizeBytes ?? 0;
  return { ...item, unit: unitFor(sizeBytes), state: 'pending', sizeBytes };
};

const isThere = (listed: ListingRow | undefined): listed is ListingRow =>
  listed !== undefined && listed.uploaded !== false;

/** Undefined for files that are not here: there is nothing to let go of. */
const itemToDrop =
  (keptByOthers: ReadonlySet<string>): Planner =>
  (ledger, { documentId, name, file }, unitFor) => {
    if (file.kind !== 'local') return undefined;
    const { path, sizeBytes, mtimeMs, inode } = file;
    const item = { kind: 'file', id: file.uid, documentId, name, path, sizeBytes, mtimeMs, inode } as const;
    if (keptByOthers.has(file.uid)) return { ...item, unit: null, action: 'none', state: 'skipped' };
    const where = `File ${name} of document ${documentId} (${path})`;
    const listed = ledger.listings.row('file', CLOUD, file.uid);
    if (!isThere(listed)) {
      const detail = `${where} is not in the cloud, and stays here.`;
      return failedItem(item, new CourierError('NDI_E_NOT_FOUND', { detail }));
    }
    return { ...item, unit: unitFor(sizeBytes), action: 'remove', state: 'pending' };
  };
