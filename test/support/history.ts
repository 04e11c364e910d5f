/** What a run did, read from its recorded history. */
import type { WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';

export interface StepCall {
  readonly step: string;
  /** Among the calls of this step, from 1, in the order in which the run asked for them. */
  readonly call: number;
  readonly args: readonly unknown[];
}

export async function stepCalls(handle: WorkflowHandle): Promise<StepCall[]> {
  const { events } = await handle.fetchHistory();
  const counts = new Map<string, number>();
  return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => {
    const step = scheduled?.activityType?.name;
    if (step == null) return [];
    const call = (counts.get(step) ?? 0) + 1;
    counts.set(step, call);
    const args = (scheduled?.input?.payloads ?? []).map((one) => defaultPayloadConverter.fromPayload(one));
    return [{ step, call, args }];
  });
}
