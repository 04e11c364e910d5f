/**
 * The documents that a download has to fetch: those that the cloud lists. Binaries are planned when the
 * documents are here.
 */
import { CourierError } from '../../errors/index.ts';
import { DATASET_FACTS } from '../../ledger/fact-keys.ts';
import { packUnits } from '../../ledger/pack.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { NewPlanItem } from '../../ledger/types.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { openForWriting } from '../../ndi/dataset/write.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { isSafeName } from '../../ndi/ids.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { PlanSummary } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { listAllDocuments } from '../shared/absence.ts';
import { isNameless, listFiles, listingOf } from '../shared/listing.ts';
import { createPacer } from '../shared/poll.ts';
import { planSummary } from '../shared/report.ts';
import { createItemWriter, failedItem, firstFreeUnit } from '../shared/units.ts';
import { buildDirOf, isCompleting } from './build-dir.ts';
import { selectedDocuments } from './selected.ts';

/** The name under which a download keeps the cloud's lists. */
export const CLOUD = 'cloud';

export async function planDownload(scope: RunScope, input: DownloadInput): Promise<PlanSummary> {
  const { ledger, ref, tuning } = scope;
  if (ledger.plan.state() === 'sealed') return planSummary(ledger);
  const { cloudDatasetId } = ref;
  ledger.plan.begin({ operation: 'download', direction: 'down', cloudDatasetId });
  const listing = listingOf(scope, CLOUD);
  await listAllDocuments(scope, listing);
  await listFiles(scope, listing);

  const here = documentsHere(scope, input);
  const wanted = await selectedDocuments(scope, input.selection);
  const items = createItemWriter(ledger);
  let nextUnit = 0;
  const units = packUnits(
    { kind: 'documents', maxItems: tuning.documentsPerUnit, maxBytes: Number.POSITIVE_INFINITY },
    () => nextUnit++,
    (unit) => ledger.units.add([unit]),
  );
  let last = '';
  for (const { id, cloudId } of ledger.listings.rows('document', CLOUD)) {
    // The cloud may list a document twice; its smallest id is the one the clients keep (contract §5.5).
    if (id === last) continue;
    last = id;
    if (wanted !== null && !wanted.has(id)) continue;
    items.add(documentItem(id, cloudId, () => (here.has(id) ? null : units.add(0))));
  }
  items.flush();
  units.close();
  ledger.plan.seal();
  return planSummary(ledger);
}

/**
 * Adds the documents that those which are here depend on and that are not planned yet. Called until it finds
 * no more, for a selection only: a whole dataset has them all.
 */
export async function planDependencies(scope: RunScope, input: DownloadInput): Promise<PlanSummary> {
  const { ledger, deps, tuning } = scope;
  const dir = buildDirOf(input);
  const reader = openDataset(dir, { scratchDir: deps.scratchDir, allowAmbiguousId: true });
  const found = new Map<string, string | null>();
  try {
    const pause = createPacer(scope, (count) => `reading documents: ${count}`);
    for (const stored of reader.documents()) {
      await pause();
      for (const { value: id } of describeDocument(parseDocument(stored.text)).dependsOn) {
        if (id === '' || found.has(id) || ledger.items.get('document', id) !== undefined) continue;
        const listed = ledger.listings.row('document', CLOUD, id);
        if (listed !== undefined) found.set(id, listed.cloudId);
      }
    }
  } finally {
    reader.close();
  }
  if (found.size === 0) return planSummary(ledger);
  let nextUnit = firstFreeUnit(ledger);
  ledger.plan.reopen();
  const units = packUnits(
    { kind: 'documents', maxItems: tuning.documentsPerUnit, maxBytes: Number.POSITIVE_INFINITY },
    () => nextUnit++,
    (unit) => ledger.units.add([unit]),
  );
  const items = [...found].map(([id, cloudId]) => documentItem(id, cloudId, () => units.add(0)));
  units.close();
  ledger.items.add(items);
  ledger.plan.seal();
  return planSummary(ledger);
}

/** Documents of a target that is being completed. A building folder begins with none. */
function documentsHere({ deps, ledger }: RunScope, input: DownloadInput): ReadonlySet<string> {
  if (!isCompleting(input)) return new Set();
  removeMadeForLack(ledger, input);
  const reader = openDataset(input.targetDir, { scratchDir: deps.scratchDir, allowAmbiguousId: true });
  try {
    return new Set(reader.documentIds());
  } finally {
    reader.close();
  }
}

/** The run before this one made a session of its own, because a list that lagged showed none. */
function removeMadeForLack({ dataset }: RunLedger, input: DownloadInput): void {
  const made = dataset.facts.get(DATASET_FACTS.madeForLack);
  if (made === undefined) return;
  const writer = openForWriting(input.targetDir);
  try {
    writer.removeDocuments(made);
  } finally {
    writer.close();
  }
  dataset.facts.set(DATASET_FACTS.madeForLack, null);
}

/** `unitOf` gives null for a document that is here already. */
function documentItem(id: string, cloudId: string | null, unitOf: () => number | null): NewPlanItem {
  // Rows without an NDI id cannot be kept in a dataset: it is the name of everything there.
  if (isNameless(id) || !isSafeName(id)) {
    const detail = `The cloud’s document ${cloudId} has no usable NDI id.`;
    return failedItem({ kind: 'document', id, cloudId }, new CourierError('NDI_E_BAD_ID', { detail }));
  }
  const unit = unitOf();
  return { kind: 'document', id, unit, state: unit === null ? 'skipped' : 'pending', sizeBytes: 0, cloudId };
}
