/**
 * What the planner reads and what it decides. Nothing here knows a database, a network or a clock.
 *
 * A version stands for the content of an item: the canonical hash of a document, the digest or size of a
 * file. Equal versions mean equal content, whichever side they were seen on.
 */
import type { ConflictPolicy } from './policies.ts';

export type Side = 'local' | 'cloud';

export type SyncMode = 'two-way' | 'download-new' | 'upload-new' | 'mirror-from-cloud' | 'mirror-to-cloud';

export type SyncItemKind = 'document' | 'file';

export type Aside = 'link' | 'unreadable';

/** An item that one side holds. */
export interface HeldItem {
  readonly id: string;
  /**
   * Null when nobody read the content: the item is under the cloud id that it had when both sides agreed, and
   * counts as unchanged.
   */
  readonly version: string | null;
  /** Of a document that one side lacks: the version of its content without its id. */
  readonly contentKey?: string | undefined;
  /** Class of a document, for rules and policies. */
  readonly className?: string | undefined;
  /** Name of a document, for rules and people. */
  readonly name?: string | undefined;
  /** A `dataset_remote` document, of which each side has its own, or one that cannot be read. */
  readonly aside?: Aside | undefined;
}

/** What the base knows of an item. */
export interface BaseVersion {
  readonly id: string;
  /** The version on which both sides agreed; null after a deletion that both sides have followed. */
  readonly agreed: string | null;
  /** The version that was deleted on both sides. */
  readonly buried?: string | undefined;
}

/** One item, as both sides and the base have it. */
export interface SyncItem {
  readonly id: string;
  readonly local: HeldItem | undefined;
  readonly cloud: HeldItem | undefined;
  readonly base: BaseVersion | undefined;
}

/**
 * What is to be done with an item.
 *
 * `none`: nothing. `agree`: both sides are equal, the base learns it. `forget`: both sides deleted it.
 * `upload`, `download`: the other side gets it. `update-cloud`, `update-local`: the other side's content is
 * replaced. `delete-cloud`, `delete-local`: into the trash. `keep-both`, `merge`: a conflict that a policy
 * settles. `conflict`: a conflict that waits for a person. `list`: a difference that is shown and left.
 */
export type SyncAction =
  | 'none'
  | 'agree'
  | 'forget'
  | 'upload'
  | 'download'
  | 'update-cloud'
  | 'update-local'
  | 'delete-cloud'
  | 'delete-local'
  | 'keep-both'
  | 'merge'
  | 'conflict'
  | 'list';

/** Why; each has its sentence in `sentences.ts`. */
export type SyncReason =
  | 'equal'
  | 'unchanged'
  | 'new-here'
  | 'new-there'
  | 'changed-here'
  | 'changed-there'
  | 'deleted-here'
  | 'deleted-there'
  | 'deleted-on-both-sides'
  | 'came-back'
  | 'not-listed'
  | 'missing-here'
  | 'missing-there'
  | 'extra-here'
  | 'extra-there'
  | 'edit-edit'
  | 'edit-delete'
  | 'delete-edit'
  | 'two-places'
  | 'link'
  | 'unreadable'
  | 'outside-the-rules';

export type ConflictKind = Extract<SyncReason, 'edit-edit' | 'edit-delete' | 'delete-edit' | 'two-places'>;

export interface Decision {
  readonly kind: SyncItemKind;
  readonly id: string;
  readonly action: SyncAction;
  readonly reason: SyncReason;
  /** The versions that the decision is about. Whoever acts on it makes sure that they still hold. */
  readonly local: string | null;
  readonly cloud: string | null;
  readonly base: string | null;
  readonly contentKey?: string | undefined;
}

export interface PlanOptions {
  readonly kind: SyncItemKind;
  readonly mode: SyncMode;
  /**
   * True when the base says nothing of these two sides: it is absent, or of another dataset, or older or newer
   * than a side. Then nothing is deleted.
   */
  readonly isBaseLost: boolean;
  /** Whether the cloud's list is known to be whole. Where it is not, what it lacks is not gone. */
  readonly isCloudComplete: boolean;
  /** Whether `two-way` passes deletions on. The mirrors do so by their meaning. */
  readonly deletes: boolean;
  /** The policy for a conflict about this item. */
  policyFor(item: HeldItem): ConflictPolicy;
  /** Whether a person has decided the conflict about this item: then a deletion may be passed on. */
  isDecided?(id: string): boolean;
  /** Whether the rules of this run include the item. */
  includes(item: HeldItem): boolean;
}
