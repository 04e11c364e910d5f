/** What a sync keeps of one run: what it saw of both sides, what it decided, and texts on their way. */
import type { ItemKind } from './types.ts';

/** `wanted`: files that documents here name, and that are not here. */
export type SyncSide = 'local' | 'cloud' | 'wanted';

/** An item as a side has it. */
export interface Observation {
  readonly id: string;
  /** Null when the cloud has it under the id of the base and nobody read it. */
  readonly version: string | null;
  readonly contentKey: string | null;
  readonly className: string | null;
  readonly name: string | null;
  /** `link` or `unreadable`: no sync moves it. */
  readonly aside: string | null;
  readonly cloudId: string | null;
  readonly sizeBytes: number | null;
  /** SHA-256 of a document's stored text. */
  readonly textHash: string | null;
  readonly mtimeMs: number | null;
  readonly inode: string | null;
  /** The document that names a file. */
  readonly documentId: string | null;
  readonly path: string | null;
}

export type NewObservation = Pick<Observation, 'id' | 'version'> & Partial<Observation>;

export type DecisionState = 'open' | 'done' | 'moved' | 'failed';

/** A decision of the planner, as it is kept. Its words are those of `sync/`. */
export interface KeptDecision {
  readonly kind: ItemKind;
  readonly id: string;
  readonly action: string;
  readonly reason: string;
  readonly local: string | null;
  readonly cloud: string | null;
  readonly base: string | null;
  readonly contentKey: string | null;
  readonly cloudId: string | null;
  readonly name: string | null;
  readonly isHeld: boolean;
  readonly state: DecisionState;
}

export type NewDecision = Omit<KeptDecision, 'state'>;

export interface KeptBody {
  readonly id: string;
  readonly version: string;
  readonly text: string;
}

export interface DecisionCount {
  readonly kind: ItemKind;
  readonly action: string;
  readonly reason: string;
  readonly isHeld: boolean;
  readonly state: DecisionState;
  readonly count: number;
}

export interface SyncLedger {
  /** Forgets what an earlier try saw of this side and kind. */
  forgetObservations(side: SyncSide, kind: ItemKind): void;
  /** One transaction per call. A row of the same id is replaced. */
  observe(side: SyncSide, kind: ItemKind, rows: readonly NewObservation[]): void;
  /** Takes over what another run saw; returns how many items. */
  copyObservations(fromRunKey: string, side: SyncSide, kind: ItemKind): number;
  /** In the order of ids; streams. */
  observed(side: SyncSide, kind: ItemKind): IterableIterator<Observation>;
  observation(side: SyncSide, kind: ItemKind, id: string): Observation | undefined;
  /** Throws an earlier plan of this run away. */
  forgetDecisions(): void;
  /** One transaction per call. */
  addDecisions(decisions: readonly NewDecision[]): void;
  /** Forgets what other runs of this ledger saw and decided. */
  forgetOthers(): void;
  /** In the order of ids; streams. */
  decisions(query: {
    readonly kind: ItemKind;
    /** Default: all. */
    readonly actions?: readonly string[];
    readonly states?: readonly DecisionState[];
    /** True: those that wait for an approval, too. */
    readonly held: boolean;
  }): IterableIterator<KeptDecision>;
  decision(kind: ItemKind, id: string): KeptDecision | undefined;
  markDecisions(kind: ItemKind, ids: readonly string[], state: DecisionState): void;
  /** Decisions of this action wait for an approval from now on; returns how many. */
  hold(action: string): number;
  /** A person has approved: nothing waits any more. */
  releaseHeld(): void;
  counts(): readonly DecisionCount[];
  /** Texts on their way, one per document. */
  keepBodies(bodies: readonly KeptBody[]): void;
  body(id: string): KeptBody | undefined;
  /** The version of the text that is kept. */
  bodyVersion(id: string): string | undefined;
  dropBodies(): void;
}

/** Bodies as both sides agreed on them. */
export interface BaseBodyLedger {
  /** Stores what fits under `maxBytes` of compressed text in all; what is there in this version stays. */
  keep(bodies: readonly KeptBody[], maxBytes: number): void;
  /** The text of this version; undefined when it is not kept. */
  text(id: string, version: string): string | undefined;
  /** Whether the text of this version is kept. */
  has(id: string, version: string): boolean;
  remove(ids: readonly string[]): void;
  totals(): { readonly count: number; readonly bytes: number };
}
