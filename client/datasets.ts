/** What the client needs to know of a dataset folder before a run is started. Reads only. */
import { readFileSync } from 'node:fs';
import { CourierError } from '../errors/index.ts';
import { openDataset } from '../ndi/dataset/read.ts';
import type { DatasetIdentity } from '../ndi/dataset/types.ts';

/** @throws CourierError NDI_E_NOT_A_DATASET, NDI_E_DATABASE_CORRUPT, NDI_E_DATABASE_BUSY, NDI_E_AMBIGUOUS_DATASET_ID */
export function identityOf(dir: string): DatasetIdentity {
  const reader = openDataset(dir);
  try {
    return reader.identity;
  } finally {
    reader.close();
  }
}

/**
 * The name a new cloud dataset would get: the given one, else the one in the metadata file. Null when there is none.
 * @throws CourierError NDI_E_BAD_METADATA
 */
export function creationName(_dir: string, name: string | null, metadataPath: string | null): string | null {
  if (metadataPath === null) return name;
  let metadata: unknown;
  try {
    metadata = JSON.parse(readFileSync(metadataPath, 'utf8'));
  } catch (cause) {
    throw new CourierError('NDI_E_BAD_METADATA', {
      detail: `${metadataPath} cannot be read as JSON.`,
      cause,
    });
  }
  const { name: given, DatasetFullName: full } = Object(metadata) as Record<string, unknown>;
  const found = name ?? given ?? full;
  return typeof found === 'string' && found !== '' ? found : null;
}
