/**
 * The work of a worker process: which queues it serves, with which limits. One process may have several
 * roles; they share a connection.
 */
import { Connection, WorkflowClient } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { createSiteActivities } from '../activities/index.ts';
import { withoutProxy } from '../net/grpc.ts';
import { CONTROL_QUEUE, siteQueue } from '../workflows/contracts/index.ts';
import { dataConverterFromEnv } from './codec.ts';
import { type Composition, composeSite, holderOf } from './composition.ts';
import type { RunWorkerOptions } from './types.ts';
import { workflowBundle } from './workflow-bundle.ts';

/** Runs kept in memory; the default is drawn from the wrong heap and can overflow the workflow thread. */
const MAX_CACHED_WORKFLOWS = 200;
/** Steps of this host at once, over all runs: disks and uplinks of a lab gain nothing from more. */
const MAX_SITE_STEPS = 16;
/** A watcher sees bytes move; the default would let it see one beat in sixteen seconds. */
const HEARTBEAT_THROTTLE = '1 second';

export async function runWorker(options: RunWorkerOptions): Promise<void> {
  const connection = await NativeConnection.connect(options.connectionOptions);
  const { payloadKey } = options;
  // Workers act on what they decode; a client only shows it, also what is older than the key.
  const refusesPlain = payloadKey !== undefined;
  const dataConverter = dataConverterFromEnv(options.env, payloadKey, { refusesPlain });
  const common: Pick<WorkerOptions, 'connection' | 'namespace' | 'shutdownGraceTime' | 'dataConverter'> = {
    connection,
    namespace: options.namespace,
    shutdownGraceTime: options.graceMs,
    ...(dataConverter === undefined ? {} : { dataConverter }),
  };
  const workers: Worker[] = [];
  let site: { composition: Composition; connection: Connection } | undefined;
  try {
    if (options.roles.includes('control')) {
      workers.push(
        await Worker.create({
          ...common,
          taskQueue: options.controlQueue ?? CONTROL_QUEUE,
          workflowBundle: await workflowBundle(dataConverter),
          maxCachedWorkflows: MAX_CACHED_WORKFLOWS,
        }),
      );
    }
    if (options.roles.includes('site')) {
      site = await openSite(options);
      workers.push(
        await Worker.create({
          ...common,
          taskQueue: siteQueue(options.siteId),
          activities: createSiteActivities(site.composition.deps),
          interceptors: { activity: [...(options.activityInterceptors ?? [])] },
          maxConcurrentActivityTaskExecutions: MAX_SITE_STEPS,
          maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
          // Nothing is lost by a stop: steps are told at once and go on at the next start.
          shutdownGraceTime: 0,
          shutdownForceTime: options.graceMs,
        }),
      );
    }
    await runUntilStopped(workers, options);
  } finally {
    await site?.composition.close();
    await site?.connection.close();
    await connection.close();
  }
}

async function openSite(
  options: RunWorkerOptions,
): Promise<{ composition: Composition; connection: Connection }> {
  const connection = await Connection.connect(withoutProxy(options.connectionOptions));
  const workflows = new WorkflowClient({ connection, namespace: options.namespace });
  const { home, env, siteId, namespace, connectionOptions } = options;
  const holder = holderOf({ siteId, namespace, address: connectionOptions.address });
  return { composition: composeSite({ home, env, workflows, holder }), connection };
}

/** If one queue fails, the process ends and the supervisor starts it anew: half a worker helps nobody. */
async function runUntilStopped(workers: readonly Worker[], options: RunWorkerOptions): Promise<void> {
  const stop = (): void => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  options.signal.addEventListener('abort', stop, { once: true });
  const running = Promise.all(
    workers.map((worker) =>
      worker.run().catch((error: unknown) => {
        stop();
        throw error;
      }),
    ),
  );
  if (options.signal.aborted) stop();
  options.onReady();
  await running;
}
