/** Free TCP ports on one address. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below every system's range for outgoing connections, above what well-known programs use. */
const LOWEST = 17_000;
const HIGHEST = 27_000;

export async function isPortFree(ip: string, port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ host: ip, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * A port that is free now: the preferred one, else a random one, so that two processes that ask at the same
 * time rarely get the same. Not a reservation: whoever uses it must cope with its being taken meanwhile.
 */
export async function freePort(ip: string, preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isPortFree(ip, preferred))) return preferred;
  for (let tries = 0; tries < 100; tries += 1) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await isPortFree(ip, port)) return port;
  }
  throw new Error(`no free port on ${ip}`);
}
