import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { startSandbox } from './server.ts';
import { fetchReply, makeDataset, ndiBody, testSandbox } from './testing.ts';

describe('the sandbox', () => {
  it('a restart on the same folder keeps data, users, tokens and objects, on other ports', async () => {
    const held = await testSandbox();
    try {
      const lab = await held.login('lab@sandbox.test');
      const dataset = await makeDataset(lab);
      await lab.call('POST', `/datasets/${dataset}/documents`, ndiBody(1));
      const { url } = (await lab.call('GET', `/datasets/${lab.user.organizationId}/${dataset}/files/u1`))
        .body;
      await fetch(url, { method: 'PUT', body: 'bytes' });
      await fetchReply(`${held.sandbox.controlUrl}/users/password`, {
        method: 'POST',
        body: JSON.stringify({ email: 'lab@sandbox.test', password: 'changed-behind-1' }),
      });
      await held.restart();
      expect((await lab.call('GET', `/datasets/${dataset}/document-count`)).body.count).toBe(1);
      const { downloadUrl } = (await lab.call('GET', `/datasets/${dataset}/files/u1/detail`)).body;
      expect(downloadUrl.startsWith(held.sandbox.objectsUrl)).toBe(true);
      expect((await fetchReply(downloadUrl)).text).toBe('bytes');
      // A URL from before the restart is good on the new port: the host is not signed.
      const before = new URL(url);
      const moved = held.sandbox.objectsUrl + before.pathname + before.search;
      expect((await fetch(moved, { method: 'PUT', body: 'again' })).status).toBe(200);
      expect(held.sandbox.users[0]?.password).toBe('changed-behind-1');
      const old = { email: 'lab@sandbox.test', password: 'lab-sandbox-1' };
      expect((await held.anonymous.call('POST', '/auth/login', old)).status).toBe(401);
      const seeds = (await held.anonymous.call('GET', '/datasets/published')).body;
      expect(seeds.totalNumber).toBe(2);
    } finally {
      await held.close();
    }
  });

  it('a restart takes the ports from before when asked, and says when one is taken', async () => {
    const stateDir = await mkdtemp(join(tmpdir(), 'sandbox-ports-'));
    const said: string[] = [];
    const start = () => startSandbox({ stateDir, keepPorts: true, log: (line) => void said.push(line) });
    const first = await start();
    await first.close();
    const second = await start();
    expect([second.apiUrl, second.objectsUrl]).toEqual([first.apiUrl, first.objectsUrl]);
    await second.close();
    expect(said).toEqual([]);

    const { port } = new URL(first.apiUrl);
    const stranger = createServer().listen(Number(port), '127.0.0.1');
    await once(stranger, 'listening');
    const third = await start();
    expect(third.apiUrl).not.toBe(first.apiUrl);
    expect(third.objectsUrl).toBe(first.objectsUrl);
    expect((await fetch(`${third.apiUrl}/datasets/published`)).status).toBe(200);
    expect(said).toEqual([expect.stringContaining(`Port ${port}, which this sandbox had before`)]);
    await third.close();
    stranger.close();
    await rm(stateDir, { recursive: true });
  });

  it('knobs are checked, and change the running sandbox', async () => {
    const held = await testSandbox({ seed: true, tokenTtlSeconds: 60 });
    try {
      const knobs = (change: object) =>
        fetchReply(`${held.sandbox.controlUrl}/knobs`, { method: 'POST', body: JSON.stringify(change) });
      expect((await knobs({ tokenTtl: 5 })).status).toBe(400);
      expect((await knobs({ fileListing: 'sometimes' })).status).toBe(400);
      expect((await knobs({ tokenTtlSeconds: 5, clockOffsetMs: -1000 })).body).toMatchObject({
        tokenTtlSeconds: 5,
      });
      const lab = await held.login('lab@sandbox.test');
      const claims = JSON.parse(Buffer.from(lab.token.split('.')[1] ?? '', 'base64url').toString());
      expect(claims.exp - claims.iat).toBe(5);
      const status = (await fetchReply(held.sandbox.controlUrl)).body;
      expect(status.stats.documents).toBe(54);
    } finally {
      await held.close();
    }
  });

  it('the command prints one line when ready and ends with 0 on SIGTERM', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ndi-sandbox-'));
    const main = new URL('./main.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [main, '--port', '0', '--state', folder, '--json']);
    try {
      const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
      const lines: string[] = [];
      const reader = createInterface({ input: child.stdout });
      reader.on('line', (line) => lines.push(line));
      await new Promise((resolve) => reader.once('line', resolve));
      const ready = JSON.parse(lines[0] ?? '');
      expect(Object.keys(ready)).toEqual(['apiUrl', 'objectsUrl', 'controlUrl', 'caFile', 'users']);
      expect(ready.apiUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
      expect(ready.users).toHaveLength(5);
      expect(Object.keys(ready.users[0])).toEqual(['email', 'password', 'organizationId', 'isAdmin']);
      expect((await fetchReply(`${ready.apiUrl}/datasets/published`)).status).toBe(200);
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
      expect(lines).toHaveLength(1);
    } finally {
      child.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('what is past its purge time is swept away, with the objects of its dataset', async () => {
    const held = await testSandbox();
    try {
      const lab = await held.login('lab@sandbox.test');
      const before = held.sandbox.stats();
      const [gone, kept] = [await makeDataset(lab), await makeDataset(lab)];
      for (const dataset of [gone, kept]) {
        const { url } = (await lab.call('GET', `/datasets/${lab.user.organizationId}/${dataset}/files/u1`))
          .body;
        await fetch(url, { method: 'PUT', body: 'bytes' });
        await lab.call('POST', `/datasets/${dataset}/documents`, ndiBody(1));
      }
      await lab.call('DELETE', `/datasets/${gone}?when=now`);
      held.sandbox.sweep();
      expect(held.sandbox.stats().objects).toBe(before.objects + 2);
      held.sandbox.knobs.clockOffsetMs = 120_000;
      held.sandbox.sweep();
      held.sandbox.knobs.clockOffsetMs = 0;
      const after = held.sandbox.stats();
      expect(after).toMatchObject({
        objects: before.objects + 1,
        documents: before.documents + 1,
        files: before.files + 1,
      });
      const { body } = await lab.call('GET', `/datasets/${kept}/files/u1/detail`);
      expect((await fetchReply(body.downloadUrl)).text).toBe('bytes');
    } finally {
      await held.close();
    }
  });
});
