/**
 * After a start of the machine. Small binaries and documents are noted before they are forced to disk
 * (`fsyncFileSystem` in the end is a thousand times cheaper), so some may be gone, or be there and hold
 * nothing. They are looked at again and fetched again.
 */
import { rm, stat } from 'node:fs/promises';
import { DATASET_FACTS } from '../../ledger/fact-keys.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { openForWriting } from '../../ndi/dataset/write.ts';
import { hashFile } from '../../transfer/hash.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { createPacer } from '../shared/poll.ts';
import { fileUnitLimits } from '../shared/units.ts';
import { buildDirOf, UNFORCED_BYTES } from './build-dir.ts';
import { fetchUnit } from './fetch.ts';

/**
 * Whatever is noted as done and is not there, or is not what was fetched, is fetched again. Then the notes
 * are true.
 */
export async function lookAgainAfterReboot(scope: RunScope, input: DownloadInput): Promise<void> {
  const { ledger, deps, tuning } = scope;
  if (ledger.dataset.facts.get(DATASET_FACTS.boot) === deps.bootId) return;
  const lost = { document: await lostDocuments(scope, input), file: await lostFiles(scope, input) };
  const { maxItems, maxBytes } = fileUnitLimits(scope);
  for (const kind of ['document', 'file'] as const) {
    ledger.items.takeBack(kind, lost[kind]);
    // Also those that an earlier look has found and an attempt that died has not fetched.
    const units = ledger.units.replan({
      kind,
      states: ['pending'],
      unitKind: kind === 'document' ? 'documents' : 'files',
      maxItems: kind === 'document' ? tuning.documentsPerUnit : maxItems,
      maxBytes,
    });
    for (const { unit } of units) await fetchUnit(scope, input, unit);
  }
  ledger.audit('the computer was off: looked at everything again', {
    documents: lost.document.length,
    files: lost.file.length,
  });
  ledger.dataset.facts.set(DATASET_FACTS.boot, deps.bootId);
}

async function lostDocuments(scope: RunScope, input: DownloadInput): Promise<string[]> {
  const writer = openForWriting(buildDirOf(input), { finalDir: input.targetDir });
  try {
    return await lostOf(scope, 'document', async (item) => !writer.hasDocument(item.id));
  } finally {
    writer.close();
  }
}

function lostFiles(scope: RunScope, input: DownloadInput): Promise<string[]> {
  const dir = buildDirOf(input);
  return lostOf(scope, 'file', async (item) => {
    const path = uidPath(dir, item.id);
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
  scope: RunScope,
  kind: PlanItem['kind'],
  isLost: (item: PlanItem) => Promise<boolean>,
): Promise<string[]> {
  const lost: string[] = [];
  const pause = createPacer(scope, (count) => `looking again: ${count} ${kind}s`);
  for (const item of scope.ledger.items.each({ kind, states: ['done'] })) {
    if (await isLost(item)) lost.push(item.id);
    await pause();
  }
  return lost;
}
