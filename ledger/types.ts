/**
 * The ledger of one dataset: one SQLite file with base, plans, units and their journal, and audit.
 * Callers see these verbs, never SQL. All verbs are synchronous and durable when they return; any number of
 * processes may hold the same ledger. A `runKey` names one run of a workflow across retries and continue-as-new.
 */

import type { Fact } from './fact-keys.ts';
import type { LeaseLedger } from './lease.ts';
import type { ItemChange, RunLedger } from './run-ledger.ts';

export type ItemKind = 'document' | 'file';

/** Where a run moves items: `up` into the cloud, `down` from it. */
export type Direction = 'up' | 'down';

/**
 * pending → sending (intent written before the first byte) → sent (the other side took it) → done (verified in its
 * own listing). skipped: was there already. failed: listed as a problem; never fails its unit.
 */
export type ItemState = 'pending' | 'sending' | 'sent' | 'done' | 'skipped' | 'failed';

/** What the run does to the other side. `none` for items that are equal, or only listed. */
export type ItemAction = 'add' | 'replace' | 'remove' | 'none';

/**
 * How one side of an item was seen. `read-back`: the bytes came back from the cloud and were hashed, or the store named their MD5.
 * `read`: the bytes on this disk were hashed. `listed`: a list has the item, with a size at most. `assumed`: an earlier release
 * recorded it. Only `read` and `read-back` prove content.
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
  /** Of the local side: canonical SHA-256 of a document; of a file when known. */
  readonly sha256Hex: string | null;
  readonly md5Hex: string | null;
  /** SHA-256 of a document's stored text. */
  readonly textHash: string | null;
  /** Of a local file. */
  readonly mtimeMs: number | null;
  readonly inode: string | null;
  readonly cloudId: string | null;
  /** Of the cloud's side: canonical SHA-256 of a document, MD5 of a file; null while nobody has read them. */
  readonly cloudHash: string | null;
  readonly cloudMd5Hex: string | null;
  readonly cloudHow: SeenHow | null;
  /** Hash that the cloud's document must still have when it is replaced. */
  readonly expectedHash: string | null;
  /** Of a file: the document that names it, its logical name there, its path (relative to the dataset where inside). */
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
  /** Of a file: the document that names it, and its logical name there. */
  readonly documentId: string | null;
  readonly name: string | null;
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
  /** Of files: what the row says; null where it does not say. */
  readonly uploaded: boolean | null;
}

export interface ListingResult {
  readonly rows: number;
  readonly distinctIds: number;
  /** Equal for equal sets of rows, whatever their order: two passes that agree prove a listing. */
  readonly digest: string;
}

export interface Ledger {
  readonly path: string;

  /** The verbs of one run. With a fence, every verb that writes throws NDI_E_LEASE_LOST once the lease has another one. */
  run(runKey: string, fence?: number): RunLedger;
  /** Typed facts of the dataset, whichever run recorded them. Null forgets. */
  readonly facts: {
    get<Value>(fact: Fact<Value>): Value | undefined;
    set<Value>(fact: Fact<Value>, value: Value | null): void;
  };

  /** At most one run writes a dataset at a time. */
  readonly lease: LeaseLedger;

  /** Keeps the rows of a run from being pruned. Of runs kept for one reason, only the last is. */
  keepRun(runKey: string, reason: string): void;

  // The plan of a run.
  planState(runKey: string): 'absent' | 'building' | 'sealed';
  /** Starts a plan; an unsealed one of the same run is thrown away. Plans of ended runs are pruned (the last 5 are kept). */
  beginPlan(
    runKey: string,
    plan: { readonly operation: string; readonly direction: Direction; readonly cloudDatasetId: string },
  ): void;
  /** One transaction per call. */
  addItems(runKey: string, items: readonly NewPlanItem[]): void;
  addUnits(runKey: string, units: readonly NewPlanUnit[]): void;
  sealPlan(runKey: string): void;
  /** Opens a plan to add what its first items turned out to name; what is in it stays as it is. Seal it again. */
  reopenPlan(runKey: string): void;
  planTotals(runKey: string): PlanTotals;
  /** Whether another run of this ledger has sent the item into the same cloud dataset, whatever became of it. */
  wasSentBefore(runKey: string, kind: ItemKind, id: string): boolean;
  unit(runKey: string, unit: number): PlanUnit;
  /** Ordered by unit number; `after` pages on. */
  units(
    runKey: string,
    query: { readonly kinds: readonly UnitKind[]; readonly after?: number; readonly limit: number },
  ): PlanUnit[];
  /** In the order they were added, which for documents is dependency order. */
  unitItems(runKey: string, unit: number): PlanItem[];
  /** Streams; never holds the plan in memory. */
  items(
    runKey: string,
    query: { readonly kind: ItemKind; readonly states?: readonly ItemState[] },
  ): IterableIterator<PlanItem>;
  item(runKey: string, kind: ItemKind, id: string): PlanItem | undefined;
  /** Units that are not done, lowest wave first; `from`: of those numbered so and higher. */
  openUnits(
    runKey: string,
    query: { readonly kinds: readonly UnitKind[]; readonly from?: number; readonly limit: number },
  ): PlanUnit[];
  markUnit(
    runKey: string,
    unit: number,
    change: { readonly state?: UnitState; readonly jobId?: string | null },
  ): void;
  /** What was done and is there no more is to be done again. One transaction. */
  takeBack(runKey: string, kind: ItemKind, ids: readonly string[]): void;
  /** One transaction. What is done or skipped stays so, unless the change says that it is. */
  markItems(runKey: string, kind: ItemKind, ids: readonly string[], change: ItemChange): void;
  /** Puts items of these states back to pending in new units of at most so many items and bytes; returns the new units. */
  replan(
    runKey: string,
    query: {
      readonly kind: ItemKind;
      readonly states: readonly ItemState[];
      readonly unitKind: UnitKind;
      readonly maxItems: number;
      readonly maxBytes: number;
    },
  ): PlanUnit[];
  problems(runKey: string, limit: number): Problem[];
  problemCount(runKey: string): number;
  addProblem(runKey: string, problem: Problem): void;

  /** Records items that differ; done twice it is the same. Thrown away with an unsealed plan. */
  addDifferences(
    runKey: string,
    kind: ItemKind,
    what: Difference,
    items: ReadonlyArray<{ readonly id: string; readonly name?: string | null }>,
  ): void;
  differenceCounts(runKey: string, kind: ItemKind): DifferenceCounts;
  /** Ids and names of the items in one class, streamed. */
  differing(
    runKey: string,
    kind: ItemKind,
    what: keyof DifferenceCounts,
  ): IterableIterator<{ readonly id: string; readonly name: string | null }>;

  // Small facts of a run that must be on disk before the world is touched (a create mark, a chosen id).
  fact(runKey: string, key: string): string | undefined;
  setFact(runKey: string, key: string, value: string): void;
  /** The same of the dataset itself, whichever run said it. Null forgets. */
  datasetFact(key: string): string | undefined;
  setDatasetFact(key: string, value: string | null): void;

  // What the other side lists, kept in a table so that no listing is held in memory.
  /** Replaces the rows of an earlier listing of this run, kind and name. */
  beginListing(
    runKey: string,
    kind: ItemKind,
    name: string,
  ): { add(rows: readonly ListingRow[]): void; finish(): ListingResult };
  listing(runKey: string, kind: ItemKind, name: string): IterableIterator<ListingRow>;
  listed(runKey: string, kind: ItemKind, name: string, id: string): ListingRow | undefined;
  /** Rows whose id is listed more than once, grouped, cloud ids in ascending order. */
  listedTwice(
    runKey: string,
    kind: ItemKind,
    name: string,
  ): IterableIterator<{ readonly id: string; readonly cloudIds: readonly string[] }>;
  /**
   * Marks items of the plan by a listing: sending/sent/pending documents that are listed become done (with the smallest
   * cloud id); files become done when uploaded is not false and the size, where listed, is the planned one.
   * Returns how many of the plan are still neither done, skipped nor failed.
   */
  settleByListing(
    runKey: string,
    kind: ItemKind,
    name: string,
  ): { readonly open: number; readonly done: number };

  /**
   * How many documents earlier uploads into the same cloud dataset had sent when they ended, and this listing lacks. The cloud may
   * still be taking them in.
   */
  unsettledElsewhere(runKey: string, name: string): number;
  /** They were waited for: what is not listed by now was not taken in. */
  forgetUnsettledElsewhere(runKey: string): void;

  // Parts of a large download.
  parts(fileUid: string): PartJournal;

  // Base: the last state both sides agreed on, per item.
  /**
   * Copies the done and skipped items of a plan into the base, in one transaction. A base agreed on with another cloud
   * dataset than the plan's goes first: it says nothing about this one.
   */
  advanceBase(runKey: string): number;
  base(kind: ItemKind, id: string): BaseItem | undefined;
  /**
   * Notes what the cloud has now, without saying that both sides agree. Done twice it is the same. A base of another cloud dataset
   * goes first.
   */
  noteCloud(
    runKey: string,
    kind: ItemKind,
    seen: ReadonlyArray<{
      readonly id: string;
      readonly cloudId: string | null;
      readonly hash?: string | undefined;
      readonly md5Hex?: string | undefined;
      readonly sizeBytes?: number | undefined;
    }>,
  ): void;
  /** Records deletions; an earlier tombstone of the same item and side is replaced. */
  bury(tombstones: readonly Tombstone[]): void;
  tombstones(kind: ItemKind): IterableIterator<Tombstone>;
  unbury(kind: ItemKind, ids: readonly string[]): void;
  baseItems(kind: ItemKind): IterableIterator<BaseItem>;
  baseCount(kind: ItemKind): number;

  audit(runKey: string, action: string, detail: object): void;
  auditTrail(query: { readonly limit: number }): ReadonlyArray<{
    readonly at: string;
    readonly runKey: string;
    readonly action: string;
    readonly detail: object;
  }>;

  /** What `body` changes becomes durable as one: all or nothing, and one flush of the disk instead of many. Not async. */
  together<T>(body: () => T): T;
  /** As `together`, for what is found out again at little cost: a power cut may undo it, the death of a process does not. */
  lazily<T>(body: () => T): T;

  close(): void;
}

/** Structurally what `transfer` asks for, said here again because the ledger imports no room but `ndi`'s types. */
export interface PartJournal {
  load():
    | {
        readonly sizeBytes: number;
        readonly etag: string | undefined;
        readonly partSizeBytes: number;
        readonly done: readonly number[];
      }
    | undefined;
  begin(plan: {
    readonly sizeBytes: number;
    readonly etag: string | undefined;
    readonly partSizeBytes: number;
  }): void;
  markDone(part: number): void;
  clear(): void;
}
