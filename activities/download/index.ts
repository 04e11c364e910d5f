/** The activities of a download. */
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { DownloadSteps, RunRef } from '../../workflows/steps.ts';
import type { RunScope, StepDeps } from '../deps.ts';
import { asActivity, inScope } from '../step.ts';
import { fetchUnit, nextDownloadUnits } from './fetch.ts';
import { finishDownload } from './finish.ts';
import { openDownload } from './open.ts';
import { planDependencies, planDownload } from './plan-documents.ts';
import { planDownloadFiles } from './plan-files.ts';

export function createDownloadActivities(deps: StepDeps): DownloadSteps {
  /** An activity of (input, ref, …). */
  const step = <Rest extends unknown[], Result>(
    work: (scope: RunScope, input: DownloadInput, ...rest: Rest) => Promise<Result>,
  ) =>
    asActivity((context, input: DownloadInput, ref: RunRef, ...rest: Rest) =>
      inScope(deps, context, ref, (scope) => work(scope, input, ...rest)),
    );
  return {
    openDownload: asActivity((context, input, run) => openDownload(deps, context, input, run)),
    planDownload: step(planDownload),
    planDependencies: step(planDependencies),
    nextDownloadUnits: asActivity((context, ref, what) =>
      inScope(deps, context, ref, (scope) => nextDownloadUnits(scope, what)),
    ),
    fetchUnit: step(fetchUnit),
    planDownloadFiles: step(planDownloadFiles),
    // Its ledger moves in the middle of it: it opens scopes of its own.
    finishDownload: asActivity((context, input, ref) => finishDownload(deps, context, input, ref)),
  };
}
