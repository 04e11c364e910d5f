/** How workflows reach the activities of a site: one queue per host, heartbeats that tell a dead worker from a slow one. */
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import { siteQueue } from '../contracts/common.ts';
import type { SiteSteps } from '../steps.ts';

export interface StepOptions {
  /** How long the site may leave the activity untouched before the run says that it waits for it. */
  readonly scheduleToStartMs: number;
  /** One line for a person who looks at the activity in Temporal's Web UI. */
  readonly summary: string;
}

/**
 * The timeouts and retries of all activities of a site:
 * - heartbeat 20 s: the activities of a killed worker are taken up again within that time. Activities heartbeat on a timer and with
 *   every chunk of bytes, and a transfer that moves no bytes ends by its own timeout.
 * - start-to-close 24 h: 5 GB at 60 kB/s.
 * - retries without end: nobody watches, and what cannot succeed says so with a permanent error.
 */
export function siteSteps(site: string, { scheduleToStartMs, summary }: StepOptions): SiteSteps {
  return proxyActivities<SiteSteps>({
    taskQueue: siteQueue(site),
    scheduleToStartTimeout: scheduleToStartMs,
    startToCloseTimeout: '24 hours',
    heartbeatTimeout: '20 seconds',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '2 minutes' },
    summary,
  });
}
