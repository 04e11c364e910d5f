/** The facts of a dataset folder that the client needs before a run is started. Reads only. */
import { openDataset } from '../ndi/dataset/read.ts';
import type { DatasetIdentity } from '../ndi/dataset/types.ts';
import { metadataFromDataset, metadataFromFile } from '../ndi/metadata/metadata.ts';

/** @throws NDI_E_NOT_A_DATASET, NDI_E_DATABASE_CORRUPT, NDI_E_DATABASE_BUSY, NDI_E_AMBIGUOUS_DATASET_ID */
export function identityOf(dir: string): DatasetIdentity {
  const reader = openDataset(dir);
  try {
    return reader.identity;
  } finally {
    reader.close();
  }
}

/** Whether the dataset has one of these documents. */
export function hasAnyDocument(dir: string, ids: readonly string[]): boolean {
  const reader = openDataset(dir);
  try {
    const asked = new Set(ids);
    for (const id of reader.documentIds()) if (asked.has(id)) return true;
    return false;
  } finally {
    reader.close();
  }
}

/**
 * The name a new cloud dataset would get: the given one, else that of the metadata file, else that of the
 * dataset's metadata-editor document, else the dataset's own reference.
 * @throws NDI_E_BAD_METADATA with every problem in one message.
 */
export async function creationName(
  dir: string,
  name: string | null,
  metadataPath: string | null,
): Promise<string> {
  if (metadataPath !== null) {
    const metadata = await metadataFromFile(metadataPath);
    return name ?? metadata.name;
  }
  const reader = openDataset(dir);
  try {
    // Also with a name: the rest of the metadata goes along, and must be good.
    const metadata = metadataFromDataset(reader);
    return name ?? metadata?.name ?? reader.identity.reference;
  } finally {
    reader.close();
  }
}
