/**
 * Redirects of the API. A token goes to the host that it was asked for and to no other, so a redirect is
 * followed within that host only, and only for GET: any other request might act twice.
 */
import { sanitize } from './sanitize.ts';

export interface Redirect {
  readonly from: URL;
  /** Undefined for a Location that is no address. */
  readonly to: URL | undefined;
}

const STATUSES = new Set([301, 302, 303, 307, 308]);

export function redirectOf(status: number, location: string | undefined, from: URL): Redirect | undefined {
  if (!STATUSES.has(status) || location === undefined) return undefined;
  return { from, to: URL.canParse(location, from.href) ? new URL(location, from) : undefined };
}

/** The path to ask next, with its query; undefined where the redirect is not followed. */
export function pathWithinHost({ from, to }: Redirect): string | undefined {
  return to?.origin === from.origin ? to.pathname + to.search : undefined;
}

/** A sentence for people: where it leads, and why it was not followed. No query, which may hold secrets. */
export function redirectHint({ from, to }: Redirect, secrets: readonly string[]): string {
  if (to === undefined) return `${from.host} redirects to something that is no address`;
  const target = sanitize(to.origin === 'null' ? to.protocol : to.origin + to.pathname, secrets);
  const led = `${from.host} redirects to ${target}`;
  if (to.origin === from.origin)
    return `${led}; only requests that read are followed, and not more than ${MAX_REDIRECTS} times`;
  if (from.protocol === 'https:' && to.protocol !== 'https:') return `${led}, which is not https`;
  return `${led}, another host, where the login must not go`;
}

export const MAX_REDIRECTS = 3;
