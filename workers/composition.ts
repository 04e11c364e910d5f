/**
 * The dependencies of this host's steps: cloud clients, ledgers, the throttle, and who is running elsewhere.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isGrpcServiceError, type WorkflowClient, WorkflowNotFoundError } from '@temporalio/client';
import type { StepDeps } from '../activities/deps.ts';
import { closeIdleCopies, noteOutcome } from '../activities/index.ts';
import { existingLedgerPath, ledgerPath } from '../ledger/locate.ts';
import type { Environment } from '../ndi/auth/environment.ts';
import { connectCloud } from '../ndi/auth/index.ts';
import type { CloudClient } from '../ndi/cloud/types.ts';
import { networkOf } from '../net/network.ts';
import { createThrottle } from '../transfer/throttle.ts';
import type { CloudRef } from '../workflows/contracts/index.ts';
import { alertSettings } from './alerts.ts';
import { followBandwidth } from './bandwidth.ts';
import type { Home } from './home.ts';
import { createLedgerCache } from './ledger-cache.ts';
import { bootId, processToken } from './processes.ts';

export interface CompositionOptions {
  readonly home: Home;
  readonly env: Environment;
  /** Asks the Temporal server about other runs. */
  readonly workflows: WorkflowClient;
  /**
   * Names this service among those that may share a dataset: the site, and the Temporal server that knows its
   * runs.
   */
  readonly holder: string;
}

/** The name under which a service holds leases: its site, and the Temporal server that knows its runs. */
export const holderOf = ({
  siteId,
  namespace,
  address,
}: {
  readonly siteId: string;
  readonly namespace: string;
  readonly address: string | undefined;
}): string => `${siteId}, ${namespace} at ${address ?? 'the default address'}`;

export interface Composition {
  readonly deps: StepDeps;
  close(): Promise<void>;
}

export function composeSite({ home, env, workflows, holder }: CompositionOptions): Composition {
  const clouds = new Map<string, CloudClient>();
  const ledgers = createLedgerCache();
  const scratchDir = makeScratchDir(home);
  const throttle = createThrottle();
  const stopFollowing = followBandwidth(home, throttle);
  return {
    deps: {
      cloud: (ref) => memo(clouds, JSON.stringify(ref), () => cloudClient(home, env, ref)),
      ledgers: {
        locate: (datasetDir, datasetId) => ledgerPath({ datasetDir, datasetId, stateHome: home.dir }),
        find: (datasetDir, datasetId) => existingLedgerPath({ datasetDir, datasetId, stateHome: home.dir }),
        open: ledgers.open,
        close: ledgers.close,
      },
      isRunning: (workflowId) => isRunning(workflows, workflowId),
      holder,
      throttle,
      network: networkOf(env),
      bootId: bootId(),
      worker: workerName(process.pid),
      isWorkerAlive: (worker) => workerName(Number.parseInt(worker, 10)) === worker,
      previewsDir: join(home.dir, 'previews'),
      alerts: () => alertSettings(home, env),
      scratchDir,
    },
    close: async () => {
      stopFollowing();
      ledgers.closeAll();
      closeIdleCopies();
      await Promise.all([...clouds.values()].map((cloud) => cloud.close()));
      rmSync(scratchDir, { recursive: true, force: true });
    },
  };
}

/** Pids are used again; their starts are not. */
const workerName = (pid: number): string => `${pid} ${processToken(pid) ?? 'gone'}`;

/** Per process. What processes that are gone have left there is nobody's. */
function makeScratchDir(home: Home): string {
  const parent = join(home.dir, 'scratch');
  const dir = join(parent, String(process.pid));
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  for (const pid of readdirSync(parent)) {
    if (pid === String(process.pid) || processToken(Number(pid)) === undefined)
      rmSync(join(parent, pid), { recursive: true, force: true });
  }
  mkdirSync(dir, { mode: 0o700 });
  return dir;
}

/** Credentials are found here, at the worker, by the name that the run carries. */
function cloudClient(home: Home, env: Environment, ref: CloudRef): CloudClient {
  return connectCloud({
    homeDir: home.dir,
    env,
    profile: ref.profile ?? undefined,
    baseUrl: ref.baseUrl,
    organizationId: ref.organizationId ?? undefined,
    repeat: { onOutcome: noteOutcome },
  }).client;
}

async function isRunning(workflows: WorkflowClient, workflowId: string): Promise<boolean> {
  try {
    const { status } = await workflows.getHandle(workflowId).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    // A server that does not answer must not look like a run that has ended.
    if (isGrpcServiceError(error)) return true;
    throw error;
  }
}

function memo<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
