/**
 * The Temporal server's record of a run, in our words: status, search attributes, pending steps with their
 * heartbeats and failures. Reads only; needs no worker.
 */
import type {
  Client,
  WorkflowExecutionDescription,
  WorkflowExecutionInfo,
  WorkflowExecutionStatusName,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import { assertNever, ERRORS, type ErrorCode, WAITS } from '../errors/index.ts';
import { isCloudId } from '../ndi/ids.ts';
import type { FailureInfo, HeartbeatInfo } from '../workflows/contracts/index.ts';
import { parseRunId } from '../workflows/operations.ts';
import { isUnreadable } from './lenient-list.ts';
import type { ExecutionStatus, PendingStep, RunRecord } from './progress.ts';

type PendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];
type DataConverter = Client['options']['loadedDataConverter'];

export function statusOf(name: WorkflowExecutionStatusName): ExecutionStatus {
  switch (name) {
    case 'COMPLETED':
      return 'done';
    case 'FAILED':
      return 'failed';
    case 'CANCELLED':
      return 'cancelled';
    case 'TERMINATED':
      return 'terminated';
    case 'TIMED_OUT':
      return 'timed-out';
    case 'RUNNING':
    case 'PAUSED':
    // Between two executions of one run.
    case 'CONTINUED_AS_NEW':
    case 'UNSPECIFIED':
    case 'UNKNOWN':
      return 'running';
    default:
      return assertNever(name);
  }
}

/** A run as lists show it. */
export interface RunSummary {
  readonly workflowId: string;
  readonly runId: string;
  readonly operation: string;
  readonly status: ExecutionStatus;
  readonly phase: string | null;
  /** `nothing` while it works. */
  readonly waitingFor: string | null;
  readonly site: string | null;
  readonly profile: string | null;
  /** The cloud's id of the dataset; null while the run does not know it. */
  readonly datasetId: string | null;
  /** The dataset's own NDI id; null while the run does not know it. */
  readonly ndiDatasetId: string | null;
  /** The name that the starter gave it; null where no key to read it is at hand. */
  readonly reference: string | null;
  /** The name of the cloud dataset; null where it was not known at the start. */
  readonly cloudName: string | null;
  readonly directory: string | null;
  /** Somebody without our key started it, or its key is not at hand: its names cannot be shown. */
  readonly unreadable: boolean;
  readonly startedAt: string;
  readonly closedAt: string | null;
}

export function summaryOf(
  info: Pick<
    WorkflowExecutionInfo,
    'workflowId' | 'runId' | 'type' | 'status' | 'startTime' | 'closeTime' | 'memo' | 'typedSearchAttributes'
  >,
): RunSummary {
  const attributes = keywords(info.typedSearchAttributes);
  const status = statusOf(info.status.name);
  return {
    workflowId: info.workflowId,
    runId: info.runId,
    operation: attributes.NdiOperation ?? info.type,
    status,
    phase: attributes.NdiPhase ?? null,
    waitingFor: status === 'running' ? waitingOf(attributes.NdiWaitingFor) : null,
    site: attributes.NdiSite ?? null,
    profile: attributes.NdiProfile ?? null,
    ...datasetIds(info.workflowId, attributes),
    reference: textOf(info.memo?.reference),
    cloudName: textOf(info.memo?.cloudName),
    directory: textOf(info.memo?.directory),
    unreadable: isUnreadable(info.memo),
    startedAt: info.startTime.toISOString(),
    closedAt: info.closeTime?.toISOString() ?? null,
  };
}

function datasetIds(
  workflowId: string,
  { NdiDataset: ndi, NdiCloudDataset: cloud }: Readonly<Record<string, string | undefined>>,
): Pick<RunSummary, 'datasetId' | 'ndiDatasetId'> {
  const fields = parseRunId(workflowId)?.fields ?? {};
  // Release 0.1 kept the cloud id in `NdiDataset`, too.
  const isCloud = ndi !== undefined && isCloudId(ndi);
  return {
    datasetId: cloud ?? fields.cloudDatasetId ?? (isCloud ? ndi : undefined) ?? null,
    ndiDatasetId: (isCloud ? undefined : ndi) ?? fields.ndiDatasetId ?? null,
  };
}

/** The attribute of a run that waits for nothing says so: an empty one could not be searched for. */
const waitingOf = (attribute: string | undefined): string | null =>
  attribute === undefined || attribute === 'nothing' ? null : attribute;

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

function keywords(attributes: WorkflowExecutionInfo['typedSearchAttributes']): Record<string, string> {
  const values: Record<string, string> = {};
  for (const { key, value } of attributes.getAll()) {
    if (key.name.startsWith('Ndi')) values[key.name] = String(value);
  }
  return values;
}

/**
 * Asks the server for a run's record: of this execution, or of the newest one when it went on as another.
 * Passes on `WorkflowNotFoundError`.
 */
export async function readRecord(client: Client, workflowId: string, runId?: string): Promise<RunRecord> {
  const info = await client.workflow.getHandle(workflowId, runId).describe();
  if (runId !== undefined && info.status.name === 'CONTINUED_AS_NEW') return readRecord(client, workflowId);
  const summary = summaryOf(info);
  const pending = await Promise.all(
    (info.raw.pendingActivities ?? []).map((activity) =>
      pendingStep(client.options.loadedDataConverter, activity),
    ),
  );
  return { ...summary, queue: info.taskQueue, pending };
}

/** Whether a run goes on; cheaper than its record. */
export async function readStatus(
  client: Client,
  workflowId: string,
  runId: string,
): Promise<ExecutionStatus> {
  const { status } = await client.workflow.getHandle(workflowId, runId).describe();
  if (status.name !== 'CONTINUED_AS_NEW') return statusOf(status.name);
  return statusOf((await client.workflow.getHandle(workflowId).describe()).status.name);
}

async function pendingStep(converter: DataConverter, activity: PendingActivity): Promise<PendingStep> {
  const state = activity.state;
  return {
    activityType: activity.activityType?.name ?? '',
    // temporal.api.enums.v1.PendingActivityState
    state: state === 1 ? 'scheduled' : state === 2 ? 'started' : 'other',
    attempt: Math.max(1, activity.attempt ?? 1),
    heartbeat: await heartbeatOf(converter, activity),
    lastFailure: await failureOf(converter, activity),
    nextTryAt: state === 1 && activity.lastFailure ? isoOf(activity.scheduledTime) : null,
  };
}

async function heartbeatOf(
  converter: DataConverter,
  activity: PendingActivity,
): Promise<HeartbeatInfo | null> {
  try {
    const [details] = await decodeArrayFromPayloads(converter, activity.heartbeatDetails?.payloads);
    return isHeartbeat(details) ? details : null;
  } catch {
    // Encrypted for a key that this computer does not have: the rest of the record is still worth showing.
    return null;
  }
}

function isHeartbeat(value: unknown): value is HeartbeatInfo {
  return typeof value === 'object' && value !== null && 'what' in value && 'bytes' in value;
}

async function failureOf(converter: DataConverter, activity: PendingActivity): Promise<FailureInfo | null> {
  if (!activity.lastFailure) return null;
  try {
    const error = await decodeOptionalFailureToOptionalError(converter, activity.lastFailure);
    return failureInfoOf(error) ?? workerGone(error);
  } catch {
    return null;
  }
}

/** A step that ended without an error of ours: its worker died, or the server lost sight of it. */
function workerGone(error: Error | undefined): FailureInfo {
  return {
    ...WAITS.attempt,
    class: 'retryable',
    sentence: `${WAITS.attempt.sentence} (${error?.message ?? 'no reason given'})`,
  };
}

/** The failure of a step or run as our code said it: the first of ours in the chain of causes. */
export function failureInfoOf(error: unknown): FailureInfo | undefined {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 10; cause = cause.cause, depth += 1) {
    if (!(cause instanceof ApplicationFailure)) continue;
    const info = cause.details?.[0];
    if (typeof info === 'object' && info !== null && 'code' in info && 'sentence' in info) {
      return info as FailureInfo;
    }
    if (typeof cause.type === 'string' && Object.hasOwn(ERRORS, cause.type)) {
      const entry = ERRORS[cause.type as ErrorCode];
      return { code: cause.type, class: entry.class, sentence: cause.message, nextStep: entry.nextStep };
    }
  }
  return undefined;
}

function isoOf(time: { seconds?: unknown; nanos?: number | null } | null | undefined): string | null {
  if (time?.seconds === undefined || time.seconds === null) return null;
  return new Date(Number(time.seconds) * 1_000 + (time.nanos ?? 0) / 1e6).toISOString();
}
