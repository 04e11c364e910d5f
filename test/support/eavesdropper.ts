/**
 * Stands between a client and the sandbox's API and notes every secret that goes by: passwords, tokens,
 * signatures of presigned addresses. So a test knows what must be found nowhere.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Sandbox } from '../../sandbox/server.ts';

export interface Eavesdropper {
  /** What the client takes for the cloud. */
  readonly apiUrl: string;
  readonly tokens: ReadonlySet<string>;
  readonly signatures: ReadonlySet<string>;
  /** From now on answers to these requests are changed on their way. */
  rewrite(change: (request: string, body: string) => string): void;
  close(): Promise<void>;
}

const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g;
const SIGNATURE = /X-Amz-Signature=([0-9a-f]{16,})/g;

export async function startEavesdropper(sandbox: Sandbox): Promise<Eavesdropper> {
  const tokens = new Set<string>();
  const signatures = new Set<string>();
  const listen = (text: string): void => {
    for (const [token] of text.matchAll(TOKEN)) tokens.add(token);
    for (const [, signature] of text.matchAll(SIGNATURE)) signatures.add(signature!);
  };
  let change = (_request: string, body: string): string => body;
  const server = createServer(async (request, response) => {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      listen(request.headers.authorization ?? '');
      const headers = new Headers();
      for (const [name, value] of Object.entries(request.headers)) {
        if (!HOP.has(name) && typeof value === 'string') headers.set(name, value);
      }
      const answer = await fetch(new URL(request.url!, sandbox.apiUrl), {
        method: request.method!,
        headers,
        redirect: 'manual',
        ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
      });
      const text = Buffer.from(await answer.arrayBuffer()).toString('utf8');
      listen(text);
      const body = change(`${request.method} ${request.url}`, text);
      for (const [name, value] of answer.headers) if (!HOP.has(name)) response.setHeader(name, value);
      response.writeHead(answer.status).end(body);
    } catch {
      response.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    apiUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    tokens,
    signatures,
    rewrite: (next) => {
      change = next;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Headers of one connection; `fetch` unpacks what was packed. */
const HOP = new Set([
  ...['host', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'content-encoding'],
  ...['accept-encoding', 'expect'],
]);
