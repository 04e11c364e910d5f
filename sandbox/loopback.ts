/**
 * Only this computer speaks to the sandbox, and no page of a foreign site does. A browser that was given
 * another name for 127.0.0.1 (DNS rebinding) says that name as Host; a page of another site says its own as
 * Origin.
 */
import type { RequestListener } from 'node:http';

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** False for a name that is not of this computer, and for one that cannot be read. */
function isLoopback(url: string, ownName: string | undefined): boolean {
  try {
    const { hostname } = new URL(url);
    return LOOPBACK.has(hostname) || hostname === ownName;
  } catch {
    return false;
  }
}

/**
 * Refuses requests under a foreign name, and, where `ownPages`, those that a page of a foreign site makes.
 */
export function forLoopback(
  listener: RequestListener,
  options: {
    readonly ownPages?: (url: string) => boolean;
    /** A name that the sandbox was given besides. */
    readonly ownName?: string | undefined;
  } = {},
): RequestListener {
  return (request, response) => {
    const { host = '', origin } = request.headers;
    const isForeignPage =
      origin !== undefined &&
      options.ownPages?.(request.url ?? '') === true &&
      !isLoopback(origin, options.ownName);
    if (isLoopback(`http://${host}`, options.ownName) && !isForeignPage) return listener(request, response);
    // The connection ends: a body that nobody reads would be taken for the next request.
    response.writeHead(403, { 'content-type': 'application/json', connection: 'close' });
    response.end(JSON.stringify({ message: 'This server answers its own computer only.' }));
  };
}
