/** The activities of `transferFiles`. */
import type { FilesInput } from '../../workflows/contracts/index.ts';
import type { FilesSteps, RunRef } from '../../workflows/steps.ts';
import type { RunScope, StepDeps } from '../deps.ts';
import { nextUnits } from '../shared/units.ts';
import { asActivity, inScope } from '../step.ts';
import { finishFiles } from './finish.ts';
import { moveFileUnit } from './move.ts';
import { openFiles } from './open.ts';
import { planFiles } from './plan.ts';

export function createFilesActivities(deps: StepDeps): FilesSteps {
  /** An activity of (input, ref, …). */
  const step = <Rest extends unknown[], Result>(
    work: (scope: RunScope, input: FilesInput, ...rest: Rest) => Promise<Result>,
  ) =>
    asActivity((context, input: FilesInput, ref: RunRef, ...rest: Rest) =>
      inScope(deps, context, ref, (scope) => work(scope, input, ...rest)),
    );
  return {
    openFiles: asActivity((context, input, run) => openFiles(deps, context, input, run)),
    planFiles: step(planFiles),
    nextFileUnits: asActivity((context, ref) =>
      inScope(deps, context, ref, async ({ ledger }) => nextUnits(ledger, ['files'])),
    ),
    moveFileUnit: step(moveFileUnit),
    finishFiles: step(finishFiles),
  };
}
