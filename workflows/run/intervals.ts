/** How long a parked step waits between two looks. Pure, in milliseconds. */

const PERSON_MIN_MS = 30_000;
const PERSON_MAX_MS = 3_600_000;
const ROOM_MIN_MS = 2_000;
const ROOM_MAX_MS = 60_000;
const OTHER_RUN_MIN_MS = 1_000;
const OTHER_RUN_MAX_MS = 900_000;
const SITE_TIMEOUT_MAX_MS = 6 * 3_600_000;

/**
 * While a run waits for a login or a person: 30 s, doubling up to an hour, as a cloud may refuse by mistake.
 */
export const personIntervalMs = (looks: number): number =>
  Math.min(PERSON_MIN_MS * 2 ** looks, PERSON_MAX_MS);

/**
 * How often a full disk is looked at, within one activity: 2 s, longer for a disk that was full again right
 * after it had room.
 */
export const roomIntervalMs = (fullBefore: number): number =>
  Math.min(ROOM_MIN_MS * 1.2 ** fullBefore, ROOM_MAX_MS);

/**
 * While another run holds the dataset: 1 s, growing by half up to 15 minutes. Each look adds about 12 history
 * events.
 */
export const otherRunIntervalMs = (looks: number): number =>
  Math.min(OTHER_RUN_MIN_MS * 1.5 ** looks, OTHER_RUN_MAX_MS);

/**
 * How long a site may leave an activity untouched. Doubles with every silence up to 6 hours: a scheduled
 * activity is taken up the moment the site comes back, so waiting longer costs nothing, while every round
 * costs history.
 */
export const siteTimeoutMs = (firstMs: number, silences: number): number =>
  Math.min(firstMs * 2 ** silences, SITE_TIMEOUT_MAX_MS);
