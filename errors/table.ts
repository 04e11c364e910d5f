/**
 * Every error a person can meet, once, in three parts. `docs/errors.md` is generated from this table.
 *
 * - A code is stable and is never re-used for something else.
 * - `class`, `about` and `effect` decide what a run does; they are decided here, where the knowledge is, and
 *   nowhere else.
 * - `sentence` is what a lab member reads; `nextStep` is what they can do about it.
 */

import { CLOUD_ERRORS } from './cloud-errors.ts';
import { DATASET_ERRORS } from './dataset-errors.ts';
import { SERVICE_ERRORS } from './service-errors.ts';

export const ERRORS = { ...DATASET_ERRORS, ...CLOUD_ERRORS, ...SERVICE_ERRORS } as const;

export type ErrorCode = keyof typeof ERRORS;
