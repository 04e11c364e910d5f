/**
 * Recorded runs replay on today's workflow code. A run of days outlives an update of the program: changed
 * workflow code must be patched or renamed, and this is where it shows. `record.ts` makes new recordings; old
 * ones stay.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker, type WorkflowBundle } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundleWorkflows } from '../../workers/workflow-bundle.ts';

const folder = join(import.meta.dirname, 'histories');
const recordings = readdirSync(folder).filter((name) => name.endsWith('.json'));

interface RecordedHistory {
  events: { eventType: string; activityTaskScheduledEventAttributes?: { activityType: { name: string } } }[];
}
const read = (name: string): RecordedHistory => JSON.parse(readFileSync(join(folder, name), 'utf8'));

describe('recorded histories', () => {
  let workflowBundle: WorkflowBundle;
  beforeAll(async () => {
    workflowBundle = await bundleWorkflows(undefined);
  });

  it('are there', () => {
    expect(recordings.length).toBeGreaterThanOrEqual(4);
  });

  it.each(recordings)('%s replay on today’s workflows', async (name) => {
    await Worker.runReplayHistory({ workflowBundle }, read(name), name);
  });

  it('do not replay where a step is not the recorded one', async () => {
    const history = read(recordings[0]!);
    const first = history.events.find((event) => event.activityTaskScheduledEventAttributes !== undefined);
    first!.activityTaskScheduledEventAttributes!.activityType.name = 'somethingElse';
    await expect(Worker.runReplayHistory({ workflowBundle }, history, 'changed')).rejects.toThrow(
      DeterminismViolationError,
    );
  });
});
