/**
 * The activities of a site. Layout: `step.ts` is where activities meet Temporal; `shared/` has what every run
 * type uses; a folder per run type holds one file per activity or family of activities, plain functions of
 * (scope, input).
 */
import { existsSync } from 'node:fs';
import type { CommonSteps, SiteSteps } from '../workflows/steps.ts';
import type { StepDeps } from './deps.ts';
import { createDownloadActivities } from './download/index.ts';
import { createFilesActivities } from './files/index.ts';
import { createNightActivities } from './night/index.ts';
import { createPreviewActivities } from './preview/index.ts';
import { awaitRoom } from './shared/room.ts';
import { asActivity } from './step.ts';
import { createSyncActivities } from './sync/index.ts';
import { createUploadActivities } from './upload/index.ts';
import { releaseWriteLock } from './upload/write-lock.ts';

export type { LedgerCache, StepContext, StepDeps } from './deps.ts';
export { noteOutcome } from './step.ts';
export { closeIdleCopies } from './upload/shared-copy.ts';

/** All activities that touch the disk of a site. */
export const createSiteActivities = (deps: StepDeps): SiteSteps => ({
  ...createUploadActivities(deps),
  ...createDownloadActivities(deps),
  ...createFilesActivities(deps),
  ...createSyncActivities(deps),
  ...createNightActivities(deps),
  ...createPreviewActivities(deps),
  ...createCommonActivities(deps),
});

const createCommonActivities = (deps: StepDeps): CommonSteps => ({
  releaseRun: asActivity(async (_context, { runKey, workflowId, ledgerPath }) => {
    // A folder that is gone has no lease, and must not come back as an empty one.
    if (!existsSync(ledgerPath)) return;
    const ledger = deps.ledgers.open(ledgerPath);
    const { lease } = ledger;
    const holder = lease.holder();
    if (runKey !== undefined) await releaseWriteLock(deps, ledger.run(runKey));
    // Runs of release 0.1 name no run key.
    if (runKey !== undefined) lease.release(runKey);
    else if (holder?.workflowId === workflowId) lease.release(holder.runKey);
  }),
  awaitRoom: asActivity(awaitRoom),
});
