/** The verbs of a dataset, whichever run asks: base, facts, lease, parts, audit. */
import type { PartJournal } from '../transfer/types.ts';
import type { ConflictLedger } from './conflicts.ts';
import type { Fact } from './fact-keys.ts';
import type { LeaseLedger } from './lease.ts';
import type { PruneLedger } from './prune.ts';
import type { BaseBodyLedger } from './sync-ledger.ts';
import type { BaseItem, ItemKind, Tombstone } from './types.ts';

/** Per item, what was seen of each side. `base.ts` says what a row proves. */
export interface BaseLedger {
  item(kind: ItemKind, id: string): BaseItem | undefined;
  /** All items of a kind in the order of their ids; streams. */
  items(kind: ItemKind): IterableIterator<BaseItem>;
  count(kind: ItemKind): number;
  /** What a planner compares both sides with, tombstones included, in the order of ids; streams. */
  versions(kind: ItemKind): IterableIterator<AgreedVersion>;
  /** Items that both sides have deleted. */
  forget(kind: ItemKind, ids: readonly string[]): void;
  /** The base says nothing of these two sides: all of it goes, tombstones and kept bodies, too. */
  forgetAll(): void;
}

export interface AgreedVersion {
  readonly id: string;
  /** Null for an item that both sides have deleted. */
  readonly agreed: string | null;
  /** The version that was deleted. */
  readonly buried?: string;
}

export interface TombstoneLedger {
  /** Records deletions. An earlier tombstone of the same item and side is replaced. */
  add(tombstones: readonly Tombstone[]): void;
  each(kind: ItemKind): IterableIterator<Tombstone>;
  /** Does nothing for items that have none. */
  remove(kind: ItemKind, ids: readonly string[]): void;
}

export interface AuditEntry {
  readonly at: string;
  readonly runKey: string;
  readonly action: string;
  readonly detail: object;
}

export interface DatasetLedger {
  readonly path: string;
  /** At most one run writes a dataset at a time. */
  readonly lease: LeaseLedger;
  readonly base: BaseLedger;
  readonly tombstones: TombstoneLedger;
  /** Bodies as both sides agreed on them. */
  readonly baseBodies: BaseBodyLedger;
  /** The inbox. */
  readonly conflicts: ConflictLedger;
  /** Facts of the dataset. Null forgets. */
  readonly facts: {
    get<Value>(fact: Fact<Value>): Value | undefined;
    set<Value>(fact: Fact<Value>, value: Value | null): void;
  };
  /** Parts of a large download, by the uid of its file: the next run goes on with what this one left. */
  parts(fileUid: string): PartJournal;
  /** Keeps the rows of a run from being pruned. Of runs kept for one reason, only the last is. */
  keepRun(runKey: string, reason: string): void;
  /** Old runs, and how their rows are removed. */
  readonly oldRuns: PruneLedger;
  /** The newest entries first. */
  auditTrail(query: { readonly limit: number }): readonly AuditEntry[];
  /** One transaction: all or nothing, one flush of the disk. `body` is not async. */
  together<T>(body: () => T): T;
}
