import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isCourierError } from '../../errors/index.ts';
import { isRunning, recordOf, waitForExit } from '../../workers/processes.ts';
import { startTemporalServer, stopOrphanedServer, type TemporalServer } from '../../workers/server.ts';
import { findTemporalCli } from '../../workers/temporal-cli/find.ts';

const searchAttributes = { NdiDataset: 'Keyword' } as const;
let cliPath: string;
const cleanups: (() => Promise<unknown> | unknown)[] = [];

beforeAll(async () => {
  cliPath = (await findTemporalCli()).path;
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function tempDb(): string {
  const dir = mkdtempSync(join(tmpdir(), 'courier-server-'));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'temporal.sqlite');
}

async function start(dbFile: string, more: Partial<Parameters<typeof startTemporalServer>[0]> = {}) {
  const server = await startTemporalServer({ cliPath, dbFile, searchAttributes, ...more });
  cleanups.push(() => server.stop(0));
  return server;
}

async function withClient<T>(server: TemporalServer, use: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address: server.address });
  try {
    return await use(new Client({ connection, namespace: server.namespace }));
  } finally {
    await connection.close();
  }
}

async function listen(port = 0): Promise<{ port: number; server: Server }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  return { port: (server.address() as { port: number }).port, server };
}

const service = (detail: RegExp) => (error: unknown) =>
  isCourierError(error, 'NDI_E_SERVICE') && detail.test(error.message);

describe('the embedded Temporal server', () => {
  it('serves gRPC and the Web UI, and knows runs after SIGKILL and a restart on other ports', async () => {
    const dbFile = tempDb();
    const first = await start(dbFile);
    expect((await fetch(first.uiUrl!)).status).toBe(200);
    await withClient(first, (client) =>
      client.workflow.start('nobodyServesThis', {
        workflowId: 'kept',
        taskQueue: 'none',
        searchAttributes: { NdiDataset: ['d1'] },
      }),
    );
    process.kill(first.pid, 'SIGKILL');
    expect((await first.exited).signal).toBe('SIGKILL');

    const second = await start(dbFile);
    expect(second.address).not.toBe(first.address);
    const description = await withClient(second, (client) => client.workflow.getHandle('kept').describe());
    expect(description.status.name).toBe('RUNNING');
    expect(description.searchAttributes.NdiDataset).toEqual(['d1']);
    await second.stop();
    expect(recordOf(second.pid)).toBeUndefined();
    await start(dbFile, { preferredPort: Number(second.address.split(':')[1]) }).then((third) =>
      expect(third.address).toBe(second.address),
    );
  });

  it('registers a search attribute that an older database lacks, and keeps runs for 30 days', async () => {
    const dbFile = tempDb();
    await (await start(dbFile)).stop();
    const server = await start(dbFile, { searchAttributes: { ...searchAttributes, NdiLater: 'Keyword' } });
    const connection = await Connection.connect({ address: server.address });
    const namespace = server.namespace;
    const listed = await connection.operatorService.listSearchAttributes({ namespace });
    const { config } = await connection.workflowService.describeNamespace({ namespace });
    await connection.close();
    expect(Object.keys(listed.customAttributes ?? {}).sort()).toEqual(['NdiDataset', 'NdiLater']);
    expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(30 * 86_400);
  });

  it('refuses a second server on the same database, and names the first', async () => {
    const dbFile = tempDb();
    const first = await start(dbFile);
    await expect(start(dbFile)).rejects.toSatisfy(service(new RegExp(`pid ${first.pid}\\) is using`)));
    await expect(stopOrphanedServer(dbFile)).rejects.toSatisfy(service(/is using/));
    expect((await fetch(first.uiUrl!)).status).toBe(200);
  });

  it('stops a server whose keeper was killed', async () => {
    const dbFile = tempDb();
    const script = join(dbFile, '..', 'keeper.ts');
    const module = new URL('../../workers/server.ts', import.meta.url).href;
    const options = JSON.stringify({ cliPath, dbFile, searchAttributes });
    writeFileSync(
      script,
      `const { startTemporalServer } = await import('${module}');
       console.log((await startTemporalServer(${options})).pid);`,
    );
    const keeper = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const line = await new Promise<string>((resolve) =>
      keeper.stdout.once('data', (b) => resolve(String(b))),
    );
    const orphan = recordOf(Number(line))!;
    cleanups.push(() => (isRunning(orphan) ? process.kill(orphan.pid, 'SIGKILL') : undefined));
    keeper.kill('SIGKILL');
    await new Promise((resolve) => keeper.once('close', resolve));
    expect(isRunning(orphan)).toBe(true);
    await expect(start(dbFile)).rejects.toSatisfy(service(/is using/));

    const said: string[] = [];
    await stopOrphanedServer(dbFile, (text) => said.push(text));
    expect(await waitForExit(orphan, 0)).toBe(true);
    expect(said.join()).toContain(String(orphan.pid));
    await start(dbFile);
  });

  it('names a port that another program has', async () => {
    const { port } = await listen();
    const expected = service(new RegExp(`Port ${port} is taken`));
    await expect(start(tempDb(), { port })).rejects.toSatisfy(expected);
    await expect(start(tempDb(), { uiPort: port })).rejects.toSatisfy(expected);
  });

  it('makes a database anew when the very first start was killed on the way, and only then', async () => {
    const dbFile = tempDb();
    writeFileSync(dbFile, 'half a schema');
    writeFileSync(`${dbFile}.new`, '');
    await (await start(dbFile)).stop();
    expect(existsSync(`${dbFile}.new`)).toBe(false);

    const damaged = tempDb();
    writeFileSync(damaged, 'not a database at all, but somebody’s file');
    await expect(start(damaged)).rejects.toSatisfy(service(/is damaged/));
    expect(readFileSync(damaged, 'utf8')).toContain('somebody');
    await expect(start(damaged), 'and leaves nothing locked').rejects.toSatisfy(service(/is damaged/));
  });

  it('stops a start that is aborted', async () => {
    const dbFile = tempDb();
    const reason = new Error('enough');
    const controller = new AbortController();
    const starting = start(dbFile, { signal: controller.signal });
    controller.abort(reason);
    await expect(starting).rejects.toBe(reason);
    await start(dbFile);
  });
});
