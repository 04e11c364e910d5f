/**
 * Starting a run: the id is the lock, so a run that is already going on is attached to, and an ended one
 * starts anew.
 */
import {
  type Client,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { defineSearchAttributeKey, type SearchAttributePair, SearchAttributeType } from '@temporalio/common';
import { realPath } from '../disk/real-path.ts';
import { CourierError } from '../errors/index.ts';
import {
  CONTROL_QUEUE,
  type ResultOf,
  type RunInput,
  type SEARCH_ATTRIBUTES,
} from '../workflows/contracts/index.ts';
import { OPERATIONS, type Operation } from '../workflows/operations.ts';
import { createRunHandle, type RunHandle } from './run-handle.ts';
import type { TemporalConnection } from './temporal.ts';

export interface StartRun {
  readonly operation: Operation;
  readonly workflowId: string;
  readonly input: RunInput;
  /** One line, for lists; at most 400 bytes. */
  readonly summary: string;
  readonly details: string;
  /** Null where only the run will learn it. */
  readonly ndiDatasetId: string | null;
  readonly cloudDatasetId: string | null;
  /**
   * The name that people give it. Kept where the codec reaches, like the folder: ids and attributes are never
   * encrypted.
   */
  readonly reference: string;
  /** The name of the cloud dataset; null while it is not known. */
  readonly cloudName: string | null;
  readonly directory: string;
}

/** Temporal cuts nothing: a longer summary is an error (400 bytes). */
const MAX_SUMMARY_BYTES = 390;

/** The result is that of the operation: its workflow gives no other. */
export async function startRun<O extends Operation>(
  connection: TemporalConnection,
  run: StartRun & { readonly operation: O },
  log: (line: string) => void,
): Promise<RunHandle<ResultOf<O>>> {
  const { client } = connection;
  const goesOn = await whatGoesOn(client, run.workflowId);
  if (goesOn !== undefined) {
    refuseOtherCopy(run, goesOn.directory);
    log(
      `This ${OPERATIONS[run.operation].noun} is going on since ${goesOn.since}; options given now are not used.`,
    );
  }
  const handle = await client.workflow.start(OPERATIONS[run.operation].workflow, {
    args: [run.input],
    taskQueue: CONTROL_QUEUE,
    workflowId: run.workflowId,
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    staticSummary: cut(run.summary, MAX_SUMMARY_BYTES),
    staticDetails: run.details,
    typedSearchAttributes: searchAttributes(run),
    memo: { reference: run.reference, directory: run.directory, cloudName: run.cloudName },
  });
  return createRunHandle({
    client,
    handle,
    workflowId: run.workflowId,
    runId: handle.firstExecutionRunId,
  }) as RunHandle<ResultOf<O>>;
}

/** Only to tell: whether one goes on is decided by the start itself. */
async function whatGoesOn(
  client: Client,
  workflowId: string,
): Promise<{ readonly since: string; readonly directory: unknown } | undefined> {
  try {
    const { status, startTime, memo } = await client.workflow.getHandle(workflowId).describe();
    if (status.name !== 'RUNNING') return undefined;
    return { since: startTime.toISOString(), directory: memo?.directory };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Copies of a dataset share its id: following the run of one would say "done" of the other. */
function refuseOtherCopy(run: StartRun, directory: unknown): void {
  if (typeof directory !== 'string' || realPath(directory) === realPath(run.directory)) return;
  throw new CourierError('NDI_E_OTHER_COPY', {
    detail: `Run ${run.workflowId} works on ${directory}, not on ${run.directory}.`,
  });
}

function searchAttributes(run: StartRun): SearchAttributePair[] {
  const { profile } = run.input.cloud;
  return [
    keyword('NdiOperation', run.operation),
    ...(run.ndiDatasetId === null ? [] : [keyword('NdiDataset', run.ndiDatasetId)]),
    ...(run.cloudDatasetId === null ? [] : [keyword('NdiCloudDataset', run.cloudDatasetId)]),
    keyword('NdiSite', run.input.site),
    keyword('NdiPhase', 'opening'),
    keyword('NdiWaitingFor', 'nothing'),
    // A profile named like a mail address is personal, and attributes are never encrypted.
    ...(profile === null || profile.includes('@') ? [] : [keyword('NdiProfile', profile)]),
  ];
}

const keyword = (name: keyof typeof SEARCH_ATTRIBUTES, value: string): SearchAttributePair => ({
  key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
  value,
});

function cut(text: string, maxBytes: number): string {
  let kept = text.replace(/\s+/g, ' ');
  while (Buffer.byteLength(kept) > maxBytes) kept = kept.slice(0, -1);
  return kept;
}
