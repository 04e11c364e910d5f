/** The activities of an upload. */
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { RunRef, UploadSteps } from '../../workflows/steps.ts';
import type { RunScope, StepDeps } from '../deps.ts';
import { asActivity, inScope } from '../step.ts';
import { unlessJustCreated } from './create.ts';
import { finishUpload } from './finish.ts';
import { linkOrCreate } from './link.ts';
import { openUpload } from './open.ts';
import { planUpload } from './plan.ts';
import { nextUploadUnits, sendUnit } from './send.ts';
import { settleDocuments, verifyUpload } from './settle.ts';
import { underWriteLock } from './write-lock.ts';

export function createUploadActivities(deps: StepDeps): UploadSteps {
  /**
   * An activity of (input, ref, …). A cloud dataset that this run created may not be known yet to every
   * replica.
   */
  const step = <Input, Rest extends unknown[], Result>(
    work: (scope: RunScope, input: Input, ...rest: Rest) => Promise<Result>,
  ) =>
    asActivity((context, input: Input, ref: RunRef, ...rest: Rest) =>
      inScope(deps, context, ref, async (scope) => {
        try {
          return await work(scope, input, ...rest);
        } catch (error) {
          throw unlessJustCreated(scope.ledger, error);
        }
      }),
    );
  const locked = <Rest extends unknown[], Result>(
    work: (scope: RunScope, input: UploadInput, ...rest: Rest) => Promise<Result>,
  ) =>
    step((scope: RunScope, input: UploadInput, ...rest: Rest) =>
      underWriteLock(scope, () => work(scope, input, ...rest)),
    );
  const linked = step(linkOrCreate);
  return {
    openUpload: asActivity((_context, input, run) => openUpload(deps, input, run)),
    // Before there is a cloud dataset, the reference has none.
    linkOrCreate: (input, run) =>
      linked(input, {
        workflowId: '',
        ...run,
        cloud: input.cloud,
        tuning: input.tuning,
        cloudDatasetId: '',
        organizationId: '',
      }),
    planUpload: locked(planUpload),
    nextUploadUnits: asActivity((context, ref, what) =>
      inScope(deps, context, ref, (scope) => nextUploadUnits(scope, what)),
    ),
    sendUnit: locked(sendUnit),
    settleDocuments: locked(settleDocuments),
    verifyUpload: locked(verifyUpload),
    finishUpload: step(finishUpload),
  };
}
