/**
 * `nightlySync`: what a schedule starts. Runs a sync, records how the night went, and tells somebody when
 * nights go wrong.
 *
 * Promises: a night that meets a sync at work waits for it, and then syncs itself. A sync that only waits for
 * an approval makes room. A night ends before the next one begins: a sync that still waits then goes on alone,
 * and the night counts as waiting. After so many bad nights one alert is sent, and one when it is well again.
 *
 * Input: `NightInput`. Query: progress. Signals: pause, resume, login.
 * Id: `night/<ndiDatasetId>@<site>` and the time of the night, which Temporal adds.
 */

import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  type ChildWorkflowHandle,
  getExternalWorkflowHandle,
  ParentClosePolicy,
  sleep,
  startChild,
} from '@temporalio/workflow';
import { WAITS } from '../errors/index.ts';
import { supersededSignal } from './contracts/common.ts';
import type { NightInput, NightOutcome, NightResult } from './contracts/night.ts';
import type { SyncInput, SyncResult } from './contracts/sync.ts';
import { workflowIdOf } from './operations.ts';
import { failureInfo } from './run/park.ts';
import { startRun } from './run/run.ts';
import type { syncDataset } from './sync-dataset.ts';

/** Between two looks whether a sync that was met has ended. */
const LOOK_EVERY_MS = 30_000;

export async function nightlySync(input: NightInput): Promise<NightResult> {
  const run = startRun('night', input);
  const { sync } = input;
  run.change({ ndiDatasetId: sync.ndiDatasetId });
  const pauseMs = blackoutMs(input, Date.now());
  if (pauseMs > 0) {
    run.phase('blackout');
    await sleep(pauseMs);
  }
  run.phase('syncing');
  const night = await syncOnce(input, Date.now() + input.patienceMs);
  run.phase('recording');
  await run.step('Record the night', (site) => site.recordNight(input, night));
  run.phase('done');
  return resultOf(input, night, run.progress().retries);
}

async function syncOnce(input: NightInput, untilMs: number): Promise<NightOutcome> {
  const { ndiDatasetId, site } = input.sync;
  const workflowId = workflowIdOf('sync', { ndiDatasetId, site });
  await makeRoom(workflowId);
  const child = await startOrWait(workflowId, tonight(input), untilMs);
  if (child === undefined) return waitingNight(workflowId);
  const end = child.result().then(
    (result) => goodNight(workflowId, result),
    (error: unknown) => badNight(workflowId, error),
  );
  const late = sleep(Math.max(0, untilMs - Date.now())).then(() => waitingNight(workflowId));
  return Promise.race([end, late]);
}

/** A sync that only waits for an approval ends; any other goes on, and so does none. */
async function makeRoom(workflowId: string): Promise<void> {
  try {
    await getExternalWorkflowHandle(workflowId).signal(supersededSignal);
  } catch {
    // There is none.
  }
}

/** Undefined when another sync is still at work when the patience ends. */
async function startOrWait(
  workflowId: string,
  input: SyncInput,
  untilMs: number,
): Promise<ChildWorkflowHandle<typeof syncDataset> | undefined> {
  for (let waitMs = 1_000; ; waitMs = Math.min(waitMs * 2, LOOK_EVERY_MS)) {
    try {
      return await startChild<typeof syncDataset>('syncDataset', {
        workflowId,
        args: [input],
        // A sync that outlasts the night goes on.
        parentClosePolicy: ParentClosePolicy.ABANDON,
        staticSummary: `Scheduled sync of ${input.datasetDir.slice(-200)}`,
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    if (Date.now() + waitMs > untilMs) return undefined;
    await sleep(waitMs);
  }
}

const clock = (timezone: string, atMs: number): { readonly day: string; readonly minute: number } => {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(atMs);
  const of = (type: string): string => parts.find((part) => part.type === type)?.value ?? '';
  return { day: of('weekday'), minute: Number(of('hour')) * 60 + Number(of('minute')) };
};

/** Once a week the sync reads all that the cloud has. */
function tonight({ sync, timezone, fullOn }: NightInput): SyncInput {
  if (fullOn === null || clock(timezone, Date.now()).day !== fullOn) return sync;
  return { ...sync, content: 'full' };
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;

/** How long it is until the blackout hours end; 0 outside of them. */
export function blackoutMs(
  { blackout, timezone }: Pick<NightInput, 'blackout' | 'timezone'>,
  nowMs: number,
): number {
  if (blackout === null) return 0;
  const { minute } = clock(timezone, nowMs);
  const { fromMinute, toMinute } = blackout;
  const length = (toMinute - fromMinute + DAY_MINUTES) % DAY_MINUTES;
  const since = (minute - fromMinute + DAY_MINUTES) % DAY_MINUTES;
  return since < length ? (length - since) * MINUTE_MS : 0;
}

const NOTHING = { sentence: '', nextStep: '', reportPath: '', conflicts: 0, problemCount: 0 };

function goodNight(syncWorkflowId: string, result: SyncResult): NightOutcome {
  const { status, reportPath, problemCount, documents, files } = result;
  const conflicts = documents.conflicts + files.conflicts;
  return {
    ...NOTHING,
    status: status === 'done' ? 'done' : 'done-with-leftovers',
    syncWorkflowId,
    reportPath,
    conflicts,
    problemCount,
  };
}

function badNight(syncWorkflowId: string, error: unknown): NightOutcome {
  const info = failureInfo((error as { cause?: unknown }).cause) ?? failureInfo(error);
  const sentence = info?.sentence ?? (error instanceof Error ? error.message : 'The sync failed.');
  const nextStep = info?.nextStep ?? 'See it with `ndi-courier runs show`.';
  return { ...NOTHING, status: 'failed', syncWorkflowId, sentence, nextStep };
}

const waitingNight = (syncWorkflowId: string): NightOutcome => ({
  ...NOTHING,
  status: 'waiting',
  syncWorkflowId,
  sentence: 'The sync had not ended when the night did.',
  nextStep: WAITS.person.nextStep,
});

function resultOf({ sync }: NightInput, night: NightOutcome, retries: number): NightResult {
  const none = { total: 0, transferred: 0, skipped: 0, failed: 0 };
  return {
    operation: 'night',
    status: night.status === 'done' ? 'done' : 'done-with-leftovers',
    datasetId: '',
    ndiDatasetId: sync.ndiDatasetId,
    directory: sync.datasetDir,
    documents: none,
    files: none,
    bytes: 0,
    retries,
    problemCount: night.problemCount,
    problems: [],
    reportPath: night.reportPath,
    night,
  };
}
