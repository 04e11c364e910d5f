/**
 * Puts messages and stack traces of failures into a payload, where the codec encrypts them; otherwise they
 * stay clear text in the history. Part of the workflow bundle, so it may import nothing but
 * `@temporalio/common`.
 */
import { DefaultFailureConverter } from '@temporalio/common';

/** The name is what the SDK looks for in `failureConverterPath`. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
