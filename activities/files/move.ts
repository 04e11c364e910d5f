/**
 * Working off one unit: fetching its files, or proving that the cloud has the same bytes. Nothing is removed
 * yet.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CourierError } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { getToFile } from '../../transfer/get.ts';
import { hashFile } from '../../transfer/hash.ts';
import type { FilesInput } from '../../workflows/contracts/index.ts';
import type { UnitOutcome } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { fetchFiles } from '../download/fetch-files.ts';
import { workOffPending } from '../shared/alone.ts';
import { cloudTag } from '../shared/cloud-tag.ts';
import { inLanes } from '../shared/lanes.ts';
import { failItem, type UnitScope } from '../shared/units.ts';

/** Files whose bytes are compared at once. */
const LANES = 4;

export const moveFileUnit = (scope: RunScope, input: FilesInput, unitNumber: number): Promise<UnitOutcome> =>
  workOffPending(scope, unitNumber, (unit, items) => {
    const moving = { ...scope, input, unit, items };
    return input.action === 'get' ? fetchFiles(moving, input.datasetDir) : proveSameBytes(moving);
  });

/** Marks the files that the cloud has with the same bytes as `sent`: those may go. */
function proveSameBytes(scope: UnitScope<FilesInput>): Promise<void> {
  return inLanes(LANES, scope.items, async (item) => {
    const { ledger, signal, unit } = scope;
    signal.throwIfAborted();
    scope.heartbeat({
      unit: unit.unit,
      what: `comparing file ${item.name}`,
      bytes: 0,
      ofBytes: unit.sizeBytes,
    });
    const { md5Hex } = await hashFile(item.path ?? '', 'md5', signal);
    const cloudMd5Hex = (await cloudTag(scope, item.id)) ?? (await cloudMd5(scope, item));
    if (cloudMd5Hex === md5Hex) {
      ledger.items.mark('file', [item.id], { state: 'sent', md5Hex, cloudMd5Hex, cloudHow: 'read-back' });
      return;
    }
    const detail = `File ${item.name} of document ${item.documentId} (${item.path}) stays here.`;
    failItem(scope, item, new CourierError('NDI_E_CHANGED_HERE', { detail }));
  });
}

/** Where the store tells no MD5, the bytes themselves are fetched. */
async function cloudMd5(scope: UnitScope<FilesInput>, item: PlanItem): Promise<string> {
  const { cloud, ref, signal, deps } = scope;
  const path = join(deps.scratchDir, `${ref.runKey}-${item.id}.compare`);
  try {
    const address = () => cloud.files.downloadUrl(ref.cloudDatasetId, item.id, signal);
    return (
      await getToFile(address, path, { signal, throttle: deps.throttle, network: deps.network, hash: 'md5' })
    ).md5Hex;
  } finally {
    await rm(path, { force: true });
  }
}
