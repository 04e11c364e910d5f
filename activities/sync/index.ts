/**
 * The activities of `syncDataset`. Layout: `open` the two sides and the base; `observe*` what each holds;
 * `plan` and `resolve` what is to be done; `plan-down`, `fetch`, `plan-files`, `write` what comes here;
 * `plan-up` what goes, by the steps of an upload; `delete`; `inbox` the conflicts; `finish`.
 */
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { SyncInput, UploadInput } from '../../workflows/contracts/index.ts';
import type { SyncPlan, SyncRefs, SyncSteps } from '../../workflows/steps.ts';
import type { RunScope, StepDeps } from '../deps.ts';
import { asActivity, inScope } from '../step.ts';
import { deleteSync } from './delete.ts';
import { fetchSyncUnit, nextSyncUnits } from './fetch.ts';
import { finishSync } from './finish.ts';
import { observeSync } from './observe.ts';
import { openSync } from './open.ts';
import { approvalOf, decideAll } from './plan.ts';
import { planDown } from './plan-down.ts';
import { planSyncFiles } from './plan-files.ts';
import { planSyncUpload } from './plan-up.ts';
import { resolveConflicts } from './resolve.ts';
import { summaryOf } from './summary.ts';
import { transferScope } from './transfers.ts';
import { writeSync } from './write.ts';

export function createSyncActivities(deps: StepDeps): SyncSteps {
  /** An activity of (input, refs, …). */
  const step = <Rest extends unknown[], Result>(
    work: (scope: RunScope, input: SyncInput, refs: SyncRefs, ...rest: Rest) => Promise<Result>,
  ) =>
    asActivity((context, input: SyncInput, refs: SyncRefs, ...rest: Rest) =>
      inScope(deps, context, refs.run, (scope) => work(scope, input, refs, ...rest)),
    );
  return {
    openSync: asActivity((context, input, run) => openSync(deps, context, input, run)),
    observeSync: step((scope, input) => observeSync(scope, input)),
    planSync: step(planSync),
    nextSyncUnits: asActivity((context, refs, what) =>
      inScope(deps, context, refs.run, (scope) => nextSyncUnits(scope, refs, what)),
    ),
    fetchSyncUnit: step((scope, input, refs, unit: number) => fetchSyncUnit(scope, input, refs, unit)),
    planSyncFiles: step(planSyncFiles),
    writeSync: step(writeSync),
    planSyncUpload: step((scope, input, refs, upload: UploadInput) =>
      planSyncUpload(scope, input, refs, upload),
    ),
    settleApproval: asActivity((context, refs, answer) =>
      inScope(deps, context, refs.run, async (scope) => {
        const { ledger } = scope;
        ledger.facts.set(RUN_FACTS.approval, answer);
        ledger.audit(answer.approved ? 'plan approved' : 'plan rejected', answer);
        if (!answer.approved) return;
        ledger.sync.releaseHeld();
        planDown(ledger, transferScope(scope, refs, 'down'));
      }),
    ),
    deleteSync: step((scope, input) => deleteSync(scope, input)),
    finishSync: step(finishSync),
  };
}

async function planSync(scope: RunScope, input: SyncInput, refs: SyncRefs): Promise<SyncPlan> {
  const { ledger } = scope;
  if (ledger.plan.state() !== 'sealed') {
    await decideAll(scope, input);
    resolveConflicts(scope, input);
    ledger.plan.seal();
  }
  const down = transferScope(scope, refs, 'down');
  if (!input.dryRun && down.ledger.plan.state() !== 'sealed') planDown(ledger, down);
  return { ...summaryOf(ledger, [down.ledger]), approval: approvalOf(ledger) };
}
