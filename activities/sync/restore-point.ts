/**
 * Restore points: the database of the dataset as it was before a run's first write. They lie beside the
 * ledger and are kept for the last three runs.
 *
 *   restore/<time>-<run>.sqlite
 */
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ensureSpace } from '../../disk/free-space.ts';
import { fsyncDirectorySync, fsyncFileSync } from '../../disk/fsync.ts';
import { databasePath } from '../../ndi/dataset/layout.ts';
import { DATASET_CODES } from '../../ndi/dataset/sqlite.ts';
import { databaseStamp } from '../../ndi/dataset/stamp.ts';
import { copyDb } from '../../sqlite/db.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';

const KEPT = 3;

/** The folder of the restore points of a ledger. */
export const restoreDirOf = (ledgerPath: string): string =>
  basename(ledgerPath) === 'ledger.sqlite'
    ? join(dirname(ledgerPath), 'restore')
    : `${ledgerPath.replace(/\.sqlite$/, '')}.restore`;

/**
 * Makes the restore point of this run, unless an earlier attempt has.
 * @throws NDI_E_DISK_FULL, NDI_E_DATABASE_BUSY
 */
export async function makeRestorePoint({ ref }: RunScope, { datasetDir }: SyncInput): Promise<void> {
  const dir = restoreDirOf(ref.ledgerPath);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const ending = `-${ref.runKey}.sqlite`;
  const points = (): string[] =>
    readdirSync(dir)
      .filter((name) => name.endsWith('.sqlite'))
      .sort();
  if (points().some((name) => name.endsWith(ending))) return;
  await ensureSpace(dir, databaseStamp(datasetDir).sizeBytes);
  const name = `${new Date().toISOString().replace(/[:.]/g, '-')}${ending}`;
  const aside = join(dir, `${name}.${process.pid}.partial`);
  rmSync(aside, { force: true });
  await copyDb(databasePath(datasetDir), aside, DATASET_CODES);
  fsyncFileSync(aside);
  renameSync(aside, join(dir, name));
  fsyncDirectorySync(dir);
  for (const old of points().slice(0, -KEPT)) rmSync(join(dir, old), { force: true });
}
