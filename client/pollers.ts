/** Which workers a run needs, and whether any of them polls: a run whose role has no worker says so. */
import type { Client } from '@temporalio/client';
import { WAITS } from '../errors/index.ts';
import { type RunProgress, siteQueue, type Waiting } from '../workflows/contracts/index.ts';
import type { RunRecord } from './progress.ts';

/**
 * A worker polls again within a minute; one that did not for longer is gone, although the server remembers it
 * for five.
 */
const POLLS_WITHIN_MS = 75_000;

export interface PollerState {
  readonly count: number;
  /** ISO time of the last poll; null when nobody polled lately. */
  readonly lastPollAt: string | null;
}

/** The workers that poll a queue: `workflows` those that decide, `activities` those that work. */
export async function pollersOf(
  { workflowService, options }: Pick<Client, 'workflowService' | 'options'>,
  queue: string,
  what: 'workflows' | 'activities',
): Promise<PollerState> {
  const { pollers } = await workflowService.describeTaskQueue({
    namespace: options.namespace,
    taskQueue: { name: queue },
    // temporal.api.enums.v1.TaskQueueType
    taskQueueType: what === 'workflows' ? 1 : 2,
  });
  const pollsMs = (pollers ?? []).map(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000);
  const lastMs = Math.max(0, ...pollsMs);
  return {
    count: pollsMs.filter((ms) => Date.now() - ms < POLLS_WITHIN_MS).length,
    lastPollAt: lastMs === 0 ? null : new Date(lastMs).toISOString(),
  };
}

/**
 * The role that has no worker although the run needs one right now. `answer`: what the run answered to its
 * query, which a worker of the role `control` gives.
 */
export async function missingWorker(
  client: Pick<Client, 'workflowService' | 'options'>,
  record: RunRecord,
  answer: RunProgress | undefined,
): Promise<Waiting | undefined> {
  if (record.status !== 'running') return undefined;
  if (answer === undefined) {
    const { count, lastPollAt } = await pollersOf(client, record.queue, 'workflows');
    if (count === 0) return { kind: 'worker', ...WAITS.worker, since: lastPollAt ?? record.startedAt };
  }
  const isQueued = record.pending.some(
    ({ state, lastFailure }) => state === 'scheduled' && lastFailure === null,
  );
  const site = answer?.site ?? record.site;
  if (!isQueued || site === null) return undefined;
  const { count, lastPollAt } = await pollersOf(client, siteQueue(site), 'activities');
  if (count > 0) return undefined;
  const sentence = `${WAITS.site.sentence} It is site ${site}.`;
  return { kind: 'site', ...WAITS.site, sentence, since: lastPollAt ?? record.startedAt };
}
