/**
 * What a broken or hostile cloud can answer does not cost a worker its life: each attack at its real size,
 * against a process with a worker's heap (`workers/worker-process.ts`).
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HEAP_LIMITS } from '../../workers/worker-process.ts';
import type { HostileCloud, Survived } from '../support/bounded-worker.ts';
import { forgedZip } from '../support/forged-zip.ts';

const ENTRY = fileURLToPath(new URL('../support/bounded-worker.ts', import.meta.url));
const MiB = 1024 * 1024;
/** Of a worker in a lab: three times what it takes for honest data. */
const LIMIT_MIB = 600;
const ID = 'a'.repeat(24);
const GOOD = '{"document_class":{"class_name":"x"},"base":{"id":"4126970000000000_40b0000000000000"}}';

describe('a cloud that answers too much', () => {
  let dir: string;
  let server: Server;
  let apiUrl: string;
  let answer: Buffer;
  let headers: Record<string, string> = {};

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'memory-'));
    server = createServer((request, response) => {
      if (request.url?.endsWith('/bulk-download')) {
        response.end(JSON.stringify({ url: `${apiUrl.replace('/v1', '')}/documents.zip` }));
      } else response.writeHead(200, { 'content-length': answer.length, ...headers }).end(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  async function survived(ask: HostileCloud['ask']): Promise<Survived> {
    const args: HostileCloud = { ask, apiUrl, scratchDir: dir };
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...HEAP_LIMITS,
      ENTRY,
      JSON.stringify(args),
    ]);
    const found = JSON.parse(stdout) as Survived;
    if (process.env.SHOW_PEAKS !== undefined) console.log(`${ask}: ${found.peakMiB} MiB`);
    expect(found.peakMiB).toBeLessThan(LIMIT_MIB);
    return found;
  }

  const rows = (count: number): Buffer =>
    Buffer.from(`{"documents":[${'{"id":"a","ndiId":"b","name":"c"},'.repeat(count - 1)}{"id":"a"}]}`);
  const nested = (bytes: number): Buffer =>
    Buffer.from(`{"documents":${'['.repeat(bytes / 2)}${']'.repeat(bytes / 2)}}`);

  it.each([
    ['a page of 1.2 million rows', () => rows(1_200_000), 'NDI_E_ANSWER_TOO_LARGE'],
    ['a page of as many rows as fit into an answer', () => rows(200_000), 'NDI_E_BAD_ANSWER'],
    ['40 MB of brackets', () => nested(40 * MiB), 'NDI_E_ANSWER_TOO_LARGE'],
    ['as many brackets as fit into an answer', () => nested(8 * MiB - 100), 'NDI_E_BAD_ANSWER'],
    [
      'as many empty lists as fit into an answer',
      () => Buffer.from(`{"documents":[${'[],'.repeat(2_790_000)}[]]}`),
      'NDI_E_BAD_ANSWER',
    ],
  ])('is refused with %s', async (_what, body, code) => {
    answer = body();
    headers = {};
    expect(await survived('page')).toMatchObject({ code });
    answer = gzipSync(answer);
    headers = { 'content-encoding': 'gzip' };
    expect(await survived('page')).toMatchObject({ code });
    headers = {};
  });

  it('is read as far as documents can be held', async () => {
    const numbers = `{"id":"${ID}","data":{"a":[${'1,'.repeat(3_900_000)}1]}}`;
    answer = Buffer.from(`{"documents":[${numbers}]}`);
    expect(await survived('fetch')).toMatchObject({ documents: 0, refused: ['NDI_E_DOCUMENT_TOO_LARGE'] });
    answer = Buffer.from(`{"documents":[{"id":"${ID}","data":{${'"a":1,'.repeat(900_000)}"a":1}}]}`);
    expect((await survived('fetch')).code).toBe('NDI_E_BAD_ANSWER');
  });

  const document = (bytes: number): string => `${GOOD.slice(0, -1)},"text":"${'x'.repeat(bytes)}"}`;
  const zipOf = (json: string | Buffer): Buffer =>
    forgedZip([{ name: 'documents.json', data: Buffer.from(json), deflated: true }]);

  it('loses one document of 200 MB in a zip, and no other', async () => {
    // Text that deflates to a fiftieth, so that it is no bomb by its ratio.
    const large = `{"t":"${Array.from({ length: 2_000_000 }, (_, n) => `${(n * 2654435761) % 997}`.padEnd(100)).join('')}"}`;
    expect(large.length).toBeGreaterThan(190 * MiB);
    answer = zipOf(`[${GOOD},${large},${GOOD}]`);
    expect(await survived('zip')).toMatchObject({ documents: 2, refused: [] });
  });

  it('gets documents one by one instead of a zip of 900 MB', async () => {
    const block = Buffer.from(`${document(60_000)},`);
    const many = Buffer.concat([
      Buffer.from('['),
      ...Array.from({ length: 15_000 }, () => block),
      Buffer.from(`${GOOD}]`),
    ]);
    answer = zipOf(many);
    expect(answer.length).toBeLessThan(20 * MiB);
    expect(await survived('zip')).toMatchObject({ code: 'NDI_E_ZIP_UNSAFE', documents: 0 });
  });

  it('may send 340 MB of documents in one zip', async () => {
    // Its window is too small for deflate to see that the documents are alike.
    const noise = Array.from({ length: 17_000 }, (_, n) => `${(n * 2654435761) % 1e9}`.padEnd(10)).join('');
    const texts = Array.from({ length: 2_000 }, () => `${GOOD.slice(0, -1)},"text":"${noise}"}`);
    answer = zipOf(`[${texts.join(',')}]`);
    expect(await survived('zip')).toMatchObject({ documents: 2_000, refused: [] });
  });
});
