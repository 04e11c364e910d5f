/**
 * How workflows reach the activities of a site: one queue per host, heartbeats that tell a dead worker from a
 * slow one.
 */
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import { siteQueue } from '../contracts/common.ts';
import { DEFAULT_TUNING, type Tuning } from '../contracts/tuning.ts';
import type { SiteSteps } from '../steps.ts';

export interface StepOptions {
  /** How long the site may leave the activity untouched before the run says that it waits for it. */
  readonly scheduleToStartMs: number;
  /** One line for a person who looks at the activity in Temporal's Web UI. */
  readonly summary: string;
  /** Inputs of release 0.1 lack the timeouts of activities; the defaults are what it had. */
  readonly tuning?: Pick<Tuning, 'heartbeatTimeoutMs' | 'activityTimeoutMs'>;
}

/**
 * The timeouts and retries of all activities of a site:
 * - heartbeat: the activities of a killed worker are taken up again within that time. Activities heartbeat on
 *   a timer and with every chunk of bytes, and a transfer that moves no bytes ends by its own timeout.
 * - retries without end: nobody watches, and what cannot succeed says so with a permanent error.
 */
export function siteSteps(site: string, { scheduleToStartMs, summary, tuning = {} }: StepOptions): SiteSteps {
  const { heartbeatTimeoutMs, activityTimeoutMs } = { ...DEFAULT_TUNING, ...tuning };
  return proxyActivities<SiteSteps>({
    taskQueue: siteQueue(site),
    scheduleToStartTimeout: scheduleToStartMs,
    startToCloseTimeout: activityTimeoutMs,
    heartbeatTimeout: heartbeatTimeoutMs,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '2 minutes' },
    summary,
  });
}
