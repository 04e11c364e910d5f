/** The first step of a download: may we read it, and can it lie at the target? */
import { rm } from 'node:fs/promises';
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { CloudClient, DatasetRecord } from '../../ndi/cloud/types.ts';
import { createDataset } from '../../ndi/dataset/write.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { DownloadOpening, OpenedRun, RunNames, SiteResult } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { takeLease } from '../shared/lease.ts';
import { adoptBuildDir } from './adopt.ts';
import { buildDirOf, isCompleting, makeBuildDir, markCompleting } from './build-dir.ts';
import { checkTarget, targetState, tryName } from './target.ts';
import { holdsExactly } from './unchanged.ts';

export async function openDownload(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
  run: RunNames,
  givenDir: string = input.targetDir,
): Promise<DownloadOpening> {
  const cloud = deps.cloud(input.cloud);
  const record = await cloud.datasets.get(input.cloudDatasetId, context.signal);
  if (record.isDeleted) {
    throw new CourierError('NDI_E_NOT_FOUND', { detail: `${input.cloudDatasetId} was deleted.` });
  }
  for (;;) {
    const occupied = (await targetState(input.targetDir)) === 'occupied';
    if (!occupied) await checkTarget(input.targetDir, givenDir);
    const done = occupied ? await whatIsLeftToDo(deps, context, input) : undefined;
    if (done !== undefined) return done;
    const begun = occupied ? await beginCompleting(deps, input, run) : await beginBuilding(deps, input, run);
    if (begun !== undefined) {
      const organizationId = await organizationOf(cloud, record, context.signal);
      return { opened: { ...begun, cloudDatasetId: record.id, organizationId } };
    }
  }
}

/** Undefined when the target lacks what an earlier run had to leave over. */
async function whatIsLeftToDo(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
): Promise<DownloadOpening | undefined> {
  const held = await holdsExactly(deps, context, input);
  // A run that was completing it and died may have fetched everything and finished nothing.
  const isWhole = held.differs === undefined && held.leftovers === 0 && !isCompleting(input);
  if (isWhole && held.misplaced > 0) {
    const convert = input.mode === 'local' ? 'get' : 'drop';
    return { convert, ndiDatasetId: held.ndiDatasetId, documents: held.documents };
  }
  if (isWhole) return { result: nothingToDo(input, held) };
  if (held.differs === undefined) return undefined;
  const wanted = input.mode === 'local' ? 'with all binaries' : 'with its binaries left in the cloud';
  throw new CourierError('NDI_E_TARGET_OCCUPIED', {
    detail: `${input.targetDir} is not exactly what the cloud has now, ${wanted}: ${held.differs}.`,
  });
}

/** Takes up the leftovers of an earlier run in the target itself, whose ledger knows them. */
async function beginCompleting(deps: StepDeps, input: DownloadInput, run: RunNames): Promise<OpenedRun> {
  const { runKey, workflowId } = run;
  const ledgerPath = deps.ledgers.locate(input.targetDir, input.cloudDatasetId);
  const ledger = deps.ledgers.open(ledgerPath);
  await takeLease(deps, ledger, run);
  markCompleting(input);
  ledger.run(runKey).audit('download taken up for its leftovers', { target: input.targetDir, workflowId });
  return { ledgerPath };
}

/**
 * The building folder with its ledger, whose lease is ours; undefined when the target has appeared meanwhile.
 * It is looked at under the lease once more: a run that was finishing renames its folder, lease and all, and
 * what is found under the old name after that is a new folder whose lease excludes nobody.
 */
async function beginBuilding(
  deps: StepDeps,
  input: DownloadInput,
  run: RunNames,
): Promise<OpenedRun | undefined> {
  const { runKey, workflowId } = run;
  const isNew = await makeBuildDir(input);
  const buildDir = buildDirOf(input);
  try {
    if ((await targetState(input.targetDir)) === 'absent') await tryName(input.targetDir);
  } catch (error) {
    if (isNew) await rm(buildDir, { recursive: true, force: true });
    throw error;
  }
  createDataset(buildDir, { objectType: 'dataset' });
  const ledgerPath = deps.ledgers.locate(buildDir, input.cloudDatasetId);
  const ledger = deps.ledgers.open(ledgerPath);
  await takeLease(deps, ledger, run);
  if ((await targetState(input.targetDir)) === 'occupied') {
    ledger.lease.release(runKey);
    deps.ledgers.close(ledgerPath);
    if (isNew) await rm(buildDir, { recursive: true, force: true });
    return undefined;
  }
  await adoptBuildDir(deps, input, ledger, runKey);
  ledger.run(runKey).audit('download started', { target: input.targetDir, workflowId });
  return { ledgerPath };
}

/** Only uploads need an organisation: a public dataset is read by anybody. */
async function organizationOf(
  cloud: CloudClient,
  record: DatasetRecord,
  signal: AbortSignal,
): Promise<string> {
  if (record.organizationId !== undefined) return record.organizationId;
  return cloud.organizationId(signal).catch((error: unknown) => {
    if (isCourierError(error) && error.class !== 'retryable') return '';
    throw error;
  });
}

function nothingToDo(
  input: DownloadInput,
  counts: { readonly documents: number; readonly files: number; readonly ndiDatasetId: string },
): SiteResult {
  const skipped = (total: number) => ({ total, transferred: 0, skipped: total, failed: 0 });
  return {
    status: 'done',
    datasetId: input.cloudDatasetId,
    ndiDatasetId: counts.ndiDatasetId,
    directory: input.targetDir,
    documents: skipped(counts.documents),
    files: skipped(counts.files),
    bytes: 0,
    duplicatesRemoved: 0,
    problemCount: 0,
    problems: [],
    reportPath: '',
  };
}
