/**
 * Does a directory hold exactly what a download of this dataset would make? Then there is nothing to do.
 *
 * Documents by id, and by content where the directory's own ledger knows what came down (the cloud's list tells no
 * content); binaries by size. A document that somebody changed in the cloud, id and all else equal, is not noticed.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isCourierError } from '../../errors/index.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import type { DatasetReader, ResolvedFile } from '../../ndi/dataset/types.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { NdiDocument } from '../../ndi/document/types.ts';
import type { DownloadInput } from '../../workflows/contracts.ts';
import type { StepContext, StepDeps } from '../deps.ts';

const DOCUMENT_PAGE_SIZE = 1_000;

export type Holding =
  | { readonly documents: number; readonly files: number; readonly differs?: never }
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
  try {
    const there = await idsInCloud(deps, context, input);
    const here = new Set(reader.documentIds());
    for (const id of there) if (!here.has(id)) return { differs: `it lacks document ${id}` };
    const sizes = await uploadedFiles(deps, context, input);
    const changed = changedSince(deps, input);
    let files = 0;
    let count = 0;
    for (const stored of reader.documents()) {
      count += 1;
      if (count % 500 === 0) await letOthers(context, count);
      const document = parseDocument(stored.text);
      const facts = describeDocument(document);
      // What a download adds of its own, the link and a missing `session`, is not in the cloud.
      if (!there.has(stored.id) && facts.className !== 'dataset_remote' && facts.className !== 'session') {
        return { differs: `the cloud does not have its document ${stored.id}` };
      }
      if (changed(stored.id, document)) return { differs: `its document ${stored.id} was changed` };
      for (const { name, file } of reader.files(facts)) {
        const differs = fileDiffers(file, sizes, input);
        if (differs !== undefined) return { differs: `file ${name} of document ${stored.id} ${differs}` };
        if (file.kind === (input.mode === 'local' ? 'local' : 'remote')) files += 1;
      }
    }
    return { documents: there.size, files };
  } finally {
    reader.close();
  }
}

function openTarget(deps: StepDeps, input: DownloadInput): DatasetReader | undefined {
  try {
    return openDataset(input.targetDir, { scratchDir: deps.scratchDir, allowAmbiguousId: true });
  } catch (error) {
    if (isCourierError(error) && error.class === 'permanent') return undefined;
    throw error;
  }
}

async function idsInCloud(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
): Promise<ReadonlySet<string>> {
  const cloud = deps.cloud(input.cloud);
  const ids = new Set<string>();
  for (let page = 1; ; page += 1) {
    const query = { page, pageSize: DOCUMENT_PAGE_SIZE };
    const { rows } = await cloud.documents.list(input.cloudDatasetId, query, context.signal);
    for (const row of rows) if (row.ndiId !== '') ids.add(row.ndiId);
    if (rows.length < DOCUMENT_PAGE_SIZE) return ids;
  }
}

/** Sizes of what the cloud can give; null where it does not say. */
async function uploadedFiles(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
): Promise<ReadonlyMap<string, number | null>> {
  const sizes = new Map<string, number | null>();
  for await (const rows of deps.cloud(input.cloud).files.list(input.cloudDatasetId, context.signal)) {
    for (const row of rows) if (row.uploaded !== false) sizes.set(row.uid, row.sizeBytes ?? null);
  }
  return sizes;
}

/** Whether a document is another one than the ledger in the directory saw. Without a ledger nothing is known. */
function changedSince(deps: StepDeps, input: DownloadInput): (id: string, document: NdiDocument) => boolean {
  const path = join(input.targetDir, '.ndi', 'courier', 'ledger.sqlite');
  if (!existsSync(path)) return () => false;
  const ledger = deps.ledgers.open(path);
  return (id, document) => {
    const known = ledger.base('document', id)?.sha256Hex ?? null;
    return known !== null && known !== canonicalHash(document);
  };
}

/** Why a binary is not as a download would leave it. One that the cloud cannot give is as good as it gets. */
function fileDiffers(
  file: ResolvedFile,
  sizes: ReadonlyMap<string, number | null>,
  input: DownloadInput,
): string | undefined {
  const size = sizes.get(file.uid);
  if (size === undefined) return undefined;
  if (input.mode === 'hybrid')
    return file.kind === 'remote' ? undefined : 'lies here, not in the cloud alone';
  if (file.kind !== 'local') return 'is not here';
  return size === null || size === file.sizeBytes ? undefined : `has ${file.sizeBytes} of ${size} bytes`;
}

/** Heartbeats of all steps share this thread. */
async function letOthers(context: StepContext, documents: number): Promise<void> {
  context.beat({ unit: null, what: `comparing: ${documents} documents`, bytes: 0, ofBytes: 0 });
  await new Promise((resolve) => setImmediate(resolve));
  context.signal.throwIfAborted();
}
