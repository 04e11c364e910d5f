/** The end of an upload: base, an index that both NDI clients read, the report, and the lease goes back. */
import { writeSyncIndex } from '../../ndi/dataset/sync-index.ts';
import type { UploadInput } from '../../workflows/contracts.ts';
import type { RunRef, SiteResult } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { buildResult, writeReport } from '../report.ts';
import { sweepDoubles } from './create.ts';

export async function finishUpload(
  deps: StepDeps,
  context: StepContext,
  input: UploadInput,
  ref: RunRef,
): Promise<SiteResult> {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const cloud = deps.cloud(ref.cloud);
  const record = await cloud.datasets.get(ref.cloudDatasetId, context.signal);
  await sweepDoubles(context, {
    cloud,
    ledger,
    runKey: ref.runKey,
    organizationId: ref.organizationId,
    metadata: { name: record.name },
  });
  ledger.advanceBase(ref.runKey);
  const ids = [...idsInBase(ledger)];
  writeSyncIndex(input.datasetDir, { localIds: ids, remoteIds: ids, syncedAt: new Date() });
  const result = buildResult(ledger, ref, input.datasetDir);
  await writeReport(ledger, result, ref, 'upload');
  ledger.audit(ref.runKey, 'upload finished', { status: result.status, problems: result.problemCount });
  ledger.releaseLease(ref.workflowId);
  return result;
}

function* idsInBase(ledger: {
  baseItems(kind: 'document'): Iterable<{ readonly id: string }>;
}): Iterable<string> {
  for (const item of ledger.baseItems('document')) yield item.id;
}
