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
import { finishUpload } from './upload/finish.ts';
import { linkOrCreate } from './upload/link.ts';
import { openUpload } from './upload/open.ts';
import { planUpload } from './upload/plan.ts';
import { nextUploadUnits, sendUnit } from './upload/send.ts';
import { settleDocuments, verifyUpload } from './upload/settle.ts';

export type { LedgerShelf, StepContext, StepDeps } from './deps.ts';

/** All steps that touch the disk of a site. */
export function createSiteActivities(deps: StepDeps): SiteSteps {
  return {
    openUpload: asActivity((context, ...args) => openUpload(deps, context, ...args)),
    linkOrCreate: asActivity((context, ...args) => linkOrCreate(deps, context, ...args)),
    planUpload: asActivity((context, ...args) => planUpload(deps, context, ...args)),
    nextUploadUnits: asActivity((context, ...args) => nextUploadUnits(deps, context, ...args)),
    sendUnit: asActivity((context, ...args) => sendUnit(deps, context, ...args)),
    settleDocuments: asActivity((context, ...args) => settleDocuments(deps, context, ...args)),
    verifyUpload: asActivity((context, ...args) => verifyUpload(deps, context, ...args)),
    finishUpload: asActivity((context, ...args) => finishUpload(deps, context, ...args)),
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
