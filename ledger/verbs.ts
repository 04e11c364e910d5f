/** The verbs that the tables answer. */
import type { PartJournal } from '../transfer/types.ts';
import type { AgreedVersion } from './dataset-ledger.ts';
import type {
  BaseItem,
  CloudSeen,
  Difference,
  DifferenceCounts,
  Direction,
  ItemChange,
  ItemKind,
  ItemState,
  ListingResult,
  ListingRow,
  NewPlanItem,
  NewPlanUnit,
  PlanItem,
  PlanTotals,
  PlanUnit,
  Problem,
  Tombstone,
  UnitKind,
  UnitState,
} from './types.ts';

/**
 * The verbs of a ledger by run key, as the tables answer them. Only this room and its tests see them;
 * everybody else gets `Ledger`. All are synchronous and durable when they return; any number of processes may
 * hold the same ledger.
 */
export interface LedgerVerbs {
  readonly path: string;

  /** Keeps the rows of a run from being pruned. Of runs kept for one reason, only the last is. */
  keepRun(runKey: string, reason: string): void;

  // The plan of a run.
  planState(runKey: string): 'absent' | 'building' | 'sealed';
  /**
   * Starts a plan; an unsealed one of the same run is thrown away. Plans of ended runs are pruned (the last 5
   * are kept).
   */
  beginPlan(
    runKey: string,
    plan: { readonly operation: string; readonly direction: Direction; readonly cloudDatasetId: string },
  ): void;
  /** One transaction per call. */
  addItems(runKey: string, items: readonly NewPlanItem[]): void;
  addUnits(runKey: string, units: readonly NewPlanUnit[]): void;
  sealPlan(runKey: string): void;
  /**
   * Opens a plan to add what its first items turned out to name; what is in it stays as it is. Seal it again.
   */
  reopenPlan(runKey: string): void;
  planTotals(runKey: string): PlanTotals;
  /**
   * Whether another run of this ledger has sent the item into the same cloud dataset, whatever became of it.
   */
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
  /** Resets items from `done` to `pending` because their data is no longer on disk. One transaction. */
  takeBack(runKey: string, kind: ItemKind, ids: readonly string[]): void;
  /**
   * Items that the run has nothing to do with after all: they count no more, and the base does not learn of
   * them.
   */
  dropItems(runKey: string, kind: ItemKind, ids: readonly string[]): void;
  /** One transaction. What is done or skipped stays so, unless the change says that it is. */
  markItems(runKey: string, kind: ItemKind, ids: readonly string[], change: ItemChange): void;
  /**
   * Puts items of these states back to pending in new units of at most so many items and bytes; returns the
   * new units.
   */
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

  // Listings of the other side, in a table so that none is held in memory.
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
   * Marks items of the plan by a listing: sending/sent/pending documents that are listed become done (with
   * the smallest cloud id); files become done when uploaded is not false and the size, where listed, is the
   * planned one. Returns how many of the plan are still neither done, skipped nor failed.
   */
  settleByListing(
    runKey: string,
    kind: ItemKind,
    name: string,
  ): { readonly open: number; readonly done: number };

  /**
   * How many documents earlier uploads into the same cloud dataset had sent when they ended, and this listing
   * lacks. The cloud may still be taking them in.
   */
  unsettledElsewhere(runKey: string, name: string): number;
  /** They were waited for: what is not listed by now was not taken in. */
  forgetUnsettledElsewhere(runKey: string): void;

  // Parts of a large download.
  parts(fileUid: string): PartJournal;

  // Base: the last state both sides agreed on, per item.
  /**
   * Copies the done and skipped items of a plan into the base, in one transaction. A base agreed on with
   * another cloud dataset than the plan's goes first: it says nothing about this one.
   */
  advanceBase(runKey: string): number;
  /** The same of single items, at the moment at which they are done. */
  advanceBaseOf(runKey: string, kind: ItemKind, ids: readonly string[]): void;
  base(kind: ItemKind, id: string): BaseItem | undefined;
  /**
   * Notes what the cloud has now, without saying that both sides agree. Done twice it is the same. A base of
   * another cloud dataset goes first.
   */
  noteCloud(runKey: string, kind: ItemKind, seen: readonly CloudSeen[]): void;
  /** Records deletions; an earlier tombstone of the same item and side is replaced. */
  bury(tombstones: readonly Tombstone[]): void;
  tombstones(kind: ItemKind): IterableIterator<Tombstone>;
  unbury(kind: ItemKind, ids: readonly string[]): void;
  baseItems(kind: ItemKind): IterableIterator<BaseItem>;
  baseCount(kind: ItemKind): number;
  /** Base and tombstones, in the order of ids. */
  baseVersions(kind: ItemKind): IterableIterator<AgreedVersion>;
  forgetBase(kind: ItemKind, ids: readonly string[]): void;
  forgetWholeBase(): void;

  audit(runKey: string, action: string, detail: object): void;
  auditTrail(query: { readonly limit: number }): ReadonlyArray<{
    readonly at: string;
    readonly runKey: string;
    readonly action: string;
    readonly detail: object;
  }>;

  /**
   * What `body` changes becomes durable as one: all or nothing, and one flush of the disk instead of many.
   * Not async.
   */
  together<T>(body: () => T): T;
  /**
   * As `together`, for what is found out again at little cost: a power cut may undo it, the death of a
   * process does not.
   */
  lazily<T>(body: () => T): T;

  close(): void;
}
