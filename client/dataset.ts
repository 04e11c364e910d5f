/**
 * A dataset folder as a thing that scripts use: open, iterate, query, read a binary. Reads only; nothing in
 * the folder is touched.
 *
 *   openDataset     the dataset
 *   DatasetDocument one document, with its body
 *   DatasetFile     one binary that a document names, and where it lies
 */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { CourierError } from '../errors/index.ts';
import { openDataset as openReader } from '../ndi/dataset/read.ts';
import type { DatasetIdentity, DatasetReader, ResolvedFile, StoredDocument } from '../ndi/dataset/types.ts';
import { parseDocument } from '../ndi/document/codec.ts';
import { describeDocument } from '../ndi/document/describe.ts';
import { compileQuery, type DocumentQuery } from '../ndi/document/query.ts';
import type { DocumentFacts, NdiDocument } from '../ndi/document/types.ts';

export interface DatasetDocument extends DocumentFacts {
  /** NaN and ±Infinity are numbers; a number that a double would change is `{ rawJSON }`. */
  readonly body: NdiDocument;
  /** As the database holds it. */
  readonly text: string;
}

export interface DatasetFile {
  /**
   * `here` on this disk, `cloud` behind `ndic://`, `elsewhere` behind an author's own address, or `missing`.
   */
  readonly where: 'here' | 'cloud' | 'elsewhere' | 'missing';
  readonly name: string;
  readonly uid: string;
  readonly documentId: string;
  /** Null unless the file is here. */
  readonly sizeBytes: number | null;
  /** Where it lies on this disk; null unless it is here. */
  readonly path: string | null;
  /** Its address where it is in the cloud or elsewhere, or why it is missing; null when it is here. */
  readonly detail: string | null;
}

export interface Dataset {
  readonly dir: string;
  /** Ids, reference, links to the cloud, member sessions. */
  readonly identity: DatasetIdentity;
  documentCount(): number;
  /**
   * Documents in the order in which they were added, one in memory at a time. With a query, those for which
   * all conditions hold.
   * @throws NDI_E_USAGE for a query that is none, NDI_E_BAD_JSON for a document that cannot be read
   */
  documents(query?: DocumentQuery): IterableIterator<DatasetDocument>;
  /** Undefined when there is none with this NDI id. */
  document(ndiId: string): DatasetDocument | undefined;
  /** The binaries that a document names, members of file series included. */
  files(document: DocumentFacts): readonly DatasetFile[];
  /**
   * The bytes of a binary, by document and name.
   * @throws NDI_E_NOT_FOUND for a name that the document does not have, NDI_E_FILE_MISSING when it is not on
   * this disk
   */
  read(document: DocumentFacts, name: string): Readable;
  close(): void;
}

/** @throws NDI_E_NOT_A_DATASET, NDI_E_DATABASE_CORRUPT, NDI_E_DATABASE_BUSY */
export function openDataset(dir: string): Dataset {
  const reader = openReader(dir, { allowAmbiguousId: true });
  const files = (document: DocumentFacts): DatasetFile[] => filesOf(reader, document);
  return {
    dir,
    identity: reader.identity,
    documentCount: () => reader.documentCount(),
    documents: (query = []) => documentsOf(reader, query),
    document: (ndiId) => {
      const stored = reader.document(ndiId);
      return stored === undefined ? undefined : read(stored);
    },
    files,
    read: (document, name) => {
      const file = files(document).find((one) => one.name === name);
      if (file === undefined)
        throw new CourierError('NDI_E_NOT_FOUND', { detail: `Document ${document.id} has no file ${name}.` });
      if (file.path === null)
        throw new CourierError('NDI_E_FILE_MISSING', {
          detail: `${name} (${file.uid}): ${file.detail ?? file.where}.`,
        });
      return createReadStream(file.path);
    },
    close: () => reader.close(),
  };
}

function read({ text }: StoredDocument): DatasetDocument {
  const body = parseDocument(text);
  return { ...describeDocument(body), body, text };
}

/** Compiled at once, so that a bad query is refused by the call and not by the first step of the loop. */
function documentsOf(reader: DatasetReader, query: DocumentQuery): IterableIterator<DatasetDocument> {
  const matches = compileQuery(query);
  return (function* () {
    for (const stored of reader.documents()) {
      const document = read(stored);
      if (matches(document.body, document)) yield document;
    }
  })();
}

function filesOf(reader: DatasetReader, document: DocumentFacts): DatasetFile[] {
  return reader
    .files(document)
    .map(({ name, file }) => ({ ...placeOf(file), name, documentId: document.id }));
}

function placeOf(file: ResolvedFile): Omit<DatasetFile, 'name' | 'documentId'> {
  const { uid } = file;
  switch (file.kind) {
    case 'local':
      return { where: 'here', uid, sizeBytes: file.sizeBytes, path: file.path, detail: null };
    case 'remote': {
      const where = file.uri.startsWith('ndic://') ? 'cloud' : 'elsewhere';
      return { where, uid, sizeBytes: null, path: null, detail: file.uri };
    }
    case 'missing':
      return { where: 'missing', uid, sizeBytes: null, path: null, detail: file.reason };
  }
}
