/**
 * The binaries that a download has to fetch: those that the documents here name, then those that a fetched
 * file-series manifest names.
 */

import { ensureSpace } from '../../disk/free-space.ts';
import { CourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import { packUnits } from '../../ledger/pack.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { NewPlanItem, NewPlanUnit } from '../../ledger/types.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { createNameMatcher } from '../../ndi/dataset/selection.ts';
import type { DatasetReader, ResolvedFile } from '../../ndi/dataset/types.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { isSafeName } from '../../ndi/ids.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { PlanSummary } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { createPacer } from '../shared/poll.ts';
import { planSummary } from '../shared/report.ts';
import { failedItem, fileUnitLimits, firstFreeUnit } from '../shared/units.ts';
import { lookAgainAfterReboot } from './after-reboot.ts';
import { buildDirOf } from './build-dir.ts';
import { CLOUD } from './plan-documents.ts';

/** Adds the binaries that are named and not planned yet. Called until it finds no more. */
export async function planDownloadFiles(scope: RunScope, input: DownloadInput): Promise<PlanSummary> {
  const { ledger, deps } = scope;
  await lookAgainAfterReboot(scope, input);
  if (ledger.facts.get(RUN_FACTS.fileSeries) === 'none') return planSummary(ledger);
  const dir = buildDirOf(input);
  const reader = openDataset(dir, { scratchDir: deps.scratchDir, allowAmbiguousId: true });
  try {
    const { items, units, hasSeries } = await newFiles(scope, reader, createNameMatcher(input.filesMatching));
    if (items.length > 0) {
      // Said now, not after a night of filling the disk. Sizes that the cloud does not list count as nothing.
      await ensureSpace(
        dir,
        units.reduce((sum, unit) => sum + unit.sizeBytes, 0),
      );
      ledger.plan.reopen();
      // Units first: a unit without items is harmless, an item without a unit would be forgotten.
      ledger.units.add(units);
      ledger.items.add(items);
      ledger.plan.seal();
    }
    if (!hasSeries) ledger.facts.set(RUN_FACTS.fileSeries, 'none');
  } finally {
    reader.close();
  }
  return planSummary(ledger);
}

async function newFiles(
  scope: RunScope,
  reader: DatasetReader,
  isWanted: (name: string) => boolean,
): Promise<{ items: NewPlanItem[]; units: NewPlanUnit[]; hasSeries: boolean }> {
  const { ledger } = scope;
  const items: NewPlanItem[] = [];
  const units: NewPlanUnit[] = [];
  let hasSeries = false;
  const seen = new Set<string>();
  // A published dataset may list no files although it has them (contract §2.4 D3): then each is simply tried.
  const listsFiles = !ledger.listings.rows('file', CLOUD).next().done;
  let nextUnit = firstFreeUnit(ledger);
  const pack = packUnits(
    fileUnitLimits(scope),
    () => nextUnit++,
    (unit) => units.push(unit),
  );
  const pause = createPacer(scope, (count) => `reading documents: ${count}`);
  for (const stored of reader.documents()) {
    await pause();
    const facts = describeDocument(parseDocument(stored.text));
    hasSeries ||= (facts.series?.length ?? 0) > 0;
    for (const { name, file } of reader.files(facts)) {
      if (file.uid === '' || seen.has(file.uid) || isElsewhere(file) || !isWanted(name)) continue;
      seen.add(file.uid);
      if (ledger.items.get('file', file.uid) !== undefined) continue;
      items.push(fileItem(ledger, { documentId: facts.id, name, file, listsFiles }, pack.add));
    }
  }
  pack.close();
  return { items, units, hasSeries };
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
  ledger: RunLedger,
  { documentId, name, file, listsFiles }: NamedFile,
  unitFor: (sizeBytes: number) => number,
): NewPlanItem {
  const item = { kind: 'file', id: file.uid, documentId, name } as const;
  const where = `File ${name} (${file.uid}) of document ${documentId}`;
  if (!isSafeName(file.uid)) return failedItem(item, new CourierError('NDI_E_BAD_ID', { detail: where }));
  const listed = ledger.listings.row('file', CLOUD, file.uid);
  if (listsFiles && (listed === undefined || listed.uploaded === false)) {
    const detail = `${where} was never uploaded.`;
    return failedItem(item, new CourierError('NDI_E_NOT_FOUND', { detail }));
  }
  // An earlier run has brought it. Of another size it is fetched again and replaced.
  if (file.kind === 'local' && (listed?.sizeBytes ?? file.sizeBytes) === file.sizeBytes)
    return { ...item, unit: null, state: 'skipped', sizeBytes: file.sizeBytes };
  const sizeBytes = listed?.sizeBytes ?? 0;
  return { ...item, unit: unitFor(sizeBytes), state: 'pending', sizeBytes };
}
