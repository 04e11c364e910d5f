/**
 * The end of a download: what makes a folder of documents and binaries a dataset, the check that it opens,
 * and the rename that makes it appear. Done again after a crash, it goes on where it was.
 */
import { existsSync } from 'node:fs';
import { opendir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fsyncFileSystem } from '../../disk/fsync.ts';
import { CourierError } from '../../errors/index.ts';
import { DATASET_FACTS } from '../../ledger/fact-keys.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import { completeBookkeeping, finishDataset, linkRemote } from '../../ndi/dataset/finish.ts';
import { filesDir, uidPath } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { writeSyncIndex } from '../../ndi/dataset/sync-index.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { RunRef, SiteResult } from '../../workflows/steps.ts';
import type { RunScope, StepContext, StepDeps } from '../deps.ts';
import { createPacer } from '../shared/poll.ts';
import { buildResult, idsOf, writeReport } from '../shared/report.ts';
import { inScope } from '../step.ts';
import { noteBuilder, wasAdopted } from './adopt.ts';
import { lookAgainAfterReboot } from './after-reboot.ts';
import {
  buildDirOf,
  isCompleting,
  moveIntoPlace,
  pathInTarget,
  UNFORCED_BYTES,
  worksInTarget,
} from './build-dir.ts';
import { openCheck } from './open-check.ts';

export async function finishDownload(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
  ref: RunRef,
): Promise<SiteResult> {
  // Gone, or its mark, when an earlier attempt has moved it: then only the report is left to do.
  const isInPlace = worksInTarget(input, ref.ledgerPath) && !isCompleting(input);
  if (existsSync(buildDirOf(input)) && !isInPlace) {
    await inScope(deps, context, ref, (scope) => makeWhole(scope, input));
    deps.ledgers.close(ref.ledgerPath);
    await moveIntoPlace(input);
  }
  const moved: RunRef = { ...ref, ledgerPath: pathInTarget(input, ref.ledgerPath) };
  if (!existsSync(moved.ledgerPath)) {
    throw new CourierError('NDI_E_TARGET_OCCUPIED', { detail: `${input.targetDir} was replaced.` });
  }
  return inScope(deps, context, moved, async (scope) => {
    const { ledger } = scope;
    const result = { ...buildResult(scope, input.targetDir, 0), ndiDatasetId: idOf(scope, input.targetDir) };
    await writeReport(scope, result, 'download');
    ledger.audit('download finished', { status: result.status, problems: result.problemCount });
    ledger.dataset.lease.release(ref.runKey);
    return result;
  });
}

async function makeWhole(scope: RunScope, input: DownloadInput): Promise<void> {
  const { ledger, signal } = scope;
  const buildDir = buildDirOf(input);
  await lookAgainAfterReboot(scope, input);
  await removeStrangers(scope, buildDir);
  await makeDataset(scope, input);
  await openCheck(scope, buildDir);
  ledger.advanceBase();
  writeIndex(scope, buildDir);
  await fsyncFileSystem(buildDir, () => unforcedFiles(buildDir, ledger), signal);
  noteBuilder(ledger.dataset, ledger.runKey);
}

function idOf({ deps }: RunScope, dir: string): string {
  const reader = openDataset(dir, { scratchDir: deps.scratchDir });
  try {
    return reader.identity.datasetId;
  } finally {
    reader.close();
  }
}

function* unforcedFiles(buildDir: string, ledger: RunLedger): Iterable<string> {
  for (const { id, sizeBytes } of ledger.items.each({ kind: 'file', states: ['done'] })) {
    if (sizeBytes <= UNFORCED_BYTES) yield uidPath(buildDir, id);
  }
}

const NDI_ID_LENGTH = 33;

/** Removes partial files; in an adopted folder also binaries of documents which the cloud has no more. */
async function removeStrangers(scope: RunScope, buildDir: string): Promise<void> {
  const { items } = scope.ledger;
  const adopted = wasAdopted(scope.ledger);
  const isOurs = (name: string): boolean =>
    items.get('file', name) !== undefined ||
    items.get('document', name.slice(0, NDI_ID_LENGTH)) !== undefined;
  const pause = createPacer(scope, (count) => `checking: ${count} files`);
  for await (const { name } of await opendir(filesDir(buildDir))) {
    if (name.endsWith('.partial') || (adopted && !isOurs(name)))
      await rm(join(filesDir(buildDir), name), { force: true });
    await pause();
  }
}

/**
 * Adds the documents that make a folder a dataset: its own session, and the link that tells where it came
 * from.
 */
async function makeDataset({ deps, ref, ledger }: RunScope, input: DownloadInput): Promise<void> {
  const buildDir = buildDirOf(input);
  const options = { finalDir: input.targetDir };
  const before = new Set(idsIn(deps, buildDir));
  const { datasetId, added, ambiguous } = completeBookkeeping(buildDir, basename(input.targetDir), options);
  if (added.length > 0) ledger.audit('made documents that the cloud lacks', { added });
  if (ambiguous.length > 0) {
    ledger.problems.add({
      kind: 'dataset',
      id: datasetId,
      code: 'NDI_E_AMBIGUOUS_DATASET_ID',
      detail: `The cloud does not say which session is the dataset: ${datasetId} was taken of ${ambiguous.join(', ')}.`,
    });
  }
  const reader = openDataset(buildDir, { scratchDir: deps.scratchDir });
  const { remotes } = reader.identity;
  reader.close();
  // One that came down stays, whatever it says (contract §5.2).
  if (remotes.length === 0) linkRemote(buildDir, { ...ref, datasetId }, options);
  await finishDataset(buildDir);
  const isLacking = ledger.problems
    .list(PROBLEMS_LOOKED_AT)
    .some(({ code }) => code === 'NDI_E_LISTS_DISAGREE');
  const made = isLacking ? idsIn(deps, buildDir).filter((id) => !before.has(id)) : null;
  ledger.dataset.facts.set(DATASET_FACTS.madeForLack, made);
}

/** Problems of the dataset itself come first. */
const PROBLEMS_LOOKED_AT = 100;

function idsIn({ scratchDir }: RunScope['deps'], dir: string): string[] {
  const reader = openDataset(dir, { scratchDir, allowAmbiguousId: true });
  try {
    return [...reader.documentIds()];
  } finally {
    reader.close();
  }
}

/** The next sync of an NDI client starts from this index. */
function writeIndex({ deps, ledger }: RunScope, dir: string): void {
  const reader = openDataset(dir, { scratchDir: deps.scratchDir });
  try {
    writeSyncIndex(dir, {
      localIds: () => reader.documentIds(),
      remoteIds: () => idsOf(ledger.dataset.base.items('document')),
      syncedAt: new Date(),
    });
  } finally {
    reader.close();
  }
}
