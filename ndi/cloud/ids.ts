/**
 * Ids, checked before they are sent: a malformed id makes the real server fail with 500 (NDI Cloud
 * contract §2.0), which looks like trouble that passes, and a separator in a path segment would ask for
 * something else.
 */
import { CourierError } from '../../errors/index.ts';
import { isCloudId } from '../ids.ts';

/**
 * The id, checked. `what` is `dataset`, `document`, …
 * @throws NDI_E_NOT_FOUND: nothing can have this id
 */
export function cloudId(what: string, id: string): string {
  if (isCloudId(id)) return id;
  throw new CourierError('NDI_E_NOT_FOUND', {
    detail: `${JSON.stringify(id.slice(0, 80))} is not the cloud id of a ${what}: those are 24 hexadecimal digits.`,
  });
}

/**
 * A file uid, job id or user id: any text that is one path segment.
 * @throws NDI_E_BAD_ID
 */
export function segment(what: string, id: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here.
  if (id !== '' && id !== '.' && id !== '..' && id.length <= 255 && !/[/\\\u0000-\u001f\u007f]/.test(id))
    return id;
  throw new CourierError('NDI_E_BAD_ID', {
    detail: `${JSON.stringify(id.slice(0, 80))} cannot be a ${what}.`,
  });
}

/**
 * `now`, or a number of days, hours or minutes; the rest of the server's grammar is unknown (§10 no. 2).
 * @throws NDI_E_USAGE
 */
export function deleteTime(when: string): string {
  if (/^(?:now|\d{1,4}[dhm])$/.test(when)) return when;
  throw new CourierError('NDI_E_USAGE', {
    detail: `${JSON.stringify(when)} is not a time to delete at: use now, 7d, 24h or 30m.`,
  });
}

/**
 * Pages count from 1; the server takes at most 1000 rows (§2.0).
 * @throws NDI_E_USAGE
 */
export function pageQuery(query: { readonly page: number; readonly pageSize: number }): {
  page: number;
  pageSize: number;
} {
  const ok = Number.isInteger(query.page) && query.page >= 1 && Number.isInteger(query.pageSize);
  if (ok && query.pageSize >= 1 && query.pageSize <= 1000)
    return { page: query.page, pageSize: query.pageSize };
  throw new CourierError('NDI_E_USAGE', {
    detail: `page ${query.page} of size ${query.pageSize}: pages count from 1 and hold 1 to 1000 rows.`,
  });
}
