/** Errors say what they are about and whether a request acted; runs decide by that alone. */
import { describe, expect, it } from 'vitest';
import { CourierError, ERRORS, type ErrorCode, isAboutItem, mayHaveActed, wasRefused } from './index.ts';

const where = (is: (error: CourierError) => boolean): string[] =>
  (Object.keys(ERRORS) as ErrorCode[]).filter((code) => is(new CourierError(code))).toSorted();

describe('the traits of an error', () => {
  it('leave a request in doubt after a lost or senseless answer, and after nothing else', () => {
    expect(where(mayHaveActed)).toEqual([
      'NDI_E_ANSWER_TOO_LARGE',
      'NDI_E_BAD_ANSWER',
      'NDI_E_CLOUD_UNAVAILABLE',
      'NDI_E_GATEWAY_TIMEOUT',
      'NDI_E_INTERNAL',
      'NDI_E_NETWORK',
      'NDI_E_STALLED',
    ]);
    expect(wasRefused(new Error('given up'))).toBe(false);
    // Given up by us, with the request on its way.
    expect(wasRefused(new CourierError('NDI_E_CANCELLED'))).toBe(false);
    expect(mayHaveActed(new Error('given up'))).toBe(false);
  });

  it('list one item for what can never work for it, and for nothing that may pass or concerns a login', () => {
    for (const code of [
      'NDI_E_FILE_MISSING',
      'NDI_E_FILE_CHANGED',
      'NDI_E_BAD_JSON',
      'NDI_E_ARCHIVED',
    ] as const)
      expect(isAboutItem(new CourierError(code))).toBe(true);
    for (const code of [
      'NDI_E_URL_EXPIRED',
      'NDI_E_INTEGRITY',
      'NDI_E_LOGIN_EXPIRED',
      'NDI_E_DISK_FULL',
    ] as const)
      expect(isAboutItem(new CourierError(code))).toBe(false);
    expect(where((error) => isAboutItem(error) && error.effect === 'unknown')).toEqual([]);
  });
});
