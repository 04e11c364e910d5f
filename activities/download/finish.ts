/**
 * The end of a download: what makes a folder of documents and binaries a dataset, the check that it opens, and the
 * rename that makes it appear. Done again after a crash, it goes on where it was.
 */
import { existsSync } from 'node:fs';
import { opendir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CourierError } from '../../errors/index.ts';
import type { Ledger, PlanItem } from '../../ledger/types.ts';
import { completeBookkeeping, finishDataset, linkRemote } from '../../ndi/dataset/finish.ts';
import { filesDir, uidPath } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { writeSyncIndex } from '../../ndi/dataset/sync-index.ts';
import type { ResolvedFile } from '../../ndi/dataset/types.ts';
import { linkFileNames } from '../../ndi/dataset/write.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import { forceToDisk } from '../../transfer/place.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { RunRef, SiteResult } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { buildResult, idsOf, writeReport } from '../report.ts';
import { letOthers } from '../sleep.ts';
import {
  BUILT_BY,
  buildDirOf,
  isCompleting,
  moveIntoPlace,
  pathInTarget,
  UNFORCED_BYTES,
  worksInTarget,
} from './places.ts';
import { lookAgainAfterReboot, wasAdopted } from './trust.ts';

export async function finishDownload(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
  ref: RunRef,
): Promise<SiteResult> {
  const buildDir = buildDirOf(input);
  // Gone, or its mark, when an earlier try has moved it: what is left is to say so.
  const isInPlace = worksInTarget(input, ref.ledgerPath) && !isCompleting(input);
  if (existsSync(buildDir) && !isInPlace) {
    await lookAgainAfterReboot(deps, context, input, ref);
    const ledger = deps.ledgers.open(ref.ledgerPath);
    await removeStrangers(context, buildDir, ledger, ref.runKey);
    await makeDataset(deps, input, ref, ledger);
    await openCheck(deps, context, buildDir, ledger, ref.runKey);
    ledger.advanceBase(ref.runKey);
    writeIndex(deps, buildDir, ledger);
    await forceToDisk(buildDir, () => unforcedFiles(buildDir, ledger, ref.runKey), context.signal);
    ledger.setDatasetFact(BUILT_BY, ref.runKey);
    deps.ledgers.close(ref.ledgerPath);
    await moveIntoPlace(input);
  }
  const moved: RunRef = { ...ref, ledgerPath: pathInTarget(input, ref.ledgerPath) };
  if (!existsSync(moved.ledgerPath)) {
    throw new CourierError('NDI_E_TARGET_OCCUPIED', { detail: `${input.targetDir} was replaced.` });
  }
  const ledger = deps.ledgers.open(moved.ledgerPath);
  const result = buildResult(ledger, moved, input.targetDir);
  await writeReport(ledger, result, moved, 'download');
  ledger.audit(ref.runKey, 'download finished', { status: result.status, problems: result.problemCount });
  ledger.releaseLease(ref.workflowId);
  return result;
}

function* unforcedFiles(buildDir: string, ledger: Ledger, runKey: string): Iterable<string> {
  for (const { id, sizeBytes } of ledger.items(runKey, { kind: 'file', states: ['done'] })) {
    if (sizeBytes <= UNFORCED_BYTES) yield uidPath(buildDir, id);
  }
}

const NDI_ID_LENGTH = 33;

/** What was begun and given up; in an adopted folder also binaries of documents which the cloud has no more. */
async function removeStrangers(
  context: StepContext,
  buildDir: string,
  ledger: Ledger,
  runKey: string,
): Promise<void> {
  const adopted = wasAdopted(ledger, runKey);
  const isOurs = (name: string): boolean =>
    ledger.item(runKey, 'file', name) !== undefined ||
    ledger.item(runKey, 'document', name.slice(0, NDI_ID_LENGTH)) !== undefined;
  let count = 0;
  for await (const { name } of await opendir(filesDir(buildDir))) {
    if (name.endsWith('.partial') || (adopted && !isOurs(name)))
      await rm(join(filesDir(buildDir), name), { force: true });
    count += 1;
    if (count % 500 === 0) await letOthers(context, `checking: ${count} files`);
  }
}

/** What the documents lack to be a dataset: its own session, and the link that tells where it came from. */
async function makeDataset(deps: StepDeps, input: DownloadInput, ref: RunRef, ledger: Ledger): Promise<void> {
  const buildDir = buildDirOf(input);
  const options = { finalDir: input.targetDir };
  const { datasetId, added, ambiguous } = completeBookkeeping(buildDir, basename(input.targetDir), options);
  if (added.length > 0) ledger.audit(ref.runKey, 'made documents that the cloud lacks', { added });
  if (ambiguous.length > 0) {
    ledger.addProblem(ref.runKey, {
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
}

/**
 * Reads the directory back as any reader would: every document of the plan, every binary at its size. Gives each binary
 * its second name on the way. Errors: NDI_E_OPEN_CHECK, and the target stays untouched.
 */
async function openCheck(
  deps: StepDeps,
  context: StepContext,
  buildDir: string,
  ledger: Ledger,
  runKey: string,
): Promise<void> {
  const reader = openDataset(buildDir, { scratchDir: deps.scratchDir });
  try {
    let documents = 0;
    for (const stored of reader.documents()) {
      const facts = describeDocument(parseDocument(stored.text));
      for (const { name, file } of reader.files(facts)) {
        checkFile(file, ledger.item(runKey, 'file', file.uid));
        if (file.kind !== 'local') continue;
        linkFileNames(buildDir, facts.id, name, file.uid);
      }
      if (ledger.item(runKey, 'document', facts.id)?.state === 'done') documents += 1;
      if (documents % 500 === 0) await letOthers(context, `checking: ${documents} documents`);
    }
    const { done } = ledger.planTotals(runKey).documents;
    if (documents !== done) {
      throw new CourierError('NDI_E_OPEN_CHECK', { detail: `It has ${documents} of ${done} documents.` });
    }
  } finally {
    reader.close();
  }
}

function checkFile(file: ResolvedFile, item: PlanItem | undefined): void {
  if (item === undefined || (item.state !== 'done' && item.state !== 'skipped')) return;
  const sizeBytes = file.kind === 'local' ? file.sizeBytes : undefined;
  if (sizeBytes === item.sizeBytes) return;
  const has =
    sizeBytes === undefined ? 'is not there' : `has ${sizeBytes} bytes instead of ${item.sizeBytes}`;
  throw new CourierError('NDI_E_OPEN_CHECK', { detail: `File ${file.uid} ${has}.` });
}

/** What the next sync of an NDI client starts from. */
function writeIndex(deps: StepDeps, dir: string, ledger: Ledger): void {
  const reader = openDataset(dir, { scratchDir: deps.scratchDir });
  try {
    writeSyncIndex(dir, {
      localIds: () => reader.documentIds(),
      remoteIds: () => idsOf(ledger.baseItems('document')),
      syncedAt: new Date(),
    });
  } finally {
    reader.close();
  }
}
