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
import { resolveTarget } from './target.ts';

/** Steps work in the folder itself, where the person gave a link to it. */
const resolved = async (input: DownloadInput): Promise<DownloadInput> => ({
  ...input,
  targetDir: await resolveTarget(input.targetDir),
});

export function createDownloadActivities(deps: StepDeps): DownloadSteps {
  /** An activity of (input, ref, …). */
  const step = <Rest extends unknown[], Result>(
    work: (scope: RunScope, input: DownloadInput, ...rest: Rest) => Promise<Result>,
  ) =>
    asActivity(async (context, given: DownloadInput, ref: RunRef, ...rest: Rest) => {
      const input = await resolved(given);
      return inScope(deps, context, ref, (scope) => work(scope, input, ...rest));
    });
  return {
    openDownload: asActivity(async (context, given, run) =>
      openDownload(deps, context, await resolved(given), run, given.targetDir),
    ),
    planDownload: step(planDownload),
    planDependencies: step(planDependencies),
    nextDownloadUnits: asActivity((context, ref, what) =>
      inScope(deps, context, ref, (scope) => nextDownloadUnits(scope, what)),
    ),
    fetchUnit: step(fetchUnit),
    planDownloadFiles: step(planDownloadFiles),
    // Its ledger moves in the middle of it: it opens scopes of its own.
    finishDownload: asActivity(async (context, given, ref) =>
      finishDownload(deps, context, await resolved(given), ref),
    ),
  };
}
