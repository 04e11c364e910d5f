/** The MD5 of a file in the cloud, asked of its store. */
import { type ErrorCode, isCourierError } from '../../errors/index.ts';
import { objectMd5 } from '../../transfer/object-md5.ts';
import type { RunScope } from '../deps.ts';
import { backoffMs, sleep } from './poll.ts';

/**
 * With one request in five failing, four attempts at each of a thousand files would still throw a step away.
 */
const ATTEMPTS = 7;

/** Answers that say nothing of the bytes: the list has the file, and its object cannot be read. */
const SAYS_NOTHING: ReadonlySet<ErrorCode> = new Set([
  'NDI_E_NOT_FOUND',
  'NDI_E_URL_EXPIRED',
  'NDI_E_ARCHIVED',
]);

/** Undefined where the store tells no MD5 or does not give the object. */
export async function cloudTag(
  { cloud, ref, signal, deps }: RunScope,
  uid: string,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const url = await cloud.files.downloadUrl(ref.cloudDatasetId, uid, signal);
      return await objectMd5(url, { signal, throttle: deps.throttle, network: deps.network });
    } catch (error) {
      if (!isCourierError(error)) throw error;
      if (SAYS_NOTHING.has(error.code)) return undefined;
      if (error.class !== 'retryable' || attempt >= ATTEMPTS) throw error;
      await sleep(error.retryAfterMs ?? backoffMs(attempt - 1, 100, 5_000), signal);
    }
  }
}
