/**
 * The other side of the transfer measurements, in a process of its own: takes PUTs (to disk or nowhere),
 * serves one file by ranges.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const dir = process.argv[2] ?? '.';
const server = createServer((request, response) => {
  const name = (request.url ?? '/').split('?')[0]?.slice(1) ?? '';
  if (request.method === 'PUT') {
    // As an object store does, which says the MD5 of what it took.
    const md5 = name.startsWith('hashed') ? createHash('md5') : undefined;
    if (md5 !== undefined) request.on('data', (chunk: Buffer) => md5.update(chunk));
    const done = (): void => {
      response.writeHead(200, md5 === undefined ? {} : { etag: `"${md5.digest('hex')}"` }).end();
    };
    if (name.startsWith('discard')) request.resume().on('end', done);
    else request.pipe(createWriteStream(join(dir, name), { highWaterMark: 1 << 20 })).on('finish', done);
    return;
  }
  const path = join(dir, name);
  const { size } = statSync(path);
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = Number(match?.[1] ?? 0);
  const end = Math.min(size - 1, match?.[2] ? Number(match[2]) : size - 1);
  response.writeHead(match ? 206 : 200, {
    etag: '"not-an-md5"',
    'content-length': end - start + 1,
    ...(match && { 'content-range': `bytes ${start}-${end}/${size}` }),
  });
  createReadStream(path, { start, end, highWaterMark: 1 << 20 }).pipe(response);
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
// Ends with whoever started it, however that one ends.
process.stdin.resume().on('end', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
