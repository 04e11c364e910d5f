/** Does a directory hold exactly what a download of this dataset would make? Then there is nothing to do. */
import { isCourierError } from '../../errors/index.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import type { DatasetReader } from '../../ndi/dataset/types.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { DownloadInput } from '../../workflows/contracts.ts';
import type { StepContext, StepDeps } from '../deps.ts';

const DOCUMENT_PAGE_SIZE = 1_000;

/** The counts when it does, undefined when it holds anything else. Reads only. */
export async function holdsExactly(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
): Promise<{ documents: number; files: number } | undefined> {
  const reader = openTarget(deps, input);
  if (reader === undefined) return undefined;
  try {
    const documents = await sameDocuments(deps, context, input, reader);
    if (documents === undefined) return undefined;
    const files = sameFiles(reader, input, await uploadedUids(deps, context, input));
    return files === undefined ? undefined : { documents, files };
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

async function sameDocuments(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
  reader: DatasetReader,
): Promise<number | undefined> {
  const here = new Set(reader.documentIds());
  const cloud = deps.cloud(input.cloud);
  const there = new Set<string>();
  for (let page = 1; ; page += 1) {
    const query = { page, pageSize: DOCUMENT_PAGE_SIZE };
    const { rows } = await cloud.documents.list(input.cloudDatasetId, query, context.signal);
    for (const row of rows) {
      if (row.ndiId !== '' && !here.has(row.ndiId)) return undefined;
      if (row.ndiId !== '') there.add(row.ndiId);
    }
    if (rows.length < DOCUMENT_PAGE_SIZE) break;
  }
  // What a download adds of its own, the link and a missing `session`, is not in the cloud.
  const own = [...here].filter((id) => !there.has(id));
  return own.every((id) => isBookkeeping(reader, id)) ? there.size : undefined;
}

function isBookkeeping(reader: DatasetReader, id: string): boolean {
  const stored = reader.document(id);
  if (stored === undefined) return false;
  const { className } = describeDocument(parseDocument(stored.text));
  return className === 'dataset_remote' || className === 'session';
}

async function uploadedUids(
  deps: StepDeps,
  context: StepContext,
  input: DownloadInput,
): Promise<ReadonlySet<string>> {
  const uids = new Set<string>();
  for await (const rows of deps.cloud(input.cloud).files.list(input.cloudDatasetId, context.signal)) {
    for (const row of rows) if (row.uploaded !== false) uids.add(row.uid);
  }
  return uids;
}

/** How many binaries are here; undefined when one that the cloud can give is not, or is where the other mode has it. */
function sameFiles(
  reader: DatasetReader,
  input: DownloadInput,
  uploaded: ReadonlySet<string>,
): number | undefined {
  const wanted = input.mode === 'local' ? 'local' : 'remote';
  let count = 0;
  for (const stored of reader.documents()) {
    for (const { file } of reader.files(describeDocument(parseDocument(stored.text)))) {
      if (file.kind === wanted) count += 1;
      else if (uploaded.has(file.uid)) return undefined;
    }
  }
  return count;
}
