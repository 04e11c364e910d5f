/**
 * Compares two dataset directories by content: documents by canonical hash, binaries byte for byte through
 * SHA-256.
 */
import { createHash, hash as hashOf } from 'node:crypto';
import { fillFromSource, sourcePieces } from '../../disk/source.ts';
import { canonicalHash } from '../document/canonical.ts';
import { parseDocument } from '../document/codec.ts';
import { describeDocument } from '../document/describe.ts';
import type { NdiId } from '../document/types.ts';
import { openDataset } from './read.ts';
import type { DatasetReader, ResolvedFile, StoredDocument } from './types.ts';

const SMALL_FILE_BYTES = 1 << 20;

export interface FileDifference {
  readonly documentId: NdiId;
  readonly name: string;
  readonly reason: string;
}

export interface DatasetComparison {
  readonly equal: boolean;
  /** Documents that say the same on both sides. */
  readonly sameDocuments: number;
  readonly onlyInA: readonly NdiId[];
  readonly onlyInB: readonly NdiId[];
  readonly differentDocuments: readonly NdiId[];
  readonly sameFiles: number;
  readonly sameBytes: number;
  /** Binaries of common documents that are not the same on both sides. */
  readonly fileDifferences: readonly FileDifference[];
}

export interface CompareOptions {
  /** Classes that one side may have alone, e.g. `dataset_remote` of a dataset that was linked since. */
  readonly ignoreClasses?: readonly string[];
  readonly signal?: AbortSignal;
}

/** Holds one document of each side at a time and the list of differences. */
export async function compareDatasets(
  dirA: string,
  dirB: string,
  options: CompareOptions = {},
): Promise<DatasetComparison> {
  const a = openDataset(dirA, { allowAmbiguousId: true });
  try {
    const b = openDataset(dirB, { allowAmbiguousId: true });
    try {
      return await compareReaders(a, b, options);
    } finally {
      b.close();
    }
  } finally {
    a.close();
  }
}

async function compareReaders(
  a: DatasetReader,
  b: DatasetReader,
  options: CompareOptions,
): Promise<DatasetComparison> {
  const ignored = new Set(options.ignoreClasses);
  const isIgnored = (document: StoredDocument): boolean => {
    if (ignored.size === 0) return false;
    const parsed = tryParse(document.text);
    return parsed !== undefined && ignored.has(describeDocument(parsed).className);
  };
  const onlyInA: NdiId[] = [];
  const differentDocuments: NdiId[] = [];
  const fileDifferences: FileDifference[] = [];
  let sameDocuments = 0;
  let sameFiles = 0;
  let sameBytes = 0;
  for (const documentA of a.documents()) {
    options.signal?.throwIfAborted();
    const documentB = b.document(documentA.id);
    if (documentB === undefined) {
      if (!isIgnored(documentA)) onlyInA.push(documentA.id);
      continue;
    }
    if (meaning(documentA.text) === meaning(documentB.text)) sameDocuments += 1;
    else differentDocuments.push(documentA.id);
    for await (const verdict of compareFiles(a, b, documentA, documentB)) {
      if ('reason' in verdict) fileDifferences.push(verdict);
      else {
        sameFiles += 1;
        sameBytes += verdict.sizeBytes;
      }
    }
  }
  const onlyInB: NdiId[] = [];
  for (const id of b.documentIds()) {
    if (a.document(id) !== undefined) continue;
    const document = b.document(id);
    if (document !== undefined && !isIgnored(document)) onlyInB.push(id);
  }
  const equal = [onlyInA, onlyInB, differentDocuments, fileDifferences].every((list) => list.length === 0);
  return {
    equal,
    sameDocuments,
    onlyInA,
    onlyInB,
    differentDocuments,
    sameFiles,
    sameBytes,
    fileDifferences,
  };
}

/** Text that is not JSON has no meaning but itself. */
function meaning(text: string): string {
  const document = tryParse(text);
  return document === undefined ? text : canonicalHash(document);
}

function tryParse(text: string): ReturnType<typeof parseDocument> | undefined {
  try {
    return parseDocument(text);
  } catch {
    return undefined;
  }
}

async function* compareFiles(
  a: DatasetReader,
  b: DatasetReader,
  documentA: StoredDocument,
  documentB: StoredDocument,
): AsyncGenerator<FileDifference | { readonly sizeBytes: number }> {
  const filesA = filesOf(a, documentA);
  const filesB = new Map(filesOf(b, documentB));
  for (const [key, fileA] of filesA) {
    const name = key.slice(0, key.lastIndexOf('#'));
    const reason = await difference(fileA, filesB.get(key));
    filesB.delete(key);
    if (reason !== undefined) yield { documentId: documentA.id, name, reason };
    else yield { sizeBytes: fileA.kind === 'local' ? fileA.sizeBytes : 0 };
  }
  for (const key of filesB.keys()) {
    yield {
      documentId: documentA.id,
      name: key.slice(0, key.lastIndexOf('#')),
      reason: 'only in the second dataset',
    };
  }
}

/** Keyed by name and position: MATLAB gives a binary a new uid when it downloads it. */
function filesOf(reader: DatasetReader, document: StoredDocument): [string, ResolvedFile][] {
  const parsed = tryParse(document.text);
  if (parsed === undefined) return [];
  const seen = new Map<string, number>();
  return reader.files(describeDocument(parsed)).map(({ name, file }) => {
    const position = seen.get(name) ?? 0;
    seen.set(name, position + 1);
    return [`${name}#${position}`, file];
  });
}

async function difference(a: ResolvedFile, b: ResolvedFile | undefined): Promise<string | undefined> {
  if (b === undefined) return 'only in the first dataset';
  if (a.kind !== b.kind) return `${a.kind} in the first dataset, ${b.kind} in the second`;
  if (a.kind !== 'local' || b.kind !== 'local') return undefined;
  if (a.sizeBytes !== b.sizeBytes)
    return `${a.sizeBytes} bytes in the first dataset, ${b.sizeBytes} in the second`;
  const [hashA, hashB] = await Promise.all([sha256(a.path, a.sizeBytes), sha256(b.path, b.sizeBytes)]);
  return hashA === hashB ? undefined : 'the bytes differ';
}

async function sha256(path: string, sizeBytes: number): Promise<string> {
  // A stream for each of ten thousand small files would cost more than their bytes.
  if (sizeBytes <= SMALL_FILE_BYTES) {
    const bytes = Buffer.allocUnsafe(sizeBytes);
    fillFromSource(path, bytes);
    return hashOf('sha256', bytes);
  }
  const hash = createHash('sha256');
  for await (const piece of sourcePieces(path, sizeBytes)) hash.update(piece);
  return hash.digest('hex');
}
