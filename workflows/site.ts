/** How workflows reach the steps of a site: one queue per host, heartbeats that tell a dead worker from a slow one. */
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import { siteQueue } from './contracts.ts';
import type { SiteSteps } from './steps.ts';

/**
 * `scheduleToStartMs` is how long the site may leave the step untouched before the run says that it waits for it.
 *
 * - heartbeat 20 s: a killed worker's steps are taken up again within that time. Steps beat on a timer and with every
 *   chunk of bytes, and a transfer that moves no bytes ends by itself.
 * - start-to-close 24 h: 5 GB at 60 kB/s.
 * - retries without end: nobody watches, and what cannot succeed says so with a permanent error.
 */
export function siteSteps(site: string, scheduleToStartMs: number): SiteSteps {
  return proxyActivities<SiteSteps>({
    taskQueue: siteQueue(site),
    scheduleToStartTimeout: scheduleToStartMs,
    startToCloseTimeout: '24 hours',
    heartbeatTimeout: '20 seconds',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '2 minutes' },
  });
}
