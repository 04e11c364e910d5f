/** What an object store says about the identity of an object. */
import type { Headers } from './failures.ts';

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
