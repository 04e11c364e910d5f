/** The verbs of one run, in groups that say whose they are. */
import type { DatasetLedger } from './dataset-ledger.ts';
import type { Fact } from './fact-keys.ts';
import type { SyncLedger } from './sync-ledger.ts';
import type {
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
  UnitKind,
  UnitState,
} from './types.ts';

export interface PlanLedger {
  state(): 'absent' | 'building' | 'sealed';
  /** Starts a plan. Called twice before `seal`, the second call throws the first plan away. */
  begin(plan: {
    readonly operation: string;
    readonly direction: Direction;
    readonly cloudDatasetId: string;
  }): void;
  seal(): void;
  /** Opens a sealed plan to add items; what is in it stays. Seal it again. */
  reopen(): void;
  totals(): PlanTotals;
}

export interface ItemLedger {
  /** One transaction per call. */
  add(items: readonly NewPlanItem[]): void;
  get(kind: ItemKind, id: string): PlanItem | undefined;
  /**
   * Streams in the order of adding; never holds the plan in memory. The caller may write or await between
   * items.
   */
  each(query: {
    readonly kind: ItemKind;
    readonly states?: readonly ItemState[];
  }): IterableIterator<PlanItem>;
  /** In the order they were added, which for documents is dependency order. */
  ofUnit(unit: number): PlanItem[];
  /**
   * One transaction. An item that is done or skipped stays so, unless the change says `done` or `skipped`.
   */
  mark(kind: ItemKind, ids: readonly string[], change: ItemChange): void;
  /** Resets items from `done` to `pending` because their data is no longer on disk. One transaction. */
  takeBack(kind: ItemKind, ids: readonly string[]): void;
  /** Items that the run has nothing to do with after all. */
  drop(kind: ItemKind, ids: readonly string[]): void;
  /**
   * Whether another run of this ledger has sent the item into the same cloud dataset, whatever became of it.
   */
  wasSentBefore(kind: ItemKind, id: string): boolean;
}

export interface UnitLedger {
  add(units: readonly NewPlanUnit[]): void;
  get(unit: number): PlanUnit;
  /** Ordered by unit number; `after` pages on. */
  list(query: {
    readonly kinds: readonly UnitKind[];
    readonly after?: number;
    readonly limit: number;
  }): PlanUnit[];
  /** Units that are not done, lowest wave first; `from` is the lowest unit number wanted. */
  open(query: {
    readonly kinds: readonly UnitKind[];
    readonly from?: number;
    readonly limit: number;
  }): PlanUnit[];
  mark(unit: number, change: { readonly state?: UnitState; readonly jobId?: string | null }): void;
  /**
   * Puts items of these states back to pending in new units of at most so many items and bytes; returns the
   * new units.
   */
  replan(query: {
    readonly kind: ItemKind;
    readonly states: readonly ItemState[];
    readonly unitKind: UnitKind;
    readonly maxItems: number;
    readonly maxBytes: number;
  }): PlanUnit[];
}

export interface ListingLedger {
  /** Replaces the rows of an earlier listing of this run, kind and name once it is finished. */
  begin(kind: ItemKind, name: string): { add(rows: readonly ListingRow[]): void; finish(): ListingResult };
  rows(kind: ItemKind, name: string): IterableIterator<ListingRow>;
  row(kind: ItemKind, name: string, id: string): ListingRow | undefined;
  /** Rows whose id is listed more than once, grouped, cloud ids in ascending order. */
  twice(
    kind: ItemKind,
    name: string,
  ): IterableIterator<{ readonly id: string; readonly cloudIds: readonly string[] }>;
  /** Marks items that the listing proves as done; returns how many are still open and how many are done. */
  settle(kind: ItemKind, name: string): { readonly open: number; readonly done: number };
  /** Documents that earlier uploads into the same cloud dataset sent, and this listing lacks. */
  unsettledElsewhere(name: string): number;
  forgetUnsettledElsewhere(): void;
}

export interface RunLedger {
  readonly runKey: string;
  /** The verbs of the dataset, whichever run asks. */
  readonly dataset: DatasetLedger;
  readonly plan: PlanLedger;
  readonly items: ItemLedger;
  readonly units: UnitLedger;
  readonly listings: ListingLedger;
  readonly problems: {
    /** Called twice with the same kind, id and code, the second call replaces the detail. */
    add(problem: Problem): void;
    list(limit: number): Problem[];
    count(): number;
  };
  /** Items that differ between both sides, as the run found them. */
  readonly differences: {
    add(kind: ItemKind, what: Difference, items: ReadonlyArray<{ id: string; name?: string | null }>): void;
    counts(kind: ItemKind): DifferenceCounts;
    each(
      kind: ItemKind,
      what: keyof DifferenceCounts,
    ): IterableIterator<{ readonly id: string; readonly name: string | null }>;
  };
  readonly facts: {
    get<Value>(fact: Fact<Value>): Value | undefined;
    set<Value>(fact: Fact<Value>, value: Value): void;
  };
  /** What a sync saw of both sides, and what it decided. */
  readonly sync: SyncLedger;
  /** Copies the done and skipped items of the plan into the base, in one transaction; returns how many. */
  advanceBase(): number;
  /** The same of single items, at the moment at which they are done. */
  advanceBaseOf(kind: ItemKind, ids: readonly string[]): void;
  /** Notes what the cloud has now, without saying that both sides agree. Done twice it is the same. */
  noteCloud(kind: ItemKind, seen: readonly CloudSeen[]): void;
  audit(action: string, detail: object): void;
  /** One transaction: all or nothing, one flush of the disk. `body` is not async. */
  together<T>(body: () => T): T;
  /** A transaction that a power cut may undo; the death of a process does not. */
  lazily<T>(body: () => T): T;
}
