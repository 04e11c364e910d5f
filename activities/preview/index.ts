/**
 * The activity of `previewTransfer`: the planning of an upload or a download, in a copy of the dataset's
 * ledger that goes away again.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assertNever } from '../../errors/index.ts';
import { copyLedger } from '../../ledger/open.ts';
import type { PreviewInput } from '../../workflows/contracts/index.ts';
import { DEFAULT_TUNING } from '../../workflows/contracts/tuning.ts';
import type { PreviewSteps, RunNames, RunRef } from '../../workflows/steps.ts';
import type { RunScope, StepContext, StepDeps } from '../deps.ts';
import { asActivity } from '../step.ts';
import { previewDownload } from './download.ts';
import { previewUpload } from './upload.ts';

export const createPreviewActivities = (deps: StepDeps): PreviewSteps => ({
  previewTransfer: asActivity((context, input, run) => previewTransfer(deps, context, input, run)),
});

function previewTransfer(
  deps: StepDeps,
  context: StepContext,
  { of }: PreviewInput,
  run: RunNames,
): ReturnType<PreviewSteps['previewTransfer']> {
  switch (of.operation) {
    case 'upload': {
      const { datasetDir, datasetId } = of.input;
      const known = deps.ledgers.find(datasetDir, datasetId);
      return inCopy(deps, context, of.input, run, known, (scope) => previewUpload(scope, of.input));
    }
    case 'download':
      return inCopy(deps, context, of.input, run, undefined, (scope) => previewDownload(scope, of.input));
    default:
      return assertNever(of);
  }
}

/**
 * A scope whose ledger is a copy of `known`, or empty. It holds no lease: nothing that it writes outlives it.
 */
async function inCopy<Result>(
  deps: StepDeps,
  context: StepContext,
  { cloud, tuning }: Pick<RunRef, 'cloud' | 'tuning'>,
  run: RunNames,
  known: string | undefined,
  work: (scope: RunScope) => Promise<Result>,
): Promise<Result> {
  const ledgerPath = join(deps.scratchDir, `preview-${randomUUID()}.sqlite`);
  try {
    if (known !== undefined) await copyLedger(known, ledgerPath);
    const ref: RunRef = { ...run, ledgerPath, cloud, tuning, cloudDatasetId: '', organizationId: '' };
    return await work({
      ...context,
      deps,
      ref,
      tuning: { ...DEFAULT_TUNING, ...tuning },
      ledger: deps.ledgers.open(ledgerPath).run(run.runKey),
      cloud: deps.cloud(cloud),
    });
  } finally {
    deps.ledgers.close(ledgerPath);
    for (const suffix of ['', '-wal', '-shm', '-journal']) await rm(ledgerPath + suffix, { force: true });
  }
}
