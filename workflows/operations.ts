/**
 * Every run type, once. Workflow types, ids, titles, phases, counters, results, filters of lists, Temporal's
 * pages, progress views and docs follow from this table. A new run type is its contract, its workflow, its
 * activities, and one line here.
 */
import { downloadOperation } from './contracts/download.ts';
import { filesOperation } from './contracts/files.ts';
import { nightOperation } from './contracts/night.ts';
import { makeWorkflowId, type OperationSpec, parseWorkflowId } from './contracts/operation.ts';
import { previewOperation } from './contracts/preview.ts';
import { diffOperation, syncOperation } from './contracts/sync.ts';
import { uploadOperation } from './contracts/upload.ts';

export const OPERATIONS = {
  upload: uploadOperation,
  download: downloadOperation,
  files: filesOperation,
  sync: syncOperation,
  diff: diffOperation,
  night: nightOperation,
  preview: previewOperation,
} as const satisfies Record<string, OperationSpec>;

export type Operation = keyof typeof OPERATIONS;

export const operationNames = Object.keys(OPERATIONS) as Operation[];

/** The phases of one run type, without those in which every run ends. */
export type PhaseOf<O extends Operation> = keyof (typeof OPERATIONS)[O]['phases'] & string;

/** The declaration by name; undefined for a run type that only another version of the program knows. */
export const operationSpec = (name: string): OperationSpec | undefined =>
  Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name as Operation] : undefined;

type FieldsIn<Id extends string> = Id extends `${string}{${infer Field}}${infer Rest}`
  ? Field | FieldsIn<Rest>
  : never;

/** The workflow id of a run: the same fields give the same id, which is how a run is started at most once. */
export const workflowIdOf = <O extends Operation>(
  operation: O,
  fields: Readonly<Record<FieldsIn<(typeof OPERATIONS)[O]['id']>, string>>,
): string => makeWorkflowId(OPERATIONS[operation], fields);

/** Which run type an id belongs to, and its fields; undefined for an id of no known run type. */
export function parseRunId(
  workflowId: string,
): { readonly operation: Operation; readonly fields: Readonly<Record<string, string>> } | undefined {
  for (const operation of operationNames) {
    const fields = parseWorkflowId(OPERATIONS[operation], workflowId);
    if (fields !== undefined) return { operation, fields };
  }
  return undefined;
}

const END_PHASES: Readonly<Record<string, string>> = {
  done: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

/** The sentence that a person reads for a phase. An unknown phase shows as itself. */
export const phaseText = (operation: string, phase: string): string =>
  END_PHASES[phase] ?? operationSpec(operation)?.phases[phase] ?? phase;
