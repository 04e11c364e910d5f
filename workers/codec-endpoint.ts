/**
 * Decodes payloads for Temporal's Web UI, over Temporal's protocol for remote codecs. The Web UI has no login
 * to pass on and other users of the computer reach the port too, so the path is a secret, new at each start,
 * that only its owner's terminal shows.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Payload, PayloadCodec } from '@temporalio/common';

/** More than a page of the Web UI sends: a payload of Temporal has at most 2 MB. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;

export interface CodecEndpoint {
  /** With the secret. */
  readonly url: string;
  close(): Promise<void>;
}

/** Payloads as protobuf's JSON has them: bytes in base64. */
interface JsonPayload {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly data?: string;
}

const fromJson = ({ metadata = {}, data = '' }: JsonPayload): Payload => ({
  metadata: Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')]),
  ),
  data: Buffer.from(data, 'base64'),
});

const toJson = ({ metadata, data }: Payload): JsonPayload => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
  ),
  data: Buffer.from(data ?? new Uint8Array()).toString('base64'),
});

/** Serves on a free port of this computer, for pages of `uiUrl` alone, until it is closed. */
export async function startCodecEndpoint(codec: PayloadCodec, uiUrl: string): Promise<CodecEndpoint> {
  const secret = `/${randomBytes(24).toString('base64url')}`;
  const { port: uiPort } = new URL(uiUrl);
  const pages = [new URL(uiUrl).origin, `http://127.0.0.1:${uiPort}`, `http://localhost:${uiPort}`];
  const server = createServer((request, response) => {
    const { origin } = request.headers;
    const { port } = server.address() as AddressInfo;
    const isOurHost = [`127.0.0.1:${port}`, `localhost:${port}`].includes(request.headers.host ?? '');
    const isOurPage = origin === undefined || pages.includes(origin);
    const isOurPath = ['/decode', '/encode'].some((end) => isSame(request.url ?? '', secret + end));
    if (!isOurHost || !isOurPage || !isOurPath) return end(response, 403);
    if (origin !== undefined) {
      response.setHeader('access-control-allow-origin', origin);
      response.setHeader('access-control-allow-headers', 'content-type,x-namespace,authorization');
      response.setHeader('access-control-allow-methods', 'POST');
      response.setHeader('vary', 'origin');
    }
    if (request.method === 'OPTIONS') return end(response, 204);
    if (request.method !== 'POST') return end(response, 405);
    answer(request, codec).then(
      (text) => end(response, 200, text),
      () => end(response, 400),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${secret}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, codec: PayloadCodec): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BODY_BYTES) throw new Error('too large');
    chunks.push(chunk);
  }
  const { payloads } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { payloads: JsonPayload[] };
  const given = payloads.map(fromJson);
  const made = request.url?.endsWith('/decode') ? await codec.decode(given) : await codec.encode(given);
  return JSON.stringify({ payloads: made.map(toJson) });
}

function end(response: ServerResponse, status: number, text = ''): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.end(text);
}

/** Takes the same time wherever the two differ. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
