/**
 * Taking over a building folder that another run has left. Its binaries stay, for a uid is never used for
 * other bytes (contract §10 #16) and they are what takes long; its documents are those that the cloud had on
 * another day, and go.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatasetLedger } from '../../ledger/dataset-ledger.ts';
import { DATASET_FACTS, RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import { databasePath, filesDir } from '../../ndi/dataset/layout.ts';
import { createDataset } from '../../ndi/dataset/write.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { StepDeps } from '../deps.ts';
import { buildDirOf, UNFORCED_BYTES } from './build-dir.ts';

const MADE_THE_FOLDER = 'made the folder';

/**
 * Records that the documents of the folder are those of this run, and keeps the run, which knows what it left
 * over.
 */
export function noteBuilder(ledger: DatasetLedger, runKey: string): void {
  ledger.together(() => {
    ledger.facts.set(DATASET_FACTS.builtBy, runKey);
    ledger.keepRun(runKey, MADE_THE_FOLDER);
  });
}

/** Makes the folder this run's own. Under the lease; done again it changes nothing. */
export async function adoptBuildDir(
  deps: StepDeps,
  input: DownloadInput,
  ledger: Ledger,
  runKey: string,
): Promise<void> {
  if (ledger.facts.get(DATASET_FACTS.builtBy) === runKey) return;
  const dir = buildDirOf(input);
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    await rm(databasePath(dir) + suffix, { force: true });
  }
  createDataset(dir, { objectType: 'dataset' });
  // Small binaries are noted before they are forced to disk: after a start of the machine they may hold
  // nothing.
  const offMeanwhile = ledger.facts.get(DATASET_FACTS.boot) !== deps.bootId;
  const names = await readdir(filesDir(dir));
  for (const name of names) {
    const path = join(filesDir(dir), name);
    if (isSecondName(name) || (offMeanwhile && (await stat(path)).size <= UNFORCED_BYTES)) await rm(path);
  }
  ledger.together(() => {
    if (names.length > 0) ledger.run(runKey).facts.set(RUN_FACTS.adopted, true);
    ledger.facts.set(DATASET_FACTS.boot, deps.bootId);
    noteBuilder(ledger, runKey);
  });
}

export const wasAdopted = ({ facts }: RunLedger): boolean => facts.get(RUN_FACTS.adopted) === true;

/** `<document id>_<name>`, of a document that may be there no more; a uid alone has no third part. */
const isSecondName = (name: string): boolean => /^[0-9a-f]{16}_[0-9a-f]{16}_/i.test(name);
