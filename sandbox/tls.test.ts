import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, it } from 'vitest';
import { startSandbox } from './server.ts';

const stateDir = mkdtempSync(join(tmpdir(), 'courier-sandbox-tls-'));
afterAll(() => rmSync(stateDir, { recursive: true, force: true }));

function status(url: string, ca: Buffer | undefined): Promise<number | string> {
  return new Promise((resolve) => {
    get(url, ca === undefined ? {} : { ca }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
}

it('a sandbox with TLS serves both origins by https, and keeps certificate and port', async () => {
  const first = await startSandbox({ stateDir, tls: true, keepPorts: true });
  const { apiUrl, objectsUrl, controlUrl, caFile } = first;
  expect(apiUrl).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/v1$/);
  const ca = readFileSync(caFile ?? '');
  expect(await status(controlUrl, ca)).toBe(200);
  expect(await status(controlUrl.replace('127.0.0.1', 'localhost'), ca)).toBe(200);
  expect(await status(`${apiUrl}/users/me`, ca)).toBe(401);
  expect(await status(`${objectsUrl}/key`, ca)).toBe(403);
  expect(await status(controlUrl, undefined)).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  first.faults.set({ route: 'GET /users/me', kind: 'reset-before' });
  expect(await status(`${apiUrl}/users/me`, ca)).toBe('ECONNRESET');
  await first.close();
  const second = await startSandbox({ stateDir, tls: true, keepPorts: true });
  expect([second.apiUrl, second.caFile]).toEqual([apiUrl, caFile]);
  expect(await status(second.controlUrl, ca)).toBe(200);
  await second.close();
});

const hasPython = spawnSync('python3', ['--version']).status === 0;
it.skipIf(!hasPython)('its JSON line names the file that makes Python trust it', async () => {
  const main = new URL('./main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [main, '--tls', '--json', '--state', stateDir]);
  try {
    const line = await new Promise<string>((resolve) =>
      createInterface({ input: child.stdout }).once('line', resolve),
    );
    const { apiUrl, caFile } = JSON.parse(line);
    const ask = (env: Record<string, string>) =>
      spawnSync(
        'python3',
        ['-c', `import urllib.request as u; print(u.urlopen("${apiUrl}/datasets/published").status)`],
        { encoding: 'utf8', env: { PATH: process.env.PATH, ...env } },
      );
    expect(ask({ SSL_CERT_FILE: caFile }).stdout.trim()).toBe('200');
    expect(ask({}).stderr).toContain('CERTIFICATE_VERIFY_FAILED');
  } finally {
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('close', resolve));
  }
});
