/** The restore point of a sync, beside the ledger (`ndi/dataset/restore-points.ts`). */
import { basename, dirname, join } from 'node:path';
import * as points from '../../ndi/dataset/restore-points.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';

/** The folder of the restore points of a ledger. */
export const restoreDirOf = (ledgerPath: string): string =>
  basename(ledgerPath) === 'ledger.sqlite'
    ? join(dirname(ledgerPath), 'restore')
    : `${ledgerPath.replace(/\.sqlite$/, '')}.restore`;

/**
 * Makes the restore point of this run, unless an earlier attempt has.
 * @throws as `makeRestorePoint` of `ndi/dataset`
 */
export async function makeRestorePoint({ ref }: RunScope, { datasetDir }: SyncInput): Promise<void> {
  await points.makeRestorePoint(datasetDir, restoreDirOf(ref.ledgerPath), ref.runKey);
}
