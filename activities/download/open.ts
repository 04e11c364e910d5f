/** The first step of a download: may we read it, and is there room for it at the target? */
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { CloudClient, DatasetRecord } from '../../ndi/cloud/types.ts';
import { createDataset } from '../../ndi/dataset/write.ts';
import type { DownloadInput } from '../../workflows/contracts.ts';
import type { Linked, Opened, SiteResult } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { takeLease } from '../lease.ts';
import { holdsExactly } from './compare.ts';
import { makeBuildDir, targetState } from './places.ts';

export async function openDownload(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
  run: { runKey: string; workflowId: string },
): Promise<{ readonly opened: Opened & Linked } | { readonly result: SiteResult }> {
  const cloud = deps.cloud(input.cloud);
  const record = await cloud.datasets.get(input.cloudDatasetId, context.signal);
  if (record.isDeleted) {
    throw new CourierError('NDI_E_NOT_FOUND', { detail: `${input.cloudDatasetId} was deleted.` });
  }
  if ((await targetState(input.targetDir)) === 'occupied') {
    const held = await holdsExactly(deps, context, input);
    if (held.differs !== undefined) {
      const wanted = input.mode === 'local' ? 'with all binaries' : 'with its binaries left in the cloud';
      throw new CourierError('NDI_E_TARGET_OCCUPIED', {
        detail: `${input.targetDir} is not exactly what the cloud has now, ${wanted}: ${held.differs}.`,
      });
    }
    return { result: nothingToDo(input, held) };
  }
  const buildDir = await makeBuildDir(input);
  createDataset(buildDir, { objectType: 'dataset' });
  const ledgerPath = deps.ledgers.locate(buildDir, input.cloudDatasetId);
  const ledger = deps.ledgers.open(ledgerPath);
  await takeLease(deps, ledger, run.workflowId);
  ledger.audit(run.runKey, 'download started', { target: input.targetDir, workflowId: run.workflowId });
  const organizationId = await organizationOf(cloud, record, context.signal);
  return { opened: { ledgerPath, cloudDatasetId: record.id, organizationId } };
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
  counts: { readonly documents: number; readonly files: number },
): SiteResult {
  const skipped = (total: number) => ({ total, transferred: 0, skipped: total, failed: 0 });
  return {
    status: 'done',
    datasetId: input.cloudDatasetId,
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
