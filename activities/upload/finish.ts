/** The end of an upload: base, an index that both NDI clients read, the report, and the lease goes back. */
import { isCourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { ItemState } from '../../ledger/types.ts';
import { writeSyncIndex } from '../../ndi/dataset/sync-index.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { SiteResult } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { buildResult, idsOf, writeReport } from '../shared/report.ts';
import { sweepDoubles } from './create.ts';
import { duplicatesRemoved } from './duplicates.ts';
import { releaseWriteLock } from './write-lock.ts';

export async function finishUpload(scope: RunScope, input: UploadInput): Promise<SiteResult> {
  const { ledger, ref } = scope;
  await sweepDoubles(scope);
  giveUpUnsettled(ledger);
  ledger.advanceBase();
  writeIndex(scope, input);
  const differences = {
    documents: ledger.differences.counts('document'),
    files: ledger.differences.counts('file'),
  };
  const result = { ...buildResult(scope, input.datasetDir, duplicatesRemoved(scope)), differences };
  await writeReport(scope, result, 'upload');
  ledger.audit('upload finished', { status: result.status, problems: result.problemCount, differences });
  await releaseWriteLock(scope.deps, ledger);
  ledger.dataset.lease.release(ref.runKey);
  return result;
}

/** Whatever brought us here: an item that was never seen in the cloud's list is a problem, not a success. */
function giveUpUnsettled(ledger: RunLedger): void {
  const states = ['pending', 'sending', 'sent'] as const;
  for (const kind of ['document', 'file'] as const) {
    const ids: string[] = [];
    for (const item of ledger.items.each({ kind, states })) ids.push(item.id);
    ledger.items.mark(kind, ids, {
      state: 'failed',
      errorCode: 'NDI_E_IMPORT_INCOMPLETE',
      errorDetail: 'The cloud never listed it.',
    });
  }
}

/**
 * Local ids: what the dataset holds. Remote ids: what both sides are known to hold, so that a client's next
 * sync offers what did not get there, and fetches what only the cloud has.
 */
function writeIndex({ ledger, ref }: RunScope, input: UploadInput): void {
  const ids = (states?: readonly ItemState[]) => () =>
    idsOf(ledger.items.each({ kind: 'document', ...(states === undefined ? {} : { states }) }));
  try {
    writeSyncIndex(input.datasetDir, {
      localIds: function* () {
        yield* ids()();
        yield* ledger.facts.get(RUN_FACTS.linksLeftHere) ?? [];
      },
      remoteIds: ids(['done', 'skipped']),
      syncedAt: new Date(),
    });
  } catch (error) {
    if (!isCourierError(error, 'NDI_E_READ_ONLY')) throw error;
    ledger.problems.add({
      kind: 'dataset',
      id: input.datasetId,
      code: error.code,
      detail: `${input.datasetDir} cannot be written: its link to ${ref.cloudDatasetId} is kept in ${ledger.dataset.path}, and the NDI clients do not know of this upload.`,
    });
  }
}
