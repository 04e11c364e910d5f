/** The MD5 of an object as its store tells it. */
import { getRange } from './get-range.ts';
import type { TransferOptions } from './types.ts';

/**
 * Asks for the first byte of the object and reads its ETag. Resolves with the MD5, lower case hex; undefined
 * where the ETag is none (contract §10 no. 19).
 * @throws what a GET throws: NDI_E_URL_EXPIRED, NDI_E_NOT_FOUND, NDI_E_CLOUD_UNAVAILABLE, …
 */
export async function objectMd5(url: string, options: TransferOptions = {}): Promise<string | undefined> {
  const answer = await getRange(url, { start: 0, end: 1 }, options);
  if (answer === 'replaced') return undefined;
  answer.close();
  return answer.md5Hex;
}
