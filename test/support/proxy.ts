/**
 * A real HTTP proxy: tunnels (CONNECT) and plain requests in absolute form. It leads every host to this
 * computer, as a proxy resolves names that the client cannot.
 */
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface TestProxy {
  /** `host:port` of every tunnel and plain request, in order. */
  readonly asked: string[];
  readonly port: number;
  /** With name and password, when it asks for them. */
  readonly url: string;
  /** Instead of opening tunnels and passing on: answers this status. */
  refuseWith: number | undefined;
  close(): Promise<void>;
}

export const PROXY_PASSWORD = 'pr0xy-passw0rd';
const CREDENTIALS = `Basic ${Buffer.from(`lab:${PROXY_PASSWORD}`).toString('base64')}`;

export interface ProxyOptions {
  readonly needsLogin?: boolean;
  /** Spoken to by https. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export async function startProxy(options: ProxyOptions = {}): Promise<TestProxy> {
  const sockets = new Set<Duplex>();
  const listener: RequestListener = (request, response) => {
    const status = refusal(request);
    if (status === undefined) passOn(self, request, response);
    else response.writeHead(status).end();
  };
  const server =
    options.tls === undefined ? createServer(listener) : createTlsServer({ ...options.tls }, listener);
  const refusal = (request: IncomingMessage): number | undefined =>
    options.needsLogin && request.headers['proxy-authorization'] !== CREDENTIALS ? 407 : self.refuseWith;
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  server.on('connect', (request, client: Duplex, head: Buffer) => {
    self.asked.push(request.url ?? '');
    const status = refusal(request);
    if (status !== undefined) {
      client.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const upstream = connect(Number(/:(\d+)$/.exec(request.url ?? '')?.[1]), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    sockets.add(upstream);
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const self: TestProxy = {
    asked: [],
    port,
    url: `${options.tls === undefined ? 'http' : 'https'}://${options.needsLogin ? `lab:${PROXY_PASSWORD}@` : ''}127.0.0.1:${port}`,
    refuseWith: undefined,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return self;
}

function passOn(proxy: TestProxy, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '');
  proxy.asked.push(url.host);
  const { 'proxy-authorization': _, ...headers } = request.headers;
  const onward = httpRequest(
    { host: '127.0.0.1', port: url.port, method: request.method, path: url.pathname + url.search, headers },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', () => response.destroy());
  request.on('error', () => onward.destroy());
  request.pipe(onward);
}
