/** The vocabulary of fault switches: kinds, switches, and what a route gets to see of a switch that fired. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

export type FaultOrigin = 'api' | 'objects' | 'worker';

export const KINDS = {
  latency: 'wire',
  'reset-before': 'wire',
  'reset-during': 'wire',
  'reset-after': 'wire',
  '504-after-work': 'wire',
  '429': 'wire',
  '5xx': 'wire',
  '423': 'wire',
  'expired-token': 'wire',
  'slow-body': 'wire',
  'stalled-body': 'wire',
  'truncated-get': 'wire',
  'corrupt-get': 'wire',
  'corrupt-put': 'handler',
  'expired-url': 'handler',
  archived: 'handler',
  'replica-lag': 'handler',
  'unstable-order': 'handler',
  'duplicate-insert': 'handler',
  'decrypt-failed': 'handler',
  'import-delay': 'worker',
  'import-lost': 'worker',
  'uploaded-before-readable': 'worker',
} as const;

export type FaultKind = keyof typeof KINDS;

export interface FaultSpec {
  readonly id?: string;
  /** Known from the route where it is left out. */
  readonly origin?: FaultOrigin;
  /**
   * `PUT object`, `POST /organizations/:org/datasets`, `IMPORT documents`, `*`, or `/regexp/` over `METHOD
   * /path`.
   */
  readonly route: string;
  readonly kind: FaultKind;
  /** How often it fires; without end where left out. */
  readonly count?: number;
  /** How many matching requests pass first. */
  readonly skip?: number;
  /** Chance of each firing, 0..1. */
  readonly probability?: number;
  /** See docs/sandbox.md for what each kind reads; `key` (a regexp) narrows an object route to some keys. */
  readonly params?: Readonly<Record<string, unknown>>;
}

export interface FaultState extends FaultSpec {
  readonly id: string;
  readonly origin: FaultOrigin;
  seen: number;
  fired: number;
}

/** A switch that fired for one request or one piece of work. */
export interface FaultHit {
  readonly id: string;
  readonly kind: FaultKind;
  readonly params: Readonly<Record<string, unknown>>;
}

export const param = (hit: FaultHit | undefined, name: string, fallback: number): number => {
  const value = hit?.params[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : fallback;
};

export const findHit = (hits: readonly FaultHit[], kind: FaultKind): FaultHit | undefined =>
  hits.find((hit) => hit.kind === kind);

export interface Interception {
  readonly origin: 'api' | 'objects';
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly hits: readonly FaultHit[];
  readonly listener: RequestListener;
}

/** By how much asynchronous work is held back, in ms. */
export const delayOf = (hits: readonly FaultHit[]): number => {
  const hit = findHit(hits, 'import-delay');
  return hit === undefined ? 0 : param(hit, 'ms', 5000);
};
