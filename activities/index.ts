/**
 * The steps of a site, as Temporal activities. Layout: `step.ts` is where steps meet Temporal; `upload/` and `download/`
 * hold one file per step or family of steps, plain functions of (deps, context, input).
 */
import type { SiteSteps } from '../workflows/steps.ts';
import type { StepDeps } from './deps.ts';
import { fetchUnit, nextDownloadUnits } from './download/fetch.ts';
import { finishDownload } from './download/finish.ts';
import { openDownload } from './download/open.ts';
import { planDownload, planDownloadFiles } from './download/plan.ts';
import { asActivity } from './step.ts';
import { unlessJustCreated } from './upload/create.ts';
import { finishUpload } from './upload/finish.ts';
import { linkOrCreate } from './upload/link.ts';
import { openUpload } from './upload/open.ts';
import { planUpload } from './upload/plan.ts';
import { nextUploadUnits, sendUnit } from './upload/send.ts';
import { settleDocuments, verifyUpload } from './upload/settle.ts';

export type { LedgerShelf, StepContext, StepDeps } from './deps.ts';
export { closeIdleCopies } from './upload/copies.ts';

/** All steps that touch the disk of a site. */
export function createSiteActivities(deps: StepDeps): SiteSteps {
  const withNewDataset = async <Result>(
    ref: { readonly runKey: string; readonly ledgerPath: string },
    step: () => Promise<Result>,
  ): Promise<Result> => {
    try {
      return await step();
    } catch (error) {
      throw unlessJustCreated(deps.ledgers.open(ref.ledgerPath), ref.runKey, error);
    }
  };
  return {
    openUpload: asActivity((context, ...args) => openUpload(deps, context, ...args)),
    linkOrCreate: asActivity((context, input, ref) =>
      withNewDataset(ref, () => linkOrCreate(deps, context, input, ref)),
    ),
    planUpload: asActivity((context, input, ref) =>
      withNewDataset(ref, () => planUpload(deps, context, input, ref)),
    ),
    nextUploadUnits: asActivity((context, ...args) => nextUploadUnits(deps, context, ...args)),
    sendUnit: asActivity((context, input, ref, unit) =>
      withNewDataset(ref, () => sendUnit(deps, context, input, ref, unit)),
    ),
    settleDocuments: asActivity((context, input, ref) =>
      withNewDataset(ref, () => settleDocuments(deps, context, input, ref)),
    ),
    verifyUpload: asActivity((context, input, ref) =>
      withNewDataset(ref, () => verifyUpload(deps, context, input, ref)),
    ),
    finishUpload: asActivity((context, input, ref) =>
      withNewDataset(ref, () => finishUpload(deps, context, input, ref)),
    ),
    openDownload: asActivity((context, ...args) => openDownload(deps, context, ...args)),
    planDownload: asActivity((context, ...args) => planDownload(deps, context, ...args)),
    nextDownloadUnits: asActivity((context, ...args) => nextDownloadUnits(deps, context, ...args)),
    fetchUnit: asActivity((context, ...args) => fetchUnit(deps, context, ...args)),
    planDownloadFiles: asActivity((context, ...args) => planDownloadFiles(deps, context, ...args)),
    finishDownload: asActivity((context, ...args) => finishDownload(deps, context, ...args)),
    releaseRun: asActivity(async (_context, { workflowId, ledgerPath }) => {
      deps.ledgers.open(ledgerPath).releaseLease(workflowId);
    }),
  };
}
