/**
 * The plan of an upload: compares the dataset with the cloud's own lists, and with what the base knows of
 * both sides, and writes items, units and differences into the ledger. Holds the ids of new documents and
 * their dependencies in memory, never bodies.
 */
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { PlanSummary } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { listAllDocuments } from '../shared/absence.ts';
import { isNameless, type Listing, listDocuments, listFiles, listingOf } from '../shared/listing.ts';
import { createPacer, untilQuiet } from '../shared/poll.ts';
import { planSummary } from '../shared/report.ts';
import { createItemWriter } from '../shared/units.ts';
import { BEFORE } from './listings.ts';
import { onlyThere } from './only-there.ts';
import { openSource } from './open.ts';
import { createNewDocuments, planDocument, readDocument, readUnproven } from './plan-documents.ts';
import { createFilePlanner } from './plan-files.ts';
import { noteSentAgain } from './resend.ts';
import { collectLinks, isLinkTo, leaveHere, linksAmong } from './second-links.ts';
import { createUnits } from './units.ts';

export async function planUpload(scope: RunScope, input: UploadInput): Promise<PlanSummary> {
  const { ledger, ref } = scope;
  if (ledger.plan.state() === 'sealed') return planSummary(ledger);
  const { cloudDatasetId } = ref;
  ledger.plan.begin({ operation: 'upload', direction: 'up', cloudDatasetId });
  const { rows } = await listCloud(scope);
  const links = await linksAmong(scope, rows);
  await planAgainstLists(scope, input, links.length > 0);
  return planSummary(ledger);
}

async function listCloud(scope: RunScope): Promise<ReturnType<typeof collectLinks>> {
  const links = collectLinks();
  const listing: Listing = { ...listingOf(scope, BEFORE), onRow: links.onRow };
  await listAllDocuments(scope, listing);
  await awaitEarlierRuns(scope, listing);
  await listFiles(scope, listing);
  return links;
}

/** The plan of an upload into a cloud dataset that does not exist yet. */
export async function planForNothing(scope: RunScope, input: UploadInput): Promise<void> {
  const { ledger } = scope;
  ledger.plan.begin({ operation: 'upload', direction: 'up', cloudDatasetId: '' });
  for (const kind of ['document', 'file'] as const) ledger.listings.begin(kind, BEFORE).finish();
  await planAgainstLists(scope, input, false);
}

async function planAgainstLists(scope: RunScope, input: UploadInput, isLinked: boolean): Promise<void> {
  const reader = openSource(scope.deps, input);
  try {
    reportLinkedSessions(scope, reader);
    await planItems(scope, input, reader, isLinked);
  } finally {
    reader.close();
  }
  scope.ledger.plan.seal();
}

/** Walks all documents once and plans them and the files that they name. */
async function planItems(
  scope: RunScope,
  input: UploadInput,
  reader: DatasetReader,
  isLinked: boolean,
): Promise<void> {
  const { ledger } = scope;
  let hasLink = isLinked;
  if (input.verify !== 'ids') await readUnproven(scope, reader);
  const units = createUnits(scope, input);
  const items = createItemWriter(ledger);
  const files = createFilePlanner(scope, input, units, items);
  const added = createNewDocuments();
  const pause = createPacer(scope, (count) => `reading documents: ${count}`);
  for (const stored of reader.documents()) {
    await pause();
    const read = readDocument(stored);
    if ('problem' in read) {
      items.add(read.problem);
      continue;
    }
    const planned = planDocument(scope, input, read);
    if ('isNew' in planned) {
      const isLink = isLinkTo(scope.ref.cloudDatasetId, read.facts, read.document);
      if (isLink && hasLink) leaveHere(scope, stored.id);
      else added.add(read.facts, read.sizeBytes);
      if (isLink && !hasLink) ledger.facts.set(RUN_FACTS.ownLink, stored.id);
      hasLink ||= isLink;
    } else items.add(planned.item(units));
    for (const { name, file } of reader.files(read.facts)) await files.plan(read.facts.id, name, file);
  }
  await files.end();
  items.flush();
  units.endOfFiles();
  added.plan(items, units);
  items.flush();
  units.endOfDocuments();
  units.endOfReplacements();
  noteOnlyInCloud(scope, reader);
  files.noteOnlyInCloud();
}

function noteOnlyInCloud({ ledger }: RunScope, reader: DatasetReader): void {
  const found = onlyThere(ledger, 'document');
  let last = '';
  for (const { id } of ledger.listings.rows('document', BEFORE)) {
    if (id === last || reader.hasDocument(id) || isNameless(id)) continue;
    last = id;
    found.add(id);
  }
  found.flush();
}

/**
 * A run that was cancelled may have left an import under way, and nothing tells of those (contract §2.5 E9):
 * what it sent and is sent again now would come in twice, the second time after everybody has looked.
 */
async function awaitEarlierRuns(scope: RunScope, listing: Listing): Promise<void> {
  const { ledger } = scope;
  const missing = (): number => ledger.listings.unsettledElsewhere(listing.name);
  if (missing() > 0) {
    await untilQuiet(scope, {
      name: 'earlier runs',
      look: async () => {
        const what = `waiting for ${missing()} documents that an earlier run sent`;
        scope.heartbeat({ unit: null, what, bytes: 0, ofBytes: 0 });
        await listDocuments(scope, listing);
        return missing();
      },
      marker: String,
      isDone: (count) => count === 0,
      quietMs: scope.tuning.importQuietMs,
    });
    // Given up, and perhaps only late: then they come once more after all are there.
    if (missing() > 0) noteSentAgain(ledger);
  }
  ledger.listings.forgetUnsettledElsewhere();
}

/** The documents of a linked session lie in another directory; people must know that they did not go. */
function reportLinkedSessions({ ledger }: RunScope, reader: DatasetReader): void {
  for (const session of reader.identity.sessions.filter((member) => member.linked)) {
    ledger.problems.add({
      kind: 'dataset',
      id: session.sessionId,
      code: 'NDI_E_LINKED_SESSION',
      detail: `Session ${session.reference} lies in ${session.path}.`,
    });
  }
}
