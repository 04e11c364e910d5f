/** How the nights of a dataset add up, and when somebody is told. */
import type { NightOutcome, NightRecord } from '../../workflows/contracts/index.ts';

export type Alert = 'bad-nights' | 'well-again';

/**
 * Leftovers (conflicts, single items) are no bad night: they wait in their inbox. A quiet success is
 * recorded.
 */
export function nextRecord(
  before: NightRecord | undefined,
  night: NightOutcome,
  { after }: { readonly after: number },
  at: string,
): { readonly record: NightRecord; readonly alert: Alert | undefined } {
  const isBad = night.status === 'failed' || night.status === 'waiting';
  const badInARow = isBad ? (before?.badInARow ?? 0) + 1 : 0;
  const wasAlerted = before?.alerted ?? false;
  const alert = isBad && badInARow >= after && !wasAlerted ? 'bad-nights' : undefined;
  const record: NightRecord = {
    lastAt: at,
    lastStatus: night.status,
    sentence: night.sentence,
    syncWorkflowId: night.syncWorkflowId,
    badInARow,
    alerted: isBad && (wasAlerted || alert !== undefined),
  };
  return { record, alert: alert ?? (!isBad && wasAlerted ? 'well-again' : undefined) };
}
