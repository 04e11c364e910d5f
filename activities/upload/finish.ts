/** The end of an upload: base, an index that both NDI clients read, the report, and the lease goes back. */
import type { Ledger } from '../../ledger/types.ts';
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
  giveUpUnsettled(ledger, ref.runKey);
  ledger.advanceBase(ref.runKey);
  const ids = [...idsInBase(ledger)];
  writeSyncIndex(input.datasetDir, { localIds: ids, remoteIds: ids, syncedAt: new Date() });
  const result = buildResult(ledger, ref, input.datasetDir);
  await writeReport(ledger, result, ref, 'upload');
  ledger.audit(ref.runKey, 'upload finished', { status: result.status, problems: result.problemCount });
  ledger.releaseLease(ref.workflowId);
  return result;
}

/** Whatever brought us here: an item that was never seen in the cloud's list is a problem, not a success. */
function giveUpUnsettled(ledger: Ledger, runKey: string): void {
  const states = ['pending', 'sending', 'sent'] as const;
  for (const kind of ['document', 'file'] as const) {
    const ids: string[] = [];
    for (const item of ledger.items(runKey, { kind, states })) ids.push(item.id);
    ledger.markItems(runKey, kind, ids, {
      state: 'failed',
      errorCode: 'NDI_E_IMPORT_INCOMPLETE',
      errorDetail: 'The cloud never listed it.',
    });
  }
}

function* idsInBase(ledger: {
  baseItems(kind: 'document'): Iterable<{ readonly id: string }>;
}): Iterable<string> {
  for (const item of ledger.baseItems('document')) yield item.id;
}
