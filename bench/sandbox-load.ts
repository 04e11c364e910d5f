/**
 * Is the sandbox out of the way? Small requests per second, PUT and GET speed, and the memory of its process
 * meanwhile. `node bench/sandbox-load.ts [--mib 2048] [--seconds 4]`. The sandbox runs as a process of its
 * own, as in real use.
 */
import { spawn } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Agent, request } from 'undici';

const { values } = parseArgs({
  options: { mib: { type: 'string', default: '2048' }, seconds: { type: 'string', default: '4' } },
});
const sizeBytes = Number(values.mib) * 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'sandbox-load-'));
const main = new URL('../sandbox/main.ts', import.meta.url).pathname;
const child = spawn(process.execPath, [main, '--state', join(folder, 'state'), '--json'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});

interface Ready {
  apiUrl: string;
  controlUrl: string;
  users: { email: string; password: string; organizationId: string }[];
}

const agent = new Agent({ connections: 16 });
const json = async <T>(url: string, options: object = {}): Promise<T> => {
  const answer = await request(url, { dispatcher: agent, ...options });
  if (answer.statusCode >= 300) throw new Error(`${answer.statusCode} ${await answer.body.text()}`);
  return (await answer.body.json()) as T;
};

async function rates(ready: Ready, headers: object, datasetId: string): Promise<void> {
  const kinds: Record<string, () => Promise<unknown>> = {
    'GET /users/me': () => json(`${ready.apiUrl}/users/me`, { headers }),
    'GET /datasets/:d/document-count': () =>
      json(`${ready.apiUrl}/datasets/${datasetId}/document-count`, { headers }),
    'POST /datasets/:d/documents (1 KB)': () =>
      json(`${ready.apiUrl}/datasets/${datasetId}/documents`, { method: 'POST', headers, body: DOCUMENT }),
  };
  for (const [name, call] of Object.entries(kinds)) {
    let count = 0;
    const startedMs = performance.now();
    const endMs = startedMs + (Number(values.seconds) * 1000) / Object.keys(kinds).length;
    const lane = async (): Promise<void> => {
      while (performance.now() < endMs) {
        await call();
        count++;
      }
    };
    await Promise.all(Array.from({ length: 16 }, lane));
    console.log(`${name}: ${Math.round((count / (performance.now() - startedMs)) * 1000)} requests/s`);
  }
}

const DOCUMENT = JSON.stringify({
  base: { id: '4126970000000001_40b0000000000000', name: 'x'.repeat(700), session_id: 's' },
  document_class: { class_name: 'demoNDI', superclasses: [{ definition: '$NDIDOCUMENTPATH/base.json' }] },
});

/** curl, because a Node client would share its own limits with the sandbox's. */
async function curl(args: string[]): Promise<number> {
  const startedMs = performance.now();
  const run = spawn('curl', ['-sS', '-f', '-o', '/dev/null', ...args], { stdio: 'inherit' });
  const code = await new Promise<number | null>((resolve) => run.once('close', resolve));
  if (code !== 0) throw new Error(`curl ended with ${code}`);
  return (performance.now() - startedMs) / 1000;
}

try {
  const ready = JSON.parse(
    await new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve)),
  ) as Ready;
  const [user] = ready.users;
  const { token } = await json<{ token: string }>(`${ready.apiUrl}/auth/login`, {
    method: 'POST',
    body: JSON.stringify({ email: user?.email, password: user?.password }),
  });
  const headers = { authorization: `Bearer ${token}` };
  const organization = user?.organizationId;
  const dataset = await json<{ id: string }>(`${ready.apiUrl}/organizations/${organization}/datasets`, {
    method: 'POST',
    headers,
    body: '{"name":"load"}',
  });
  await rates(ready, headers, dataset.id);

  const source = join(folder, 'source');
  const handle = openSync(source, 'w');
  ftruncateSync(handle, sizeBytes);
  closeSync(handle);
  const put = await json<{ url: string }>(
    `${ready.apiUrl}/datasets/${organization}/${dataset.id}/files/load`,
    {
      headers,
    },
  );
  let peakBytes = 0;
  const watch = setInterval(() => {
    void json<{ stats: { rssBytes: number } }>(ready.controlUrl).then(({ stats }) => {
      peakBytes = Math.max(peakBytes, stats.rssBytes);
    });
  }, 200);
  const cpuSeconds = async (): Promise<number> =>
    (await json<{ stats: { cpuSeconds: number } }>(ready.controlUrl)).stats.cpuSeconds;
  /** On a busy machine the wall clock says little: the CPU time says what the sandbox could do. */
  const move = async (name: string, args: string[]): Promise<void> => {
    const before = await cpuSeconds();
    const seconds = await curl(args);
    const cpu = ((await cpuSeconds()) - before) / (sizeBytes / 1e9);
    console.log(
      `${name} ${values.mib} MiB: ${Math.round(sizeBytes / 1e6 / seconds)} MB/s, ${cpu.toFixed(2)} CPU s per GB`,
    );
  };
  await move('PUT', ['-T', source, put.url]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const get = await json<{ downloadUrl: string }>(
    `${ready.apiUrl}/datasets/${dataset.id}/files/load/detail`,
    {
      headers,
    },
  );
  await move('GET', [get.downloadUrl]);
  clearInterval(watch);
  console.log(`peak memory of the sandbox: ${Math.round(peakBytes / 2 ** 20)} MiB`);
} finally {
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('close', resolve));
  await agent.close();
  rmSync(folder, { recursive: true, force: true });
}
