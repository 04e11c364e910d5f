/**
 * The other side of each measurement: curl for one large file, a bare loop of undici requests for many small
 * files, one request per document for documents. Each does the HTTP requests that its work needs and nothing
 * else: no plan, no journal, no verification of bytes, no fsync.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { zipDocuments } from '../transfer/zip-documents.ts';
import { DEFAULT_TUNING } from '../workflows/contracts/index.ts';
import type { CloudAddress } from './lab.ts';

/** As many calls of the API as our client makes at once, and as many files as a run has on their way. */
const API_CONNECTIONS = 6;
const FILES_AT_ONCE = 24;

export interface Baselines {
  createDataset(): Promise<string>;
  curlUp(path: string): Promise<void>;
  curlDown(datasetId: string, uid: string, target: string): Promise<void>;
  filesUp(dir: string, uids: readonly string[], documents: readonly string[]): Promise<void>;
  filesDown(datasetId: string, uids: readonly string[], target: string): Promise<void>;
  /** One request after the other, as the existing clients do. */
  documentsUp(texts: readonly string[]): Promise<void>;
  documentsDown(datasetId: string, ids: readonly string[]): Promise<void>;
  documentIds(datasetId: string): Promise<string[]>;
  /** While `work` goes on, every request to either origin takes so much longer, whoever makes it. */
  away<T>(latencyMs: number, work: () => Promise<T>): Promise<T>;
  /** Requests per route since the last time. */
  requests(): Promise<Record<string, number>>;
  close(): Promise<void>;
}

export async function createBaselines(cloud: CloudAddress): Promise<Baselines> {
  const { apiUrl, controlUrl, email, password, organizationId } = cloud;
  const api = new Agent({ connections: API_CONNECTIONS });
  const store = new Agent({ connections: FILES_AT_ONCE });
  let headers: Record<string, string> = {};
  const ask = async (method: 'GET' | 'POST', path: string, body?: string): Promise<string> => {
    const url = path.startsWith('http') ? path : apiUrl + path;
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const answer = await request(url, {
      method,
      dispatcher: api,
      headers: { ...headers, ...type },
      body: body ?? null,
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
    return text;
  };
  const call = async <T>(method: 'GET' | 'POST', path: string, body?: string): Promise<T> =>
    JSON.parse(await ask(method, path, body)) as T;
  const { token } = await call<{ token: string }>('POST', '/auth/login', JSON.stringify({ email, password }));
  headers = { authorization: `Bearer ${token}` };

  const put = async (url: string, body: Buffer): Promise<void> => {
    const answer = await request(url, { method: 'PUT', dispatcher: store, body });
    await answer.body.dump();
    if (answer.statusCode >= 300) throw new Error(`PUT: ${answer.statusCode}`);
  };
  const get = async (url: string): Promise<Buffer | undefined> => {
    const answer = await request(url, { dispatcher: store });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    if (answer.statusCode === 403 || answer.statusCode === 404) return undefined;
    if (answer.statusCode >= 300) throw new Error(`GET: ${answer.statusCode}`);
    return bytes;
  };
  const createDataset = async (): Promise<string> => {
    const path = `/organizations/${organizationId}/datasets`;
    return (await call<{ id: string }>('POST', path, '{"name":"Baseline"}')).id;
  };
  const listFiles = async (id: string): Promise<void> => {
    for (let after = ''; ; ) {
      const page = await call<{ hasMore?: boolean; cursor?: string; nextCursor?: string; files: unknown[] }>(
        'GET',
        `/datasets/${id}/files?limit=1000${after === '' ? '' : `&after=${after}`}`,
      );
      const next = page.cursor ?? page.nextCursor;
      if (page.files.length === 0 || next === undefined || next === after || page.hasMore === false) return;
      after = next;
    }
  };
  const documentIds = async (id: string): Promise<string[]> => {
    const ids: string[] = [];
    for (let page = 1; ; page += 1) {
      const path = `/datasets/${id}/documents?page=${page}&pageSize=1000`;
      const { documents } = await call<{ documents: { id: string }[] }>('GET', path);
      ids.push(...documents.map((row) => row.id));
      if (documents.length < 1_000) return ids;
    }
  };
  const sendFiles = async (id: string, dir: string, uids: readonly string[]): Promise<void> => {
    const entries = await Promise.all(
      uids.map(async (uid) => ({ name: uid, bytes: await readFile(join(dir, '.ndi', 'files', uid)) })),
    );
    const zip = await zipDocuments(entries, 0);
    const { url, jobId } = await call<{ url: string; jobId: string }>(
      'GET',
      `/datasets/${organizationId}/${id}/files/bulk`,
    );
    await put(url, zip);
    while ((await call<{ state: string }>('GET', `/bulk-uploads/${jobId}`)).state !== 'complete') {
      await sleep(DEFAULT_TUNING.pollMinMs);
    }
  };

  return {
    createDataset,
    documentIds,
    curlUp: async (path) => {
      const id = await createDataset();
      const { url } = await call<{ url: string }>('GET', `/datasets/${organizationId}/${id}/files/large`);
      await curl([
        '-X',
        'PUT',
        '-H',
        'Content-Type: application/octet-stream',
        '--upload-file',
        path,
        '-o',
        '/dev/null',
        url,
      ]);
    },
    curlDown: async (id, uid, target) => {
      const { downloadUrl } = await call<{ downloadUrl: string }>(
        'GET',
        `/datasets/${id}/files/${uid}/detail`,
      );
      await curl(['-o', target, downloadUrl]);
    },
    filesUp: async (dir, uids, documents) => {
      const id = await createDataset();
      // Two listings before, two after: a list counts when two passes agree.
      for (let pass = 0; pass < 2; pass += 1) {
        await documentIds(id);
        await listFiles(id);
      }
      const zips: string[][] = [];
      for (let at = 0; at < uids.length; at += DEFAULT_TUNING.zipFiles)
        zips.push(uids.slice(at, at + DEFAULT_TUNING.zipFiles));
      await inLanes(zips, DEFAULT_TUNING.window, (some) => sendFiles(id, dir, some));
      const zip = await zipDocuments([
        { name: 'documents.json', bytes: Buffer.from(`[${documents.join(',')}]`) },
      ]);
      const { url } = await call<{ url: string }>('POST', `/datasets/${id}/documents/bulk-upload`);
      await put(url, zip);
      const counted = () => call<{ count: number }>('GET', `/datasets/${id}/document-count`);
      while ((await counted()).count < documents.length) await sleep(DEFAULT_TUNING.pollMinMs);
      for (let pass = 0; pass < 2; pass += 1) {
        await documentIds(id);
        await listFiles(id);
      }
    },
    filesDown: async (id, uids, target) => {
      mkdirSync(target, { recursive: true });
      for (let pass = 0; pass < 2; pass += 1) {
        await documentIds(id);
        await listFiles(id);
      }
      const body = JSON.stringify({ documentIds: await documentIds(id) });
      const { url } = await call<{ url: string }>('POST', `/datasets/${id}/documents/bulk-download`, body);
      let zip = await get(url);
      for (; zip === undefined; zip = await get(url)) await sleep(DEFAULT_TUNING.pollMinMs);
      await writeFile(join(target, 'documents.zip'), zip);
      await inLanes(uids, FILES_AT_ONCE, async (uid) => {
        const detail = await call<{ downloadUrl: string }>('GET', `/datasets/${id}/files/${uid}/detail`);
        const bytes = await get(detail.downloadUrl);
        if (bytes === undefined) throw new Error(`${uid} is not there`);
        await writeFile(join(target, uid), bytes);
      });
      rmSync(target, { recursive: true });
    },
    documentsUp: async (texts) => {
      const id = await createDataset();
      for (const text of texts) await ask('POST', `/datasets/${id}/documents`, text);
    },
    documentsDown: async (id, ids) => {
      // As text: documents may hold bare NaN.
      for (const one of ids) await ask('GET', `/datasets/${id}/documents/${one}`);
    },
    away: async (latencyMs, work) => {
      const fault = { route: '*', kind: 'latency', params: { ms: latencyMs } };
      const faults = ['api', 'objects'].map((origin) => ({ ...fault, origin }));
      await ask('POST', `${controlUrl}/faults`, JSON.stringify(faults));
      try {
        return await work();
      } finally {
        const cleared = await request(`${controlUrl}/faults`, { method: 'DELETE', dispatcher: api });
        await cleared.body.dump();
      }
    },
    requests: async () => {
      const { routes } = await call<{ routes: Record<string, { count: number }> }>(
        'GET',
        `${controlUrl}/requests`,
      );
      await ask('POST', `${controlUrl}/requests/reset`, '{}');
      return Object.fromEntries(Object.entries(routes).map(([name, n]) => [name, n.count]));
    },
    close: async () => {
      await Promise.all([api.close(), store.close()]);
    },
  };
}

async function inLanes<Item>(
  items: readonly Item[],
  lanes: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = [...items].reverse();
  const lane = async (): Promise<void> => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

function curl(args: readonly string[]): Promise<void> {
  return new Promise((done, fail) => {
    const child = spawn('curl', ['-fsS', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child.on('close', (code) => (code === 0 ? done() : fail(new Error(`curl ended with ${code}`))));
  });
}
