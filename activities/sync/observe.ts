/**
 * Looking at both sides. What is seen goes into the ledger, and nothing else is written: the plan is a
 * function of it. Done again after a crash, the looking starts anew.
 */
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import { databaseStamp } from '../../ndi/dataset/stamp.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { listAllDocuments } from '../shared/absence.ts';
import { listFiles, listingOf } from '../shared/listing.ts';
import { openHere } from '../shared/open-here.ts';
import { untilQuiet } from '../shared/poll.ts';
import { isAsSeenBefore } from './as-seen-before.ts';
import { observeCloudDocuments, observeCloudFiles } from './observe-cloud.ts';
import { CLOUD, observeLocal } from './observe-local.ts';

export async function observeSync(scope: RunScope, input: SyncInput): Promise<void> {
  const { ledger } = scope;
  if (ledger.plan.state() === 'sealed') return;
  // A dry run changes nothing: it looks past a lost base.
  if (ledger.facts.get(RUN_FACTS.baseLost) !== undefined && !input.dryRun) ledger.dataset.base.forgetAll();
  await awaitJobs(scope);
  const listing = listingOf(scope, CLOUD);
  await listAllDocuments(scope, listing);
  await listFiles(scope, listing);
  await observeFolder(scope, input);
  ledger.sync.forgetOthers();
  await observeCloudDocuments(scope, input);
  if (input.files !== 'none') await observeCloudFiles(scope);
}

/** What an earlier sync saw of a folder that nobody has touched since is what this one would see. */
async function observeFolder(scope: RunScope, input: SyncInput): Promise<void> {
  const { ledger, deps } = scope;
  const stamp = databaseStamp(input.datasetDir);
  if (!isAsSeenBefore(scope, input, stamp)) {
    const reader = openHere(deps, input);
    try {
      await observeLocal(scope, input, reader);
    } finally {
      reader.close();
    }
  }
  ledger.facts.set(RUN_FACTS.observedStamp, stamp);
}

/**
 * Waits for jobs that still unpack files into the cloud dataset, each by its own id: what they bring is not
 * listed yet (peers §3.1, rule 11).
 */
async function awaitJobs(scope: RunScope): Promise<void> {
  const { cloud, ref, signal } = scope;
  await untilQuiet(scope, {
    name: 'jobs of the cloud',
    look: async () => {
      const jobs = await cloud.bulkUploads.list(ref.cloudDatasetId, 'active', signal);
      if (jobs.length > 0) {
        const what = `waiting for ${jobs.length} uploads that the cloud still unpacks`;
        scope.heartbeat({ unit: null, what, bytes: 0, ofBytes: 0 });
      }
      return jobs.map(({ jobId, filesExtracted }) => `${jobId} ${filesExtracted}`).sort();
    },
    marker: (jobs) => jobs.join(','),
    isDone: (jobs) => jobs.length === 0,
    quietMs: scope.tuning.importQuietMs,
  });
}
