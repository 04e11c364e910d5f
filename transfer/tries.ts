/** How often, and on which address, a broken fetch is taken up again before the caller hears of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isCourierError } from '../errors/index.ts';

/** A URL, or where to get one: asked again each time one has expired. */
export type UrlSource = string | (() => Promise<string>);

export interface Urls {
  get(): Promise<string>;
  /** Forgets a URL that has expired; false when there is no other to be had. */
  expired(url: string): boolean;
}

/** One URL serves all ranges of a download, and so does its successor. */
export function createUrls(source: UrlSource): Urls {
  let current: string | undefined;
  let asking: Promise<string> | undefined;
  return {
    get: async () => {
      if (typeof source === 'string') return source;
      if (current !== undefined) return current;
      asking ??= source().finally(() => {
        asking = undefined;
      });
      current = await asking;
      return current;
    },
    expired: (url) => {
      if (current === url) current = undefined;
      return typeof source !== 'string';
    },
  };
}

/**
 * Breaks in a row without a byte between them; breaks with progress do not count. Beyond is the caller's
 * patience.
 */
const MAX_BARREN_TRIES = 3;

export interface Tries {
  /** Bytes arrived: the next break is the first again. */
  progressed(): void;
  /**
   * Resolves, after a pause, when it is worth another try on `url` or its successor; rejects with `error`
   * otherwise.
   */
  again(error: unknown, url: string): Promise<void>;
}

export function createTries(urls: Urls, firstDelayMs: number, signal: AbortSignal | undefined): Tries {
  let barren = 0;
  return {
    progressed: () => {
      barren = 0;
    },
    again: async (error, url) => {
      barren += 1;
      const expired = isCourierError(error, 'NDI_E_URL_EXPIRED');
      const broken = isCourierError(error, 'NDI_E_NETWORK') || isCourierError(error, 'NDI_E_STALLED');
      if (barren >= MAX_BARREN_TRIES || !(broken || (expired && urls.expired(url)))) throw error;
      // The first new URL is used at once; that one expires is the rule, not a fault.
      if (broken || barren > 1)
        await sleep(firstDelayMs * 2 ** (barren - 1), undefined, { signal }).catch(() => {});
      signal?.throwIfAborted();
    },
  };
}
