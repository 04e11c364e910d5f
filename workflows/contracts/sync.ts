/** The contract of `syncDataset`. */
import type { DeleteCap } from '../../sync/cap.ts';
import type { GateReason } from '../../sync/gate.ts';
import type { IncludeRules } from '../../sync/include.ts';
import type { ConflictPolicies } from '../../sync/policies.ts';
import type { SyncMode } from '../../sync/types.ts';
import type { CommonResult, RunInput } from './common.ts';
import type { OperationSpec } from './operation.ts';

export const syncOperation = {
  workflow: 'syncDataset',
  noun: 'sync',
  title: 'Sync',
  id: 'sync/{ndiDatasetId}@{site}',
  phases: {
    opening: 'Opening the dataset',
    observing: 'Looking at both sides',
    planning: 'Deciding what to do',
    receiving: 'Receiving documents and files',
    writing: 'Writing into the dataset',
    files: 'Sending files',
    documents: 'Sending documents',
    verifying: 'Checking what the cloud took in',
    approval: 'Waiting for an approval',
    deleting: 'Passing deletions on',
    finishing: 'Finishing',
  },
  counters: { documents: 'documents', files: 'files' },
  summary: 'Brings a dataset folder and its cloud dataset to the same state.',
} as const satisfies OperationSpec;

/** The look before a sync: the same observation and the same plan, and nothing is done. */
export const diffOperation = {
  workflow: 'diffDataset',
  noun: 'comparison',
  title: 'Compare',
  id: 'diff/{ndiDatasetId}@{site}',
  phases: {
    opening: 'Opening the dataset',
    observing: 'Looking at both sides',
    planning: 'Deciding what a sync would do',
    finishing: 'Writing the plan',
  },
  counters: { documents: 'documents', files: 'files' },
  summary: 'Says what a sync would do, and does nothing.',
} as const satisfies OperationSpec;

/** `quick`: ids of the cloud's list; it sees no edits there. `full`: bodies, too. */
export type SyncContent = 'quick' | 'full';

/** `as-is`: a hybrid dataset stays hybrid. */
export type SyncFiles = 'as-is' | 'all' | 'none';

export interface SyncInput extends RunInput {
  readonly datasetDir: string;
  readonly ndiDatasetId: string;
  readonly mode: SyncMode;
  readonly content: SyncContent;
  readonly files: SyncFiles;
  readonly conflicts: ConflictPolicies;
  /** Whether `two-way` passes deletions on. */
  readonly deletes: boolean;
  readonly maxDelete: DeleteCap;
  readonly rules: IncludeRules;
  /** Plans, writes the plan into a file, and does nothing else: true for `diffDataset` alone. */
  readonly dryRun: boolean;
  /** Where the plan is written on the site; null: in the site's state folder. */
  readonly planFile: string | null;
  /** A plan file on the site that is to be carried out as it is. */
  readonly planPath: string | null;
  /** `decided`: only the conflicts of the inbox that a person has decided. */
  readonly only: 'all' | 'decided';
}

/** What became of the items of one kind. */
export interface SyncCounts {
  readonly uploaded: number;
  readonly downloaded: number;
  readonly updatedLocal: number;
  readonly updatedCloud: number;
  readonly deletedLocal: number;
  readonly deletedCloud: number;
  readonly unchanged: number;
  readonly conflicts: number;
  readonly failed: number;
}

/** Differences that the run saw and left: deletions that are not passed on, what the mode does not move. */
export interface SyncListed {
  readonly deletedHere: number;
  readonly deletedThere: number;
  readonly other: number;
}

export interface SyncResult extends Omit<CommonResult, 'status'> {
  readonly operation: 'sync';
  readonly status: CommonResult['status'] | 'planned';
  readonly mode: SyncMode;
  readonly content: SyncContent;
  readonly documents: SyncCounts;
  readonly files: SyncCounts;
  readonly listed: SyncListed;
  /** Why the base of an earlier sync says nothing of these two sides; null when it does. */
  readonly baseLost: string | null;
  /** What was not done because nobody approved it. */
  readonly notApproved: number;
  readonly planPath: string;
}

/** What a sync would do; nothing was done. */
export interface DiffResult extends Omit<SyncResult, 'operation'> {
  readonly operation: 'diff';
}

/** What a plan holds back until a person approves it. */
export interface ApprovalRequest {
  readonly reasons: readonly GateReason[];
  /** Documents that would be deleted on this side. */
  readonly deletesLocal: number;
  readonly deletesCloud: number;
  /** Documents whose content would be replaced. */
  readonly updates: number;
}
