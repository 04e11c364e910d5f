/** What a worker process does: which queues it serves. For now workflows only; activities follow. */
import { NativeConnection, Worker } from '@temporalio/worker';
import { COURIER_QUEUE } from '../workflows/contracts.ts';
import { dataConverterFromEnv } from './codec.ts';
import type { RunWorkerOptions } from './types.ts';
import { workflowBundle } from './workflow-source.ts';

export async function runWorker(options: RunWorkerOptions): Promise<void> {
  const connection = await NativeConnection.connect(options.connectionOptions);
  try {
    const dataConverter = dataConverterFromEnv(options.env);
    const worker = await Worker.create({
      connection,
      namespace: options.namespace,
      taskQueue: COURIER_QUEUE,
      workflowBundle: await workflowBundle(dataConverter),
      shutdownGraceTime: options.graceMs,
      ...(dataConverter === undefined ? {} : { dataConverter }),
    });
    const stop = () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
    };
    options.signal.addEventListener('abort', stop, { once: true });
    const running = worker.run();
    if (options.signal.aborted) stop();
    options.onReady();
    await running;
  } finally {
    await connection.close();
  }
}
