/** Rows of a ledger, as its verbs take and give them. */

export type ItemKind = 'document' | 'file';

/** Where a run moves items: `up` into the cloud, `down` from it. */
export type Direction = 'up' | 'down';

/**
 * pending → sending (intent written before the first byte) → sent (the other side took it) → done (verified
 * in its own listing). skipped: was there already. failed: listed as a problem; never fails its unit.
 */
export type ItemState = 'pending' | 'sending' | 'sent' | 'done' | 'skipped' | 'failed';

/** The action of the run on the other side. `none` for items that are equal, or only listed. */
export type ItemAction = 'add' | 'replace' | 'remove' | 'none';

/**
 * How one side of an item was seen. `read-back`: the bytes came back from the cloud and were hashed, or the
 * store named their MD5. `read`: the bytes on this disk were hashed. `listed`: a list has the item, with a
 * size at most. `assumed`: an earlier release recorded it. Only `read` and `read-back` prove content.
 */
export type SeenHow = 'read-back' | 'read' | 'listed' | 'assumed';

export interface PlanItem {
  readonly kind: ItemKind;
  /** NDI id of a document, uid of a file. */
  readonly id: string;
  /** Null for items that need no transfer. */
  readonly unit: number | null;
  readonly action: ItemAction;
  readonly state: ItemState;
  readonly sizeBytes: number;
  /** SHA-256 of the local side: canonical of a document; of a file when known. */
  readonly sha256Hex: string | null;
  readonly md5Hex: string | null;
  /** SHA-256 of a document's stored text. */
  readonly textHash: string | null;
  /** Modification time of a local file. */
  readonly mtimeMs: number | null;
  readonly inode: string | null;
  readonly cloudId: string | null;
  /**
   * Hash of the cloud's side: canonical SHA-256 of a document, MD5 of a file; null while nobody has read it.
   */
  readonly cloudHash: string | null;
  readonly cloudMd5Hex: string | null;
  readonly cloudHow: SeenHow | null;
  /** Hash that the cloud's document must still have when it is replaced. */
  readonly expectedHash: string | null;
  /**
   * The document that names a file; its logical name there and its path (relative to the dataset where
   * inside) follow.
   */
  readonly documentId: string | null;
  readonly name: string | null;
  readonly path: string | null;
  readonly errorCode: string | null;
  readonly errorDetail: string | null;
}

export type NewPlanItem = Pick<PlanItem, 'kind' | 'id' | 'unit' | 'state' | 'sizeBytes'> & Partial<PlanItem>;

/** `replacements`: documents that replace the cloud's, one request each. */
export type UnitKind = 'documents' | 'replacements' | 'file-zip' | 'file' | 'files';
export type UnitState = 'pending' | 'sending' | 'sent' | 'done';

export interface PlanUnit {
  readonly unit: number;
  readonly kind: UnitKind;
  /** Units of a wave may go at once; a wave waits for the one before. Files are wave 0. */
  readonly wave: number;
  readonly itemCount: number;
  readonly sizeBytes: number;
  readonly state: UnitState;
  /** The bulk upload job that carries the unit, written before its bytes go out. */
  readonly jobId: string | null;
}

export type NewPlanUnit = Pick<PlanUnit, 'unit' | 'kind' | 'wave' | 'itemCount' | 'sizeBytes'>;

export interface KindTotals {
  readonly total: number;
  readonly pending: number;
  readonly sending: number;
  readonly sent: number;
  readonly done: number;
  readonly skipped: number;
  readonly failed: number;
  /** Bytes of all items, and of those that are sent or done. */
  readonly bytesTotal: number;
  /** Bytes of what needed moving: all but the skipped and the failed. */
  readonly bytesToMove: number;
  readonly bytesDone: number;
}

export interface PlanTotals {
  readonly documents: KindTotals;
  readonly files: KindTotals;
  readonly units: number;
}

export interface Problem {
  readonly kind: ItemKind | 'dataset';
  readonly id: string;
  readonly code: string;
  readonly detail: string;
}

/** One side of an item, as it was when both sides last agreed (local), or as it was last seen (cloud). */
export interface SeenSide {
  /** Canonical SHA-256 of a document; SHA-256 of a file where somebody computed it. */
  readonly hash: string | null;
  readonly md5Hex: string | null;
  readonly sizeBytes: number | null;
  readonly how: SeenHow | null;
  /** ISO time; null in rows of an earlier release. */
  readonly seenAt: string | null;
}

export interface SeenLocal extends SeenSide {
  readonly textHash: string | null;
  readonly mtimeMs: number | null;
  readonly inode: string | null;
}

export interface BaseItem {
  readonly kind: ItemKind;
  readonly id: string;
  readonly cloudId: string | null;
  /** The document that names a file; its logical name there follows. */
  readonly documentId: string | null;
  readonly name: string | null;
  /** The content on which both sides agreed; null when that is not known. `schema.ts` says how it is written. */
  readonly agreedVersion: string | null;
  readonly local: SeenLocal;
  readonly cloud: SeenSide;
}

/** How an item differs between both sides. `new` and `equal` items are told by their action. */
export type Difference = 'changedHere' | 'changedThere' | 'goneHere' | 'onlyInCloud';

export type DifferenceCounts = { readonly [K in 'new' | 'equal' | Difference]: number };

/** An item that one side has deleted. */
export interface Tombstone {
  readonly kind: ItemKind;
  readonly id: string;
  readonly side: 'local' | 'cloud';
  readonly lastHash: string | null;
  readonly at: string;
  readonly runKey: string;
}

/** A row of the other side's listing. */
export interface ListingRow {
  /** NDI id, or uid. May repeat: the cloud knows no uniqueness. */
  readonly id: string;
  readonly cloudId: string | null;
  readonly sizeBytes: number | null;
  /** `uploaded` of a file's row; null where the row does not say. */
  readonly uploaded: boolean | null;
}

export interface ListingResult {
  readonly rows: number;
  readonly distinctIds: number;
  /** Equal for equal sets of rows, whatever their order: two passes that agree prove a listing. */
  readonly digest: string;
}

/** A change of items. Fields that are left out stay. */
export interface ItemChange {
  readonly state: ItemState;
  readonly cloudId?: string | undefined;
  readonly sha256Hex?: string | undefined;
  readonly md5Hex?: string | undefined;
  readonly sizeBytes?: number | undefined;
  readonly cloudHash?: string | undefined;
  readonly cloudMd5Hex?: string | undefined;
  readonly cloudHow?: SeenHow | undefined;
  readonly mtimeMs?: number | undefined;
  readonly inode?: string | undefined;
  readonly textHash?: string | undefined;
  readonly errorCode?: string | undefined;
  readonly errorDetail?: string | undefined;
}

/** The cloud's side of an item, as somebody read it. */
export interface CloudSeen {
  readonly id: string;
  readonly cloudId: string | null;
  readonly hash?: string | undefined;
  readonly md5Hex?: string | undefined;
  readonly sizeBytes?: number | undefined;
}
