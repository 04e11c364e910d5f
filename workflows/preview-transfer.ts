/**
 * `previewTransfer`: plans an upload or a download as the run itself would, and writes nothing: not in the
 * folder, not in the cloud, not in the ledger of the dataset. The plan by name lies in a file in the state
 * folder of the site.
 *
 * Input: `PreviewInput`. Query: progress. Signals: pause, resume, login. Id: `preview/<id of the run that is
 * previewed>`. It takes no lease: what it reads may change while it reads.
 */
import type { PreviewInput, PreviewResult } from './contracts/preview.ts';
import { withLease } from './run/lease.ts';
import { startRun } from './run/run.ts';

export async function previewTransfer(input: PreviewInput): Promise<PreviewResult> {
  const run = startRun('preview', input);
  return withLease(input, run, async () => {
    run.phase('planning');
    const plan = await run.step('Compare both sides', (site) => site.previewTransfer(input, run.names));
    run.adoptResult(plan);
    run.phase('done');
    return { ...plan, operation: 'preview', retries: run.progress().retries };
  });
}
