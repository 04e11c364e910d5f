/** The documents that a download has to fetch: those that the cloud lists. Binaries are planned when the documents are here. */
import { CourierError } from '../../errors/index.ts';
import type { NewPlanItem } from '../../ledger/types.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { isSafeName } from '../../ndi/ids.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { PlanSummary } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { listAllDocuments } from '../shared/absence.ts';
import { isNameless, listFiles, listingOf } from '../shared/listing.ts';
import { planSummary } from '../shared/report.ts';
import { createItemWriter, failedItem, packUnits } from '../shared/units.ts';
import { isCompleting } from './build-dir.ts';

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
    items.add(documentItem(id, cloudId, () => (here.has(id) ? null : units.add(0))));
  }
  items.flush();
  units.close();
  ledger.plan.seal();
  return planSummary(ledger);
}

/** Documents of a target that is being completed. A building folder begins with none. */
function documentsHere({ deps }: RunScope, input: DownloadInput): ReadonlySet<string> {
  if (!isCompleting(input)) return new Set();
  const reader = openDataset(input.targetDir, { scratchDir: deps.scratchDir, allowAmbiguousId: true });
  try {
    return new Set(reader.documentIds());
  } finally {
    reader.close();
  }
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
