/** A small real HTTP server for unit tests: a handler, and the requests it saw. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  readonly method: string;
  /** Path with query, below the base address. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface TestServer extends AsyncDisposable {
  /** With `/v1`, as an NDI Cloud has it. */
  readonly baseUrl: string;
  readonly seen: readonly SeenRequest[];
  /** Answers from now on. */
  use(handler: Handler): void;
}

export type Handler = (request: SeenRequest, response: ServerResponse) => void | Promise<void>;

/** An answer with a JSON body; a string is sent as it is. */
export function answer(
  response: ServerResponse,
  status: number,
  body: unknown = '',
  headers: Record<string, string> = {},
): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
}

export async function startTestServer(handler: Handler): Promise<TestServer> {
  let current = handler;
  const seen: SeenRequest[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const one: SeenRequest = {
      method: request.method ?? '',
      path: (request.url ?? '').replace(/^\/v1/, ''),
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
    seen.push(one);
    await current(one, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    seen,
    use(next) {
      current = next;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An unsigned token as the cloud's look to a client; `exp` in seconds from now. */
export function tokenFor(email: string, secondsToLive: number, mark = ''): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + secondsToLive;
  return `${part({ alg: 'RS256' })}.${part({ sub: '1', email, exp, mark })}.${Buffer.from('signature').toString('base64url')}`;
}
