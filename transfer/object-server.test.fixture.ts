/** A small object store on a real socket, with S3's manners and a fault for every test. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ObjectServer {
  readonly url: (name: string) => string;
  readonly objects: Map<string, Buffer>;
  /** Every request in order, and how many bytes of body went out or came in. */
  readonly log: Array<{
    method: string;
    name: string;
    range: string | undefined;
    bytes: number;
    status: number;
  }>;
  /** Looks at each request first; true when it has dealt with it. */
  fault: ((request: IncomingMessage, response: ServerResponse, seen: number) => boolean) | undefined;
  /** Set to change how an ETag is made. */
  etag: (bytes: Buffer) => string | undefined;
  ranges: boolean;
  close(): Promise<void>;
}

const SIGNATURE = 'X-Amz-Signature=secretsecret';

export async function startObjectServer(): Promise<ObjectServer> {
  const objects = new Map<string, Buffer>();
  const log: ObjectServer['log'] = [];
  const server = createServer((request, response) => {
    const name = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname.slice(1));
    const entry = { method: request.method ?? '', name, range: request.headers.range, bytes: 0, status: 0 };
    log.push(entry);
    response.on('close', () => {
      entry.status = response.statusCode;
    });
    if (self.fault?.(request, response, log.length)) return;
    if (request.method === 'PUT') put(self, name, request, response, entry);
    else get(self, name, request, response, entry);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const self: ObjectServer = {
    url: (name) => `http://127.0.0.1:${port}/${encodeURIComponent(name)}?${SIGNATURE}`,
    objects,
    log,
    fault: undefined,
    etag: (bytes) => createHash('md5').update(bytes).digest('hex'),
    ranges: true,
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(() => done()));
    },
  };
  return self;
}

function put(
  self: ObjectServer,
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
  entry: { bytes: number },
): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    entry.bytes += chunk.length;
  });
  request.on('error', () => {});
  request.on('end', () => {
    const bytes = Buffer.concat(chunks);
    self.objects.set(name, bytes);
    const etag = self.etag(bytes);
    response.writeHead(200, etag === undefined ? {} : { etag: `"${etag}"` }).end();
  });
}

function get(
  self: ObjectServer,
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
  entry: { bytes: number },
): void {
  const bytes = self.objects.get(name);
  if (bytes === undefined) {
    sendXml(response, 404, 'NoSuchKey');
    return;
  }
  const etag = self.etag(bytes);
  const tags = etag === undefined ? {} : { etag: `"${etag}"` };
  if (request.headers['if-match'] !== undefined && request.headers['if-match'] !== `"${etag}"`) {
    sendXml(response, 412, 'PreconditionFailed');
    return;
  }
  const match = self.ranges ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') : null;
  if (match === null) {
    entry.bytes = bytes.length;
    response.writeHead(200, { ...tags, 'content-length': bytes.length }).end(bytes);
    return;
  }
  const start = Number(match[1]);
  const last = Math.min(bytes.length - 1, match[2] === '' ? Number.MAX_SAFE_INTEGER : Number(match[2]));
  if (start >= bytes.length) {
    response.setHeader('content-range', `bytes */${bytes.length}`);
    sendXml(response, 416, 'InvalidRange');
    return;
  }
  const slice = bytes.subarray(start, last + 1);
  entry.bytes = slice.length;
  response
    .writeHead(206, {
      ...tags,
      'content-length': slice.length,
      'content-range': `bytes ${start}-${last}/${bytes.length}`,
    })
    .end(slice);
}

export function sendXml(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml', 'x-amz-request-id': 'REQ1' });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
}

/** Bytes that no compression and no shift leaves alike. */
export function noise(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let x = seed >>> 0 || 1;
  for (let at = 0; at + 4 <= sizeBytes; at += 4) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes.writeInt32LE(x | 0, at);
  }
  return bytes;
}
