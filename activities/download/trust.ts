/**
 * What a building folder may be trusted with when somebody comes to it who did not leave it so.
 *
 * - Another run has left it: its binaries stay, for a uid is never used for other bytes (contract §10 #16) and they are what
 *   takes long; its documents are those that the cloud had on another day, and go.
 * - The machine was off: small binaries and documents are noted before they are forced to disk (`forceToDisk` in the end is a
 *   thousand times cheaper), so some may be gone, or be there and hold nothing. They are looked at again and fetched again.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ledger, PlanItem } from '../../ledger/types.ts';
import { databasePath, filesDir, uidPath } from '../../ndi/dataset/layout.ts';
import { createDataset, openForWriting } from '../../ndi/dataset/write.ts';
import { hashFile } from '../../transfer/hash.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { RunRef } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { letOthers } from '../sleep.ts';
import { fetchUnit } from './fetch.ts';
import { BUILT_BY, buildDirOf, UNFORCED_BYTES } from './places.ts';

/** Fact of a directory's ledger: the last start of the machine that it was written under. */
const BOOT = 'boot';
/** Fact of a run: it found binaries that another one had left. */
const ADOPTED = 'adopted';

/** Makes the folder this run's own. Under the lease; done again it changes nothing. */
export async function adoptBuildDir(
  deps: StepDeps,
  input: DownloadInput,
  ledger: Ledger,
  runKey: string,
): Promise<void> {
  if (ledger.datasetFact(BUILT_BY) === runKey) return;
  const dir = buildDirOf(input);
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    await rm(databasePath(dir) + suffix, { force: true });
  }
  createDataset(dir, { objectType: 'dataset' });
  const offMeanwhile = ledger.datasetFact(BOOT) !== deps.bootId;
  const names = await readdir(filesDir(dir));
  for (const name of names) {
    const path = join(filesDir(dir), name);
    if (isSecondName(name) || (offMeanwhile && (await stat(path)).size <= UNFORCED_BYTES)) await rm(path);
  }
  ledger.together(() => {
    if (names.length > 0) ledger.setFact(runKey, ADOPTED, 'yes');
    ledger.setDatasetFact(BOOT, deps.bootId);
    ledger.setDatasetFact(BUILT_BY, runKey);
  });
}

export const wasAdopted = (ledger: Ledger, runKey: string): boolean => ledger.fact(runKey, ADOPTED) === 'yes';

/** `<document id>_<name>`, of a document that may be there no more; a uid alone has no third part. */
const isSecondName = (name: string): boolean => /^[0-9a-f]{16}_[0-9a-f]{16}_/i.test(name);

/**
 * After a start of the machine: whatever is noted as done and is not there, or is not what was fetched, is fetched again. When this
 * returns, the notes are true.
 */
export async function lookAgainAfterReboot(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
  ref: RunRef,
): Promise<void> {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  if (ledger.datasetFact(BOOT) === deps.bootId) return;
  const lost = {
    document: await lostDocuments(context, input, ledger, ref.runKey),
    file: await lostFiles(context, input, ledger, ref.runKey),
  };
  for (const kind of ['document', 'file'] as const) {
    ledger.takeBack(ref.runKey, kind, lost[kind]);
    // Also those that an earlier look has found and a try that died has not fetched.
    const units = ledger.replan(ref.runKey, {
      kind,
      states: ['pending'],
      unitKind: kind === 'document' ? 'documents' : 'files',
      maxItems: kind === 'document' ? ref.tuning.documentsPerUnit : 256,
      maxBytes: 1_000_000_000,
    });
    for (const { unit } of units) await fetchUnit(deps, context, input, ref, unit);
  }
  ledger.audit(ref.runKey, 'the computer was off: looked at everything again', {
    documents: lost.document.length,
    files: lost.file.length,
  });
  ledger.setDatasetFact(BOOT, deps.bootId);
}

async function lostDocuments(
  context: StepContext,
  input: DownloadInput,
  ledger: Ledger,
  runKey: string,
): Promise<string[]> {
  const writer = openForWriting(buildDirOf(input), { finalDir: input.targetDir });
  try {
    return await lostOf(context, ledger, runKey, 'document', async (item) => !writer.hasDocument(item.id));
  } finally {
    writer.close();
  }
}

function lostFiles(
  context: StepContext,
  input: DownloadInput,
  ledger: Ledger,
  runKey: string,
): Promise<string[]> {
  return lostOf(context, ledger, runKey, 'file', async (item) => {
    const path = uidPath(buildDirOf(input), item.id);
    const found = await stat(path).catch(() => undefined);
    if (found?.size === item.sizeBytes) {
      if (found.size > UNFORCED_BYTES || item.md5Hex === null) return false;
      if ((await hashFile(path, 'md5')).md5Hex === item.md5Hex) return false;
    }
    await rm(path, { force: true });
    return true;
  });
}

async function lostOf(
  context: StepContext,
  ledger: Ledger,
  runKey: string,
  kind: PlanItem['kind'],
  isLost: (item: PlanItem) => Promise<boolean>,
): Promise<string[]> {
  const lost: string[] = [];
  let count = 0;
  for (const item of ledger.items(runKey, { kind, states: ['done'] })) {
    if (await isLost(item)) lost.push(item.id);
    count += 1;
    if (count % 500 === 0) await letOthers(context, `looking again: ${count} ${kind}s`);
  }
  return lost;
}
