/**
 * A worker process that a test kills, or that kills itself with SIGKILL at the boundary of one step. It runs
 * what `worker-main.ts` runs. Its one argument is a `CrashingWorkerArguments` as JSON; more sites are given
 * to it by message.
 */
import { writeFileSync } from 'node:fs';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { ensureHome, homeAt } from '../../workers/home.ts';
import { createLogger, installRuntime } from '../../workers/runtime.ts';
import type { WorkerRole } from '../../workers/types.ts';
import { runWorker } from '../../workers/worker.ts';

/** Of all calls of `step` in this process the n-th, from 1. */
export interface CrashPoint {
  readonly step: string;
  readonly call: number;
  /**
   * `before`: the server has handed the step out, nothing of it was done. `after`: all was done, nothing
   * reported.
   */
  readonly when: 'before' | 'after';
  /** Written just before the process dies, so that a test knows that it died here. */
  readonly markerPath: string;
}

export interface WorkerSite {
  readonly siteId: string;
  readonly homeDir: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface CrashingWorkerArguments {
  readonly address: string;
  readonly namespace: string;
  readonly roles: readonly WorkerRole[];
  readonly controlQueue: string;
  readonly sites: readonly WorkerSite[];
  readonly crash: CrashPoint | null;
}

export type ToWorker = { readonly serve: WorkerSite };
export type FromWorker = { readonly serving: string } | { readonly failed: string };

function crashAt(point: CrashPoint): ActivityInterceptorsFactory {
  let calls = 0;
  const die = (): Promise<never> => {
    writeFileSync(point.markerPath, `${point.when} ${point.step} ${point.call}\n`);
    process.kill(process.pid, 'SIGKILL');
    // The signal takes effect at once or a moment later; until then nothing more may happen here.
    return new Promise(() => {});
  };
  return ({ info }) => ({
    inbound: {
      execute: async (input, next) => {
        if (info.activityType !== point.step) return next(input);
        calls += 1;
        const isIt = calls === point.call;
        if (isIt && point.when === 'before') return die();
        const result = await next(input);
        return isIt ? die() : result;
      },
    },
  });
}

function serve(args: CrashingWorkerArguments, site: WorkerSite): Promise<void> {
  return runWorker({
    connectionOptions: { address: args.address },
    namespace: args.namespace,
    roles: args.roles,
    siteId: site.siteId,
    controlQueue: args.controlQueue,
    home: ensureHome(homeAt(site.homeDir)),
    env: { ...site.env },
    log: () => {},
    signal: new AbortController().signal,
    graceMs: 1_000,
    ...(args.crash === null ? {} : { activityInterceptors: [crashAt(args.crash)] }),
    onReady: () => process.send?.({ serving: site.siteId } satisfies FromWorker),
  });
}

function main(args: CrashingWorkerArguments): void {
  installRuntime(createLogger('error'));
  const fail = (error: unknown): void => {
    const failed = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.send?.({ failed } satisfies FromWorker, () => process.exit(1));
  };
  process.on('message', ({ serve: site }: ToWorker) => void serve(args, site).catch(fail));
  // The test is gone: nobody needs this process.
  process.on('disconnect', () => process.exit(0));
  for (const site of args.sites) void serve(args, site).catch(fail);
}

main(JSON.parse(process.argv[2]!) as CrashingWorkerArguments);
