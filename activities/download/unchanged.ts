/**
 * Does a directory hold exactly what a download of this dataset would make? Then there is nothing to do.
 *
 * Documents by id, and by content where the directory's own ledger knows what came down (the cloud's list
 * tells no content); binaries by size. A document that somebody changed in the cloud, id and all else equal,
 * is not noticed.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isCourierError } from '../../errors/index.ts';
import { DATASET_FACTS } from '../../ledger/fact-keys.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import type { ItemKind, ListingRow } from '../../ledger/types.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { createNameMatcher } from '../../ndi/dataset/selection.ts';
import type { DatasetReader, ResolvedFile } from '../../ndi/dataset/types.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { NdiDocument } from '../../ndi/document/types.ts';
import { isSafeName } from '../../ndi/ids.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import type { StepContext, StepDeps } from '../deps.ts';
import { isNameless, type Listing, listDocuments, listFiles } from '../shared/listing.ts';
import { createPacer } from '../shared/poll.ts';
import { selectedDocuments } from './selected.ts';

export type Holding =
  | {
      readonly documents: number;
      readonly files: number;
      readonly ndiDatasetId: string;
      /** Binaries that are in the cloud only in local mode, or here in hybrid mode. */
      readonly misplaced: number;
      /** Items that the target lacks and the run that made it listed as left over. */
      readonly leftovers: number;
      readonly differs?: never;
    }
  /** One thing that is not as it would be, for people. */
  | { readonly differs: string };

/** The counts when it does, else what is different. Reads only. */
export async function holdsExactly(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
): Promise<Holding> {
  const reader = openTarget(deps, input);
  if (reader === undefined) return { differs: 'it is no dataset' };
  // A ledger of its own for the cloud's lists: the target is not to be written to.
  const path = join(deps.scratchDir, `compare-${randomUUID()}.sqlite`);
  try {
    const listing = listingRef(deps, input, path);
    await listDocuments(context, listing);
    await listFiles(context, listing);
    const selected = await selectedDocuments(
      { cloud: listing.cloud, ref: listing, signal: context.signal },
      input.selection,
    );
    return await compareAll(deps, context, input, reader, listing, selected);
  } finally {
    reader.close();
    deps.ledgers.close(path);
    for (const suffix of ['', '-wal', '-shm']) await rm(path + suffix, { force: true });
  }
}

async function compareAll(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
  reader: DatasetReader,
  listing: Listing,
  selected: ReadonlySet<string> | null,
): Promise<Holding> {
  const { name: cloud } = listing;
  const { listings } = listing.ledger;
  const here = new Set(reader.documentIds());
  const isLeftover = leftoversOf(deps, input);
  let leftovers = 0;
  const inCloud = new Set<string>();
  for (const { id } of listings.rows('document', cloud)) {
    // Without a usable NDI id it cannot be kept in a dataset.
    if (isNameless(id) || !isSafeName(id)) continue;
    inCloud.add(id);
    if (here.has(id) || (selected !== null && !selected.has(id))) continue;
    if (!isLeftover('document', id)) return { differs: `it lacks document ${id}` };
    leftovers += 1;
  }
  const changed = changedSince(deps, input);
  let files = 0;
  let misplaced = 0;
  const isWanted = createNameMatcher(input.filesMatching);
  const pause = createPacer(context, (count) => `comparing: ${count} documents`);
  for (const stored of reader.documents()) {
    await pause();
    const document = parseDocument(stored.text);
    const facts = describeDocument(document);
    // Documents that a download adds of its own, the link and a missing `session`, are not in the cloud.
    const isOwn = facts.className === 'dataset_remote' || facts.className === 'session';
    if (!isOwn && !inCloud.has(stored.id)) {
      return { differs: `the cloud does not have its document ${stored.id}` };
    }
    if (changed(stored.id, document)) return { differs: `its document ${stored.id} was changed` };
    const named = reader.files(facts);
    // A leftover may name more: a document its binaries, a manifest its members.
    const hasLeftovers =
      isLeftover('document', stored.id) || named.some(({ file }) => isLeftover('file', file.uid));
    for (const { name, file } of named) {
      if (!isWanted(name)) continue;
      const differs = fileDiffers(file, listings.row('file', cloud, file.uid), input);
      // A failed binary stays behind `ndic://`: it is left over, not in the other mode.
      if ((differs === IS_NOT_HERE || (differs === IS_ELSEWHERE && input.mode === 'local')) && hasLeftovers)
        leftovers += 1;
      else if (differs === IS_ELSEWHERE) misplaced += 1;
      else if (differs !== undefined) return { differs: `file ${name} of document ${stored.id} ${differs}` };
      if (file.kind === (input.mode === 'local' ? 'local' : 'remote')) files += 1;
    }
  }
  return {
    documents: selected === null ? inCloud.size : here.size,
    files,
    leftovers,
    misplaced,
    ndiDatasetId: reader.identity.datasetId,
  };
}

function listingRef(deps: StepDeps, input: DownloadInput, path: string): Listing {
  return {
    ledger: deps.ledgers.open(path).run('compare'),
    cloud: deps.cloud(input.cloud),
    cloudDatasetId: input.cloudDatasetId,
    name: 'cloud',
    pollMinMs: input.tuning.pollMinMs,
    pollMaxMs: input.tuning.pollMaxMs,
  };
}

function openTarget(deps: StepDeps, input: DownloadInput): DatasetReader | undefined {
  try {
    return openDataset(input.targetDir, { scratchDir: deps.scratchDir, allowAmbiguousId: true });
  } catch (error) {
    if (isCourierError(error) && error.class === 'permanent') return undefined;
    throw error;
  }
}

/** The ledger in the directory; without it nothing is known. */
function ledgerOf(deps: StepDeps, input: DownloadInput): Ledger | undefined {
  const path = join(input.targetDir, '.ndi', 'courier', 'ledger.sqlite');
  return existsSync(path) ? deps.ledgers.open(path) : undefined;
}

/**
 * Items that the run which made the directory could not get. Items that a person has deleted since are not
 * among them.
 */
function leftoversOf(deps: StepDeps, input: DownloadInput): (kind: ItemKind, id: string) => boolean {
  const ledger = ledgerOf(deps, input);
  const maker = ledger?.facts.get(DATASET_FACTS.builtBy);
  if (ledger === undefined || maker === undefined) return () => false;
  const run = ledger.run(maker);
  if (run.plan.state() === 'absent') return () => false;
  // The cloud's own counts said that its list lacked some: what the plan does not know was missing then.
  const listLackedSome = run.problems
    .list(Number.MAX_SAFE_INTEGER)
    .some(({ code }) => code === 'NDI_E_LISTS_DISAGREE');
  return (kind, id) => {
    const item = run.items.get(kind, id);
    return item === undefined ? listLackedSome : item.state === 'failed';
  };
}

/** Whether a document is another one than the ledger in the directory saw. */
function changedSince(deps: StepDeps, input: DownloadInput): (id: string, document: NdiDocument) => boolean {
  const ledger = ledgerOf(deps, input);
  if (ledger === undefined) return () => false;
  return (id, document) => {
    const known = ledger.base.item('document', id)?.local.hash ?? null;
    return known !== null && known !== canonicalHash(document);
  };
}

const IS_NOT_HERE = 'is not here';
/** In the cloud alone where it should be here, or the other way round. */
const IS_ELSEWHERE = 'lies elsewhere';

/** Why a binary is not as a download would leave it. One that the cloud cannot give is as good as it gets. */
function fileDiffers(
  file: ResolvedFile,
  listed: ListingRow | undefined,
  input: DownloadInput,
): string | undefined {
  if (listed === undefined || listed.uploaded === false) return undefined;
  const size = listed.sizeBytes;
  if (input.mode === 'hybrid')
    return file.kind === 'remote' ? undefined : file.kind === 'local' ? IS_ELSEWHERE : IS_NOT_HERE;
  if (file.kind === 'remote' && file.uri.startsWith('ndic://')) return IS_ELSEWHERE;
  if (file.kind !== 'local') return IS_NOT_HERE;
  return size === null || size === file.sizeBytes ? undefined : `has ${file.sizeBytes} of ${size} bytes`;
}
