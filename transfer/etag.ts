/** The identity of an object, as its store tells it. */
import { CourierError } from '../errors/index.ts';
import type { Headers } from './failures.ts';
import type { Digests } from './types.ts';

export interface ObjectTag {
  /** Without quotes and weak mark. */
  readonly etag: string | undefined;
  /** The ETag of a single PUT is the MD5 of its bytes. */
  readonly md5Hex: string | undefined;
}

export function objectTag(headers: Headers): ObjectTag {
  const quoted = headers.etag;
  const etag = typeof quoted === 'string' ? quoted.replace(/^W\//, '').replace(/^"(.*)"$/, '$1') : undefined;
  // With KMS or a customer's key an ETag looks like an MD5 and is none (NDI Cloud contract §10 no. 19).
  const encrypted =
    String(headers['x-amz-server-side-encryption'] ?? '').startsWith('aws:kms') ||
    headers['x-amz-server-side-encryption-customer-algorithm'] !== undefined;
  const md5Hex =
    etag !== undefined && !encrypted && /^[0-9a-fA-F]{32}$/.test(etag) ? etag.toLowerCase() : undefined;
  return { etag, md5Hex };
}

/**
 * Compares the MD5 of what arrived; without one, or without one to compare with, does nothing.
 * @throws NDI_E_INTEGRITY
 */
export function verifyDigests(
  target: string,
  { md5Hex }: Digests,
  wanted: readonly (string | undefined)[],
): void {
  if (md5Hex === '') return;
  if (wanted.some((one) => one !== undefined && one.toLowerCase() !== md5Hex)) {
    throw damaged(target, 'Its MD5 is not the expected one');
  }
}

export const damaged = (target: string, what: string): CourierError =>
  new CourierError('NDI_E_INTEGRITY', { detail: `${target}: ${what}.` });
