/** Names under which an upload keeps the cloud's lists in its ledger. */

/** The lists that a plan compares with. */
export const BEFORE = 'before';
/** The lists that show what was taken in. */
export const AFTER = 'after';
