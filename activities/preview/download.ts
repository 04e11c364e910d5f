/**
 * The preview of a download. Its binaries are those that the cloud's list has: which of them documents name
 * is known only later.
 */
import { CourierError } from '../../errors/index.ts';
import { packUnits } from '../../ledger/pack.ts';
import { createNameMatcher } from '../../ndi/dataset/selection.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { PreviewSteps } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { CLOUD, planDownload } from '../download/plan-documents.ts';
import { checkTarget, resolveTarget, targetState } from '../download/target.ts';
import { holdsExactly } from '../download/unchanged.ts';
import { takeDirectly } from '../shared/bodies.ts';
import { createItemWriter, fileUnitLimits, firstFreeUnit } from '../shared/units.ts';
import { writePlan } from './plan-file.ts';

export async function previewDownload(
  plain: RunScope,
  given: DownloadInput,
): ReturnType<PreviewSteps['previewTransfer']> {
  const { cloud, signal } = plain;
  const input = { ...given, targetDir: await resolveTarget(given.targetDir) };
  const record = await cloud.datasets.get(input.cloudDatasetId, signal);
  if (record.isDeleted) throw new CourierError('NDI_E_NOT_FOUND', { detail: `${record.id} was deleted.` });
  const scope: RunScope = { ...plain, ref: { ...plain.ref, cloudDatasetId: record.id } };
  const isOccupied = (await targetState(input.targetDir)) === 'occupied';
  if (!isOccupied) await checkTarget(input.targetDir, given.targetDir);
  const held = isOccupied ? await holding(scope, input) : undefined;
  const result = {
    datasetId: record.id,
    ndiDatasetId: held?.ndiDatasetId ?? null,
    directory: input.targetDir,
  };
  if (held !== undefined && held.leftovers === 0 && held.misplaced === 0) {
    scope.ledger.plan.begin({ operation: 'download', direction: 'down', cloudDatasetId: record.id });
    scope.ledger.plan.seal();
    const skipped = (total: number) => ({ total, transferred: 0, skipped: total, failed: 0 });
    const plan = await writePlan(scope, result);
    return { ...plan, documents: skipped(held.documents), files: skipped(held.files) };
  }
  await planDownload(scope, input);
  if (input.mode === 'local') await planListedFiles(scope, input);
  return writePlan(scope, result);
}

/** @throws NDI_E_TARGET_OCCUPIED as the download itself would */
async function holding(scope: RunScope, input: DownloadInput) {
  const held = await holdsExactly(scope.deps, scope, input);
  if (held.differs === undefined) return held;
  throw new CourierError('NDI_E_TARGET_OCCUPIED', { detail: `${input.targetDir}: ${held.differs}.` });
}

async function planListedFiles(scope: RunScope, input: DownloadInput): Promise<void> {
  const { ledger } = scope;
  const names =
    input.selection == null && input.filesMatching == null ? undefined : await namedFiles(scope, input);
  ledger.plan.reopen();
  let nextUnit = firstFreeUnit(ledger);
  const pack = packUnits(
    fileUnitLimits(scope),
    () => nextUnit++,
    (unit) => ledger.units.add([unit]),
  );
  const items = createItemWriter(ledger);
  for (const { id, sizeBytes, uploaded } of ledger.listings.rows('file', CLOUD)) {
    if (uploaded === false || (names !== undefined && !names.has(id))) continue;
    const unit = pack.add(sizeBytes ?? 0);
    const name = names?.get(id) ?? null;
    items.add({ kind: 'file', id, unit, state: 'pending', sizeBytes: sizeBytes ?? 0, name });
  }
  items.flush();
  pack.close();
  ledger.plan.seal();
}

/**
 * Logical name by uid, of the files that the planned documents name and that are wanted. Reads those
 * documents.
 */
async function namedFiles(scope: RunScope, input: DownloadInput): Promise<ReadonlyMap<string, string>> {
  const isWanted = createNameMatcher(input.filesMatching);
  const names = new Map<string, string>();
  const cloudIds: string[] = [];
  for (const { cloudId } of scope.ledger.items.each({ kind: 'document', states: ['pending'] }))
    if (cloudId !== null) cloudIds.push(cloudId);
  await takeDirectly(scope, cloudIds, (text) => {
    for (const { name, locations } of describeDocument(parseDocument(text)).files) {
      if (isWanted(name)) for (const { uid } of locations) names.set(uid, name);
    }
  });
  return names;
}
