/** What people read of actions and reasons: in the tables of the docs, and on the screen. */
import type { SyncAction, SyncReason } from './types.ts';

export const ACTION_WORDS: Readonly<Record<SyncAction, string>> = {
  none: 'nothing',
  agree: 'nothing',
  forget: 'nothing',
  upload: 'upload',
  download: 'download',
  'update-cloud': 'update the cloud',
  'update-local': 'update here',
  'delete-cloud': 'delete in the cloud',
  'delete-local': 'delete here',
  'keep-both': 'keep both',
  merge: 'merge, or ask',
  conflict: 'ask',
  list: 'list only',
};

export const REASON_WORDS: Readonly<Record<SyncReason, string>> = {
  equal: 'equal on both sides',
  unchanged: 'unchanged',
  'new-here': 'new here',
  'new-there': 'new in the cloud',
  'changed-here': 'changed here',
  'changed-there': 'changed in the cloud',
  'deleted-here': 'deleted here',
  'deleted-there': 'deleted in the cloud',
  'deleted-on-both-sides': 'deleted on both sides',
  'came-back': 'deleted before, and there again',
  'not-listed': 'not in the cloud’s list, which is not whole',
  'missing-here': 'missing here',
  'missing-there': 'missing in the cloud',
  'extra-here': 'only here',
  'extra-there': 'only in the cloud',
  'edit-edit': 'changed on both sides',
  'edit-delete': 'changed here, deleted in the cloud',
  'delete-edit': 'deleted here, changed in the cloud',
  'two-places': 'different on both sides, never compared before',
  link: 'the link of this side',
  unreadable: 'cannot be read',
  'outside-the-rules': 'outside the rules of the run',
};

/** Reasons that are no difference between both sides. */
export const NO_DIFFERENCE: ReadonlySet<SyncReason> = new Set([
  'equal',
  'unchanged',
  'link',
  'unreadable',
  'outside-the-rules',
]);
