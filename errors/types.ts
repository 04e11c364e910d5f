/** The traits of an error, by which runs decide. */

/**
 * A run's reaction to an error:
 * `retryable` try again later, without end · `permanent` this will never work as asked ·
 * `needs-login` park until credentials work again · `needs-person` park until a person decides ·
 * `waits-for-run` wait until another run has ended · `moved` the world changed under the plan: plan again.
 */
export type ErrorClass =
  | 'retryable'
  | 'permanent'
  | 'needs-login'
  | 'needs-person'
  | 'waits-for-run'
  | 'moved';

/** Whether an error that arises in work on one document or file concerns only that item, or the whole run. */
export type ErrorAbout = 'item' | 'run';

/**
 * Whether the request that failed may have acted: `none` it did nothing, so it may be repeated; `unknown`
 * look before repeating it (contract §10 no. 3).
 */
export type ErrorEffect = 'none' | 'unknown';

export interface ErrorEntry {
  readonly class: ErrorClass;
  readonly about: ErrorAbout;
  readonly effect: ErrorEffect;
  readonly sentence: string;
  readonly nextStep: string;
}

/** One row of the table. */
export const entry = (
  [errorClass, about, effect]: readonly [ErrorClass, ErrorAbout, ErrorEffect],
  sentence: string,
  nextStep: string,
): ErrorEntry => ({ class: errorClass, about, effect, sentence, nextStep });
