/**
 * Presigned URLs in the manner of S3's query authentication (NDI Cloud contract §3.3): method, key, start and
 * lifetime are signed; the host is not, so that state outlives a change of port.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export type SignedMethod = 'GET' | 'PUT';

export interface Signer {
  /** A URL for one method on one key. `ttlSeconds` may be 0: a URL that is dead on arrival. */
  url(method: SignedMethod, key: string, ttlSeconds: number): string;
  verify(method: string, key: string, query: URLSearchParams): SignatureVerdict;
}

export type SignatureVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly why: 'missing' | 'mismatch' }
  | { readonly ok: false; readonly why: 'expired'; readonly expiresMs: number };

/** `20250322T010138Z`, the form S3 uses. */
const amzDate = (ms: number): string => new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '');

const fromAmzDate = (text: string): number =>
  Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));

export const encodeKey = (key: string): string => key.split('/').map(encodeURIComponent).join('/');

export function createSigner(deps: { secret: Buffer; baseUrl: () => string; now: () => number }): Signer {
  const { secret, baseUrl, now } = deps;
  const sign = (method: string, key: string, date: string, expires: string): string =>
    createHmac('sha256', secret).update(`${method}\n${key}\n${date}\n${expires}`).digest('hex');
  return {
    url: (method, key, ttlSeconds) => {
      const date = amzDate(now());
      const expires = String(Math.floor(ttlSeconds));
      const credential = `SANDBOX%2F${date.slice(0, 8)}%2Fus-east-1%2Fs3%2Faws4_request`;
      const signature = sign(method, key, date, expires);
      return `${baseUrl()}/${encodeKey(key)}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Credential=${credential}&X-Amz-Date=${date}&X-Amz-Expires=${expires}&X-Amz-Signature=${signature}&X-Amz-SignedHeaders=host&x-id=${method === 'GET' ? 'GetObject' : 'PutObject'}`;
    },
    verify: (method, key, query) => {
      const given = query.get('X-Amz-Signature');
      const date = query.get('X-Amz-Date');
      const expires = query.get('X-Amz-Expires');
      if (given === null || date === null || expires === null) return { ok: false, why: 'missing' };
      const wanted = sign(method, key, date, expires);
      const fits = given.length === wanted.length && timingSafeEqual(Buffer.from(given), Buffer.from(wanted));
      if (!fits) return { ok: false, why: 'mismatch' };
      const expiresMs = fromAmzDate(date) + Number(expires) * 1000;
      return now() < expiresMs ? { ok: true } : { ok: false, why: 'expired', expiresMs };
    },
  };
}
