import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { serviceText } from '../../client/cli/service-line.ts';
import { isCourierError } from '../../errors/index.ts';
import { homeFromEnv } from '../../workers/home.ts';
import { processToken } from '../../workers/processes.ts';
import { dev, down, type ServiceStatus, status, up } from '../../workers/service.ts';
import { readServiceFile, writeServiceFile } from '../../workers/service-state.ts';

let dir: string;
let env: Record<string, string | undefined>;
const said: string[] = [];
const log = (line: string) => void said.push(line);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'courier-service-'));
  env = { ...process.env, COURIER_HOME: join(dir, 'home'), TEMPORAL_CLI: inject('temporalCliPath') };
  for (const name of Object.keys(env)) if (/^TEMPORAL_(?!CLI$)/.test(name)) delete env[name];
  env.TEMPORAL_CONFIG_FILE = join(dir, 'temporal.toml');
  said.length = 0;
});

afterEach(async () => {
  await down({ env });
  rmSync(dir, { recursive: true, force: true });
});

async function until<T>(what: string, read: () => T | undefined | false, timeoutMs = 30_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = read();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`waited in vain for: ${what}`);
    await sleep(25);
  }
}

const gone = (pid: number) => processToken(pid) === undefined;

async function serves(where: ServiceStatus): Promise<void> {
  const connection = await Connection.connect({ address: where.temporalAddress! });
  const client = new Client({ connection, namespace: where.namespace! });
  expect((await client.workflowService.getSystemInfo({})).serverVersion).toMatch(/^\d/);
  await connection.close();
}

describe('a worker that takes too much memory', () => {
  it('is replaced, and the service says so; the service itself goes on', async () => {
    // Less than any worker takes.
    const first = await up({ env, log, workerMemoryBytes: 40 * 1024 * 1024 });
    expect(first.notice).toBeUndefined();
    const { notice, workerPids } = await until('another worker', () => {
      const now = status({ env });
      return now.workerPids.length === 1 && now.workerPids[0] !== first.workerPids[0] && now;
    });
    expect(notice?.sentence).toMatch(
      /^Worker 1 took \d+ MiB of memory, more than 40 MiB, and is replaced\. Its runs go on\.$/,
    );
    expect(serviceText(status({ env }))).toContain(notice!.sentence);
    expect(workerPids).toHaveLength(1);
    expect(status({ env })).toMatchObject({ serverPid: first.serverPid, supervisorPid: first.supervisorPid });
  });

  it('or has none left is named, and started again', async () => {
    const first = await up({ env, log });
    process.kill(first.workerPids[0]!, 'SIGABRT');
    const { notice } = await until('another worker', () => {
      const now = status({ env });
      return now.workerPids.length === 1 && now.workerPids[0] !== first.workerPids[0] && now;
    });
    expect(notice?.sentence).toBe('Worker 1 ran out of memory, and is started again. Its runs go on.');
  });
});

describe('the background service', () => {
  it('starts once, starts a killed worker and a killed server again, and stops without a trace', async () => {
    const first = await up({ env, log, workers: 2 });
    expect(first).toMatchObject({ running: true, namespace: 'courier', home: env.COURIER_HOME });
    expect(first.workerPids).toHaveLength(2);
    expect((await fetch(first.uiUrl!)).status).toBe(200);
    await serves(first);
    expect(await up({ env, log }), 'a second `up` leaves it alone').toEqual(first);

    const [victim, other] = first.workerPids as [number, number];
    process.kill(victim, 'SIGKILL');
    const healed = await until('a new worker', () => {
      const { workerPids } = status({ env });
      return workerPids.length === 2 && !workerPids.includes(victim) && workerPids;
    });
    expect(healed).toContain(other);

    process.kill(first.serverPid!, 'SIGKILL');
    const server = await until('a new server', () => {
      const { serverPid } = status({ env });
      return serverPid !== null && serverPid !== first.serverPid && serverPid;
    });
    expect(status({ env }).temporalAddress).toBe(first.temporalAddress);
    await serves(first);

    expect(await down({ env, log })).toBe(true);
    for (const pid of [first.supervisorPid!, server, ...healed]) expect(gone(pid)).toBe(true);
    expect(status({ env })).toMatchObject({ running: false, temporalAddress: null, workerPids: [] });
    expect(await down({ env })).toBe(false);
    expect(readFileSync(join(first.logsDir, 'supervisor.log'), 'utf8')).toContain('starting it again');
  });

  it('survives SIGKILL of the supervisor: workers leave, the next `up` tidies and keeps address and runs', async () => {
    const first = await up({ env, log });
    const connection = await Connection.connect({ address: first.temporalAddress });
    const client = new Client({ connection, namespace: first.namespace });
    await client.workflow.start('nobodyKnowsThis', { workflowId: 'kept', taskQueue: 'none' });
    await connection.close();

    process.kill(first.supervisorPid!, 'SIGKILL');
    await until('the worker to leave', () => gone(first.workerPids[0]!));
    expect(status({ env }).running).toBe(false);

    const second = await up({ env, log });
    expect(second.supervisorPid).not.toBe(first.supervisorPid);
    expect(gone(first.serverPid!)).toBe(true);
    expect(second.temporalAddress).toBe(first.temporalAddress);
    const again = await Connection.connect({ address: second.temporalAddress });
    const handle = new Client({ connection: again, namespace: second.namespace }).workflow.getHandle('kept');
    expect((await handle.describe()).status.name).toBe('RUNNING');
    await again.close();

    process.kill(second.supervisorPid!, 'SIGKILL');
    await until('the supervisor to end', () => gone(second.supervisorPid!));
    expect(await down({ env }), 'down finds what was left').toBe(true);
    expect(gone(second.serverPid!)).toBe(true);
  });

  it('lets no worker stay whose supervisor died while it was loading', async () => {
    const { homeDir, address, namespace } = {
      homeDir: env.COURIER_HOME!,
      address: inject('temporalAddress'),
      namespace: inject('temporalNamespace'),
    };
    const args = { homeDir, roles: ['control'], embedded: { address, namespace }, graceMs: 1_000 };
    const worker = spawn(
      process.execPath,
      [fileURLToPath(new URL('../../workers/worker-main.ts', import.meta.url)), JSON.stringify(args)],
      { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
    );
    let words = '';
    worker.stderr?.on('data', (chunk) => {
      words += chunk;
    });
    worker.disconnect();
    await until('the worker to leave', () => gone(worker.pid!));
    expect(words).toContain('its supervisor is gone');
  });

  it('has one supervisor, however many start it at once', async () => {
    const all = await Promise.all([up({ env, log }), up({ env, log }), up({ env, log })]);
    expect(new Set(all.map(({ supervisorPid }) => supervisorPid)).size).toBe(1);
    const running = dev({ env, log, signal: AbortSignal.timeout(10_000) });
    await expect(running).rejects.toSatisfy(
      (error) =>
        isCourierError(error, 'NDI_E_SERVICE') && error.message.includes(String(all[0].supervisorPid)),
    );
  });

  it('runs in the foreground until it is told to stop', async () => {
    const stopping = new AbortController();
    const ready = Promise.withResolvers<ServiceStatus>();
    const running = dev({ env, log, signal: stopping.signal, onReady: ready.resolve });
    const state = await Promise.race([ready.promise, running.then(() => expect.fail('it ended'))]);
    expect(state).toMatchObject({ running: true, supervisorPid: process.pid });
    expect((await up({ env })).supervisorPid, '`up` finds it').toBe(process.pid);
    stopping.abort();
    await running;
    for (const pid of [state.serverPid!, ...state.workerPids]) expect(gone(pid)).toBe(true);
    expect(status({ env }).running).toBe(false);
  });

  it('does not take a stranger with the same pid for its own, as after a reboot', async () => {
    const home = homeFromEnv(env);
    const first = await up({ env });
    await down({ env });
    const stranger = { pid: process.pid, token: 'started in another life' };
    writeServiceFile(home, {
      ...readServiceFile(home)!,
      state: 'running',
      supervisor: stranger,
      supervisorPid: stranger.pid,
      workers: [stranger],
      workerPids: [stranger.pid],
    });
    writeFileSync(`${home.temporalDbFile}.server.json`, JSON.stringify(stranger));
    expect(status({ env }).running).toBe(false);
    const second = await up({ env });
    expect(second.supervisorPid).not.toBe(process.pid);
    expect(second.temporalAddress).toBe(first.temporalAddress);
  });

  it('says why it could not start, and leaves nothing running', async () => {
    const home = homeFromEnv(env);
    await up({ env });
    await down({ env });
    for (const suffix of ['-wal', '-shm']) rmSync(home.temporalDbFile + suffix, { force: true });
    writeFileSync(home.temporalDbFile, 'damaged '.repeat(2_000));
    await expect(up({ env })).rejects.toSatisfy(
      (error) => isCourierError(error, 'NDI_E_SERVICE') && /temporal\.sqlite is damaged/.test(error.message),
    );
    const file = readServiceFile(home)!;
    expect(file.state).toBe('stopped');
    await until('the supervisor to end', () => gone(file.supervisorPid));
    expect(existsSync(`${home.temporalDbFile}.server.json`)).toBe(false);
  });

  it('uses a server elsewhere when told so, and starts none', async () => {
    env.TEMPORAL_ADDRESS = inject('temporalAddress');
    env.TEMPORAL_NAMESPACE = inject('temporalNamespace');
    const running = await up({ env, log, roles: ['control'] });
    expect(running).toMatchObject({
      temporalAddress: env.TEMPORAL_ADDRESS,
      namespace: env.TEMPORAL_NAMESPACE,
      serverPid: null,
      uiUrl: null,
    });
    expect(running.workerPids).toHaveLength(1);
    await down({ env });
    expect(existsSync(homeFromEnv(env).temporalDbFile)).toBe(false);
  });
});
