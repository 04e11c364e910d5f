/**
 * The steps of a run, called by hand: for what happens between two of them. Real ledgers, real disk, the
 * lab's cloud.
 */
import { join } from 'node:path';
import type { StepContext, StepDeps } from '../../activities/deps.ts';
import { fetchUnit, nextDownloadUnits } from '../../activities/download/fetch.ts';
import { finishDownload } from '../../activities/download/finish.ts';
import { openDownload } from '../../activities/download/open.ts';
import { planDownload } from '../../activities/download/plan-documents.ts';
import { planDownloadFiles } from '../../activities/download/plan-files.ts';
import { inScope } from '../../activities/step.ts';
import { composeSite } from '../../workers/composition.ts';
import { ensureHome, homeAt } from '../../workers/home.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { RunRef, SiteResult } from '../../workflows/steps.ts';
import type { Lab } from './lab.ts';

export interface Site {
  readonly deps: StepDeps;
  close(): Promise<void>;
}

/** `name` keeps its state apart from other sites of the lab. */
export function siteOf(lab: Lab, name: string): Site {
  const home = ensureHome(homeAt(join(lab.dir, name)));
  return composeSite({ home, env: lab.env, workflows: lab.client.workflow, holder: lab.holder });
}

export const stepContext = (attempt = 1): StepContext => ({
  signal: new AbortController().signal,
  attempt,
  heartbeat: () => {},
});

/** A download up to its last step: all is here, nothing is in place. */
export async function downloadAll(deps: StepDeps, input: DownloadInput, runKey: string): Promise<RunRef> {
  const context = stepContext();
  const workflowId = `download/${runKey}`;
  const answer = await openDownload(deps, context, input, { runKey, workflowId });
  if (!('opened' in answer)) throw new Error('there is nothing to do');
  const { cloud, tuning } = input;
  const ref: RunRef = { ...answer.opened, runKey, workflowId, cloud, tuning };
  await inScope(deps, context, ref, async (scope) => {
    await planDownload(scope, input);
    const fetchAll = async (what: 'documents' | 'files'): Promise<void> => {
      const { units } = await nextDownloadUnits(scope, what);
      for (const unit of units) await fetchUnit(scope, input, unit);
    };
    await fetchAll('documents');
    await planDownloadFiles(scope, input);
    await fetchAll('files');
  });
  return ref;
}

export const finish = (deps: StepDeps, input: DownloadInput, ref: RunRef): Promise<SiteResult> =>
  finishDownload(deps, stepContext(), input, ref);
