/**
 * The arguments that the supervisor hands to a worker process, and `worker-main.ts` to `runWorker` in
 * `worker.ts`.
 */
import type { ActivityInterceptorsFactory, NativeConnectionOptions } from '@temporalio/worker';
import type { Environment } from '../ndi/auth/environment.ts';
import type { Home } from './home.ts';
import type { Log } from './logs.ts';

/** `control`: workflows and activities without a disk; `site`: everything that touches this host's disk. */
export const WORKER_ROLES = ['control', 'site'] as const;
export type WorkerRole = (typeof WORKER_ROLES)[number];

export interface RunWorkerOptions {
  /** For `NativeConnection.connect`; holds `address`, and TLS or an API key for a server elsewhere. */
  readonly connectionOptions: NativeConnectionOptions;
  readonly namespace: string;
  readonly roles: readonly WorkerRole[];
  readonly siteId: string;
  /** Where workflows are taken from; default `courier`. Tests that share a server have one each. */
  readonly controlQueue?: string;
  readonly home: Home;
  /** The key of a private service (payload-key.ts): nothing is executed that comes without it. */
  readonly payloadKey?: string | undefined;
  readonly env: Environment;
  readonly log: Log;
  /** Stop: take no new work, give running activities `graceMs`, then resolve. */
  readonly signal: AbortSignal;
  readonly graceMs: number;
  /** Around every step. For tests that end the process at a step's very boundary. */
  readonly activityInterceptors?: readonly ActivityInterceptorsFactory[];
  /** To be called once all queues are polled. */
  onReady(): void;
}

/** The one argument of `worker-main.ts`, as JSON. No secret: other users see arguments. */
export interface WorkerArguments {
  readonly homeDir: string;
  readonly roles: readonly WorkerRole[];
  /** Null: the server that the environment or Temporal's TOML file names, with its credentials. */
  readonly embedded: { readonly address: string; readonly namespace: string } | null;
  readonly graceMs: number;
}

/** From a worker or supervisor process to the one that started it. */
export type ChildMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly code: string; readonly detail: string };
