/**
 * Binaries that are in another cloud dataset than the one that is written: a hybrid copy has only their
 * addresses.
 */
import { CourierError } from '../../errors/index.ts';
import type { DatasetReader, ResolvedFile } from '../../ndi/dataset/types.ts';
import { readDocument } from './plan-documents.ts';

const ADDRESS = /^ndic:\/\/([^/]+)\//i;

/**
 * The cloud dataset that a binary is in; undefined when it is here, at an author's own address, or nowhere.
 */
export const cloudDatasetOf = (file: ResolvedFile): string | undefined =>
  file.kind === 'remote' ? ADDRESS.exec(file.uri)?.[1]?.toLowerCase() : undefined;

/**
 * A new cloud dataset would have documents whose binaries it lacks, and nothing would ever bring them.
 * @throws NDI_E_BINARIES_ELSEWHERE
 */
export function refuseHybrid(reader: DatasetReader): void {
  const counts = new Map<string, number>();
  for (const stored of reader.documents()) {
    if (!stored.text.includes('ndic:')) continue;
    const read = readDocument(stored);
    if ('problem' in read) continue;
    for (const { file } of reader.files(read.facts)) {
      const id = cloudDatasetOf(file);
      if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  if (counts.size === 0) return;
  const where = [...counts].map(([id, count]) => `${count} in ${id}`).join(', ');
  throw new CourierError('NDI_E_BINARIES_ELSEWHERE', { detail: `${reader.dir}: ${where}.` });
}
