/** The contracts of reading and writing a dataset directory. */
import type { DocumentFacts, NdiDocument, NdiId } from '../document/types.ts';

/** A link to a cloud dataset, from a `dataset_remote` document. */
export interface RemoteLink {
  readonly documentId: NdiId;
  readonly cloudDatasetId: string;
  /** Empty when Python wrote it. */
  readonly organizationId: string;
}

export interface MemberSession {
  readonly sessionId: NdiId;
  readonly reference: string;
  /** A linked session's documents are in another directory, `path`. */
  readonly linked: boolean;
  readonly path: string;
}

export interface DatasetIdentity {
  /** The id of the dataset's own session; the format's §5 order decides. */
  readonly datasetId: NdiId;
  readonly reference: string;
  readonly remotes: readonly RemoteLink[];
  readonly sessions: readonly MemberSession[];
}

/** A document as the database holds it. */
export interface StoredDocument {
  readonly id: NdiId;
  /** The JSON text as stored, bare NaN and Infinity included. */
  readonly text: string;
}

/** Where a binary was found; first hit of the format's §4 order. */
export type ResolvedFile =
  | {
      readonly kind: 'local';
      readonly path: string;
      readonly uid: string;
      readonly sizeBytes: number;
      readonly mtimeMs: number;
      readonly inode: string;
    }
  /** `ndic://…` or a URL: the bytes are elsewhere, on purpose. */
  | { readonly kind: 'remote'; readonly uri: string; readonly uid: string }
  | { readonly kind: 'missing'; readonly uid: string; readonly reason: string };

/** A dataset directory, read and never modified. Holds at most one document in memory at a time. */
export interface DatasetReader {
  readonly dir: string;
  readonly identity: DatasetIdentity;
  /** True when a live WAL or a lock made us read from a private copy. */
  readonly readFromCopy: boolean;
  documentCount(): number;
  /** Documents of branch `a` in insertion order. May be left early. */
  documents(): IterableIterator<StoredDocument>;
  document(id: NdiId): StoredDocument | undefined;
  hasDocument(id: NdiId): boolean;
  documentIds(): IterableIterator<NdiId>;
  /** Binaries of one document; file-series members (manifests) included. */
  files(facts: DocumentFacts): ReadonlyArray<{ readonly name: string; readonly file: ResolvedFile }>;
  close(): void;
}

/** Something the writer did that the caller did not ask for in so many words. */
export type WriterProblem =
  /**
   * Another document has this uid already: the database allows it once, so MATLAB finds the binary only
   * there.
   */
  | { readonly kind: 'repeated-uid'; readonly documentId: NdiId; readonly name: string; readonly uid: string }
  /** The document had been deleted by MATLAB, which keeps the old text; it now has the new text. */
  | { readonly kind: 'revived'; readonly documentId: NdiId };

/**
 * Writes documents into a dataset directory so that MATLAB and Python open it. Every call is one transaction.
 */
export interface DatasetWriter {
  readonly dir: string;
  /**
   * Idempotent by document id: a document that is present already stays as it is. Returns how many were new.
   */
  addDocuments(documents: readonly NdiDocument[]): number;
  /**
   * Replaces the text, values and file rows of documents that are present; others are passed over. Returns
   * how many were replaced.
   */
  replaceDocuments(documents: readonly NdiDocument[]): number;
  hasDocument(id: NdiId): boolean;
  documentCount(): number;
  /** Problems since the writer was opened. */
  readonly problems: readonly WriterProblem[];
  /** The format's §2 delete order, binaries last. */
  removeDocuments(ids: readonly NdiId[]): void;
  close(): void;
}
