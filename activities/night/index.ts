/** The activity of `nightlySync`: how the night went is kept, and the alert that is due is sent. */
import { DATASET_FACTS } from '../../ledger/fact-keys.ts';
import type { NightInput, NightOutcome } from '../../workflows/contracts/index.ts';
import type { NightSteps } from '../../workflows/steps.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { asActivity } from '../step.ts';
import { readAlertSettings, sendAlert } from './alert.ts';
import { nextRecord } from './record.ts';

export const createNightActivities = (deps: StepDeps): NightSteps => ({
  recordNight: asActivity((context, input, night) => recordNight(deps, context, input, night)),
});

async function recordNight(
  deps: StepDeps,
  { signal }: StepContext,
  input: NightInput,
  night: NightOutcome,
): Promise<void> {
  const { datasetDir, ndiDatasetId } = input.sync;
  const ledger = deps.ledgers.open(deps.ledgers.locate(datasetDir, ndiDatasetId));
  const before = ledger.facts.get(DATASET_FACTS.nights);
  const settings = readAlertSettings(deps.alerts);
  const { record, alert } = nextRecord(before, night, settings, new Date().toISOString());
  if (alert !== undefined)
    await sendAlert(settings, { alert, record, night, datasetDir, site: input.site }, signal);
  // Kept when the alert is out: an attempt that dies before sends it again rather than never.
  ledger.facts.set(DATASET_FACTS.nights, record);
  ledger.run(night.syncWorkflowId).audit('night', { status: night.status, badInARow: record.badInARow });
}
