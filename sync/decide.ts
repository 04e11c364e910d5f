/**
 * The decision for one item: a pure function of what both sides and the base have of it. The rules are those
 * that careful synchronisers keep (peers §3.1); each is quoted where it is obeyed.
 *
 * A side stands to the base as
 *   absent   not there, and never was          new      there, and the base does not know it
 *   gone     not there, and the base has it    same     there, with the content of the base
 *                                              edited   there, with other content
 */
import { assertNever } from '../errors/index.ts';
import type { ConflictPolicy } from './policies.ts';
import type {
  BaseVersion,
  ConflictKind,
  Decision,
  HeldItem,
  PlanOptions,
  Side,
  SyncAction,
  SyncItem,
  SyncReason,
} from './types.ts';

type Standing = 'absent' | 'gone' | 'new' | 'same' | 'edited';

type Verdict = readonly [action: SyncAction, reason: SyncReason];

interface Case {
  readonly local: Standing;
  readonly cloud: Standing;
  readonly policy: ConflictPolicy;
  readonly isDecided: boolean;
}

export function decide(item: SyncItem, options: PlanOptions): Decision {
  const [action, reason] = judge(item, options);
  const contentKey = item.local?.contentKey ?? item.cloud?.contentKey;
  return {
    kind: options.kind,
    id: item.id,
    action,
    reason,
    local: versionOf(item.local, item.base),
    cloud: versionOf(item.cloud, item.base),
    base: item.base?.agreed ?? null,
    ...(contentKey === undefined ? {} : { contentKey }),
  };
}

/** Content that nobody read is that of the base. */
const versionOf = (held: HeldItem | undefined, base: BaseVersion | undefined): string | null =>
  held === undefined ? null : (held.version ?? base?.agreed ?? null);

function judge(item: SyncItem, options: PlanOptions): Verdict {
  const held = item.local ?? item.cloud;
  const aside = item.local?.aside ?? item.cloud?.aside;
  if (aside !== undefined) return ['none', aside];
  // Rule 15: items outside the rules are unknown, not deleted.
  if (held !== undefined && !options.includes(held)) return ['none', 'outside-the-rules'];
  // Rule 3: a lost base must never produce a delete. Without it, all items are new.
  const base = options.isBaseLost || isFileOfOneSide(item, options) ? undefined : item.base;
  if (held !== undefined && isBuried(item, base)) return ['list', 'came-back'];
  // Rule 4: absence needs proof.
  if (item.cloud === undefined && isKnown(base) && !options.isCloudComplete) return ['list', 'not-listed'];
  if (isEqual(item)) {
    return base?.agreed === item.local?.version ? ['none', 'equal'] : ['agree', 'equal'];
  }
  const state: Case = {
    local: standing(item.local, base),
    cloud: standing(item.cloud, base),
    policy: held === undefined ? 'ask' : options.policyFor(held),
    isDecided: options.isDecided?.(item.id) ?? false,
  };
  if (held === undefined) return [isKnown(base) ? 'forget' : 'none', 'deleted-on-both-sides'];
  if (state.local === 'same' && state.cloud === 'same') return ['none', 'unchanged'];
  return byMode(state, options);
}

/** Rule 6: the same content on both sides is never a conflict, whatever the history. */
const isEqual = ({ local, cloud }: SyncItem): boolean =>
  local !== undefined && cloud !== undefined && local.version !== null && local.version === cloud.version;

/**
 * A file has no deletion of its own: it goes with the documents that name it. One that a document names and
 * that is not there is missing.
 */
const isFileOfOneSide = ({ local, cloud }: SyncItem, { kind }: PlanOptions): boolean =>
  kind === 'file' && (local === undefined || cloud === undefined);

const isKnown = (base: BaseVersion | undefined): boolean => (base?.agreed ?? null) !== null;

/** A document that both sides deleted and that one side has again, with the content that was deleted. */
function isBuried({ local, cloud }: SyncItem, base: BaseVersion | undefined): boolean {
  if (base?.buried === undefined || base.agreed !== null) return false;
  if (local !== undefined && cloud !== undefined) return false;
  const version = (local ?? cloud)?.version ?? null;
  return version === null || version === base.buried;
}

function standing(held: HeldItem | undefined, base: BaseVersion | undefined): Standing {
  if (held === undefined) return isKnown(base) ? 'gone' : 'absent';
  if (!isKnown(base)) return 'new';
  return held.version === null || held.version === base?.agreed ? 'same' : 'edited';
}

function byMode(state: Case, options: PlanOptions): Verdict {
  const { mode } = options;
  switch (mode) {
    case 'two-way':
      return twoWay(state, options);
    case 'download-new':
      return takeNew(state, 'cloud', options);
    case 'upload-new':
      return takeNew(state, 'local', options);
    case 'mirror-from-cloud':
      return mirror(state, 'cloud', options);
    case 'mirror-to-cloud':
      return mirror(state, 'local', options);
    default:
      return assertNever(mode);
  }
}

const ACTIONS = {
  local: { add: 'upload', update: 'update-cloud', remove: 'delete-cloud' },
  cloud: { add: 'download', update: 'update-local', remove: 'delete-local' },
} as const satisfies Record<Side, Record<string, SyncAction>>;

const REASONS = {
  local: {
    new: 'new-here',
    changed: 'changed-here',
    deleted: 'deleted-here',
    missing: 'missing-here',
    extra: 'extra-here',
  },
  cloud: {
    new: 'new-there',
    changed: 'changed-there',
    deleted: 'deleted-there',
    missing: 'missing-there',
    extra: 'extra-there',
  },
} as const satisfies Record<Side, Record<string, SyncReason>>;

const otherSide = (side: Side): Side => (side === 'local' ? 'cloud' : 'local');

/** Propagates what one side did while the other stood still; anything else is a conflict. */
function twoWay(state: Case, options: PlanOptions): Verdict {
  for (const side of ['local', 'cloud'] as const) {
    const here = state[side];
    const there = state[otherSide(side)];
    if (here === 'new' && there === 'absent') return [ACTIONS[side].add, newOrMissing(side, options)];
    if (here === 'edited' && there === 'same') return [ACTIONS[side].update, REASONS[side].changed];
    if (here === 'gone' && there === 'same') {
      const { remove } = ACTIONS[side];
      return [options.deletes ? remove : 'list', REASONS[side].deleted];
    }
  }
  return settle(state, conflictOf(state), options);
}

/** A file that only one side has may be new there, or missing on the other: its document decides who lacks it. */
const newOrMissing = (side: Side, { kind }: PlanOptions): SyncReason =>
  kind === 'file' ? REASONS[otherSide(side)].missing : REASONS[side].new;

/**
 * The clients' DownloadNew and UploadNew (contract §6.3): what `from` has and the base does not know. A
 * document that the other side has deleted since does not come back.
 */
function takeNew(state: Case, from: Side, options: PlanOptions): Verdict {
  const there = state[otherSide(from)];
  if (state[from] === 'new' && there === 'absent') return [ACTIONS[from].add, newOrMissing(from, options)];
  return ['list', difference(state)];
}

/** The other side becomes as `from` is (contract §6.3). */
function mirror(state: Case, from: Side, options: PlanOptions): Verdict {
  const to = otherSide(from);
  const source = state[from];
  const target = state[to];
  if (source === 'new' || source === 'same' || source === 'edited') {
    if (target === 'absent' || target === 'gone')
      return [ACTIONS[from].add, options.kind === 'file' ? REASONS[to].missing : difference(state)];
    return [ACTIONS[from].update, difference(state)];
  }
  if (options.kind === 'file') return ['list', REASONS[to].extra];
  // Rule 5: delete against edit keeps the edit; the delete becomes an entry of the inbox.
  if (source === 'gone' && target === 'edited') return settle(state, conflictOf(state), options);
  const reason = source === 'gone' ? REASONS[from].deleted : REASONS[to].extra;
  return [options.isBaseLost ? 'list' : ACTIONS[from].remove, reason];
}

/** The reason of a difference that no conflict is made of. */
function difference({ local, cloud }: Case): SyncReason {
  if (local === 'gone') return 'deleted-here';
  if (cloud === 'gone') return 'deleted-there';
  if (local === 'new' && cloud === 'new') return 'two-places';
  if (local === 'edited' && cloud === 'edited') return 'edit-edit';
  if (local === 'new') return 'new-here';
  if (cloud === 'new') return 'new-there';
  return local === 'edited' ? 'changed-here' : 'changed-there';
}

function conflictOf({ local, cloud }: Case): ConflictKind {
  if (local === 'gone') return 'delete-edit';
  if (cloud === 'gone') return 'edit-delete';
  return local === 'new' ? 'two-places' : 'edit-edit';
}

function settle(state: Case, kind: ConflictKind, options: PlanOptions): Verdict {
  const isDeletion = kind === 'edit-delete' || kind === 'delete-edit';
  const { policy } = state;
  switch (policy) {
    case 'ask':
      return ['conflict', kind];
    case 'local':
    case 'cloud':
      return isDeletion ? settleDeletion(state, policy, kind, options) : [ACTIONS[policy].update, kind];
    case 'keep-both':
      // A file is named by its uid: there is no second name to keep it under.
      if (options.kind === 'file') return ['conflict', kind];
      return isDeletion ? [ACTIONS[editor(state)].add, kind] : ['keep-both', kind];
    case 'merge':
      return [isDeletion || options.kind === 'file' ? 'conflict' : 'merge', kind];
    default:
      return assertNever(policy);
  }
}

const editor = ({ local }: Case): Side => (local === 'gone' ? 'cloud' : 'local');

/** The side that a policy prefers has deleted the document, or edited it. */
function settleDeletion(state: Case, winner: Side, kind: ConflictKind, options: PlanOptions): Verdict {
  if (state[winner] !== 'gone') return [ACTIONS[winner].add, kind];
  const mayDelete = options.deletes || state.isDecided || options.mode.startsWith('mirror');
  return [mayDelete ? ACTIONS[winner].remove : 'conflict', kind];
}
