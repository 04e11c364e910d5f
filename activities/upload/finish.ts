/** The end of an upload: base, an index that both NDI clients read, the report, and the lease goes back. */
import { isCourierError } from '../../errors/index.ts';
import type { ItemState, Ledger } from '../../ledger/types.ts';
import { writeSyncIndex } from '../../ndi/dataset/sync-index.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { RunRef, SiteResult } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { buildResult, idsOf, writeReport } from '../report.ts';
import { sweepDoubles } from './create.ts';

export async function finishUpload(
  deps: StepDeps,
  context: StepContext,
  input: UploadInput,
  ref: RunRef,
): Promise<SiteResult> {
  const ledger = deps.ledgers.open(ref.ledgerPath);
  const cloud = deps.cloud(ref.cloud);
  await sweepDoubles(context, { cloud, ledger, runKey: ref.runKey, cloudDatasetId: ref.cloudDatasetId });
  giveUpUnsettled(ledger, ref.runKey);
  ledger.advanceBase(ref.runKey);
  writeIndex(ledger, input, ref);
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

/**
 * Here: what the dataset holds. There: what both sides are known to hold, so that a client's next sync offers what did
 * not get there, and fetches what only the cloud has.
 */
function writeIndex(ledger: Ledger, input: UploadInput, ref: RunRef): void {
  const ids = (states?: readonly ItemState[]) => () =>
    idsOf(ledger.items(ref.runKey, { kind: 'document', ...(states === undefined ? {} : { states }) }));
  try {
    writeSyncIndex(input.datasetDir, {
      localIds: ids(),
      remoteIds: ids(['done', 'skipped']),
      syncedAt: new Date(),
    });
  } catch (error) {
    if (!isCourierError(error, 'NDI_E_READ_ONLY')) throw error;
    ledger.addProblem(ref.runKey, {
      kind: 'dataset',
      id: input.datasetId,
      code: error.code,
      detail: `${input.datasetDir} cannot be written: its link to ${ref.cloudDatasetId} is kept in ${ledger.path}, and the NDI clients do not know of this upload.`,
    });
  }
}
