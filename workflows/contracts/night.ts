/** The contract of `nightlySync`. */
import type { CommonResult, Counts, RunInput } from './common.ts';
import type { OperationSpec } from './operation.ts';
import type { SyncInput } from './sync.ts';

export const nightOperation = {
  workflow: 'nightlySync',
  noun: 'scheduled sync',
  title: 'Night of',
  // A schedule adds the time of the night to the id.
  id: 'night/{ndiDatasetId}@{site}',
  phases: {
    blackout: 'Waiting for the end of the blackout hours',
    syncing: 'Syncing',
    recording: 'Recording the night',
  },
  counters: { documents: 'documents', files: 'files' },
  summary: 'Runs a sync on a schedule, and tells somebody when the nights go wrong.',
} as const satisfies OperationSpec;

/** Hours of the day in which no night begins, in the time zone of the schedule: `{ from: 8, to: 18 }`. */
export interface Blackout {
  readonly fromMinute: number;
  readonly toMinute: number;
}

export interface NightInput extends RunInput {
  readonly sync: SyncInput;
  readonly timezone: string;
  readonly blackout: Blackout | null;
  /** The day of the week on which the sync reads all of the cloud's documents: `Sun`; null: as `sync` says. */
  readonly fullOn: string | null;
  /** A sync that has not ended by then is recorded as waiting; it goes on. */
  readonly patienceMs: number;
}

/** How a night went. `waiting`: the sync stands still, for a person or a login, or takes too long. */
export type NightStatus = 'done' | 'done-with-leftovers' | 'waiting' | 'failed';

export interface NightOutcome {
  readonly status: NightStatus;
  readonly syncWorkflowId: string;
  /** One sentence: what it failed of, or waits for. Empty for a good night. */
  readonly sentence: string;
  readonly nextStep: string;
  readonly reportPath: string;
  readonly conflicts: number;
  readonly problemCount: number;
}

/** What the site keeps of the nights of a dataset. */
export interface NightRecord {
  readonly lastAt: string;
  readonly lastStatus: NightStatus;
  readonly sentence: string;
  readonly syncWorkflowId: string;
  /** Failed or waiting nights since the last good one. */
  readonly badInARow: number;
  /** Somebody was told of them. */
  readonly alerted: boolean;
}

export interface NightResult extends CommonResult {
  readonly operation: 'night';
  readonly documents: Counts;
  readonly files: Counts;
  readonly night: NightOutcome;
}
