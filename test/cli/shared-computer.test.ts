/**
 * A computer that others use, too: who may speak to our listeners, who may read the home, what foreign text
 * may do to a terminal.
 */
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHarness, type Harness } from './harness.ts';

let cli: Harness;
beforeAll(async () => {
  cli = await createHarness();
});
afterAll(() => cli?.close());

/** The status of a request under these headers; `fetch` lets nobody set Host. */
function statusOf(url: string, method: string, headers: Record<string, string>, body = ''): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('listeners', () => {
  it('refuse a request under a foreign name, on every port', async () => {
    const { apiUrl, objectsUrl, controlUrl } = cli.sandbox;
    for (const url of [`${apiUrl}/datasets/published`, `${objectsUrl}/x`, `${controlUrl}/users`])
      for (const host of ['evil.example', 'evil.example:80', '10.0.0.7', '127.0.0.1.evil.example'])
        expect([url, host, await statusOf(url, 'GET', { host })]).toEqual([url, host, 403]);
    for (const host of ['localhost:1', '127.0.0.1', '[::1]:80'])
      expect(await statusOf(`${controlUrl}/users`, 'GET', { host })).toBe(200);
  });

  it('take no switch from a page of a foreign site', async () => {
    const url = `${cli.sandbox.controlUrl}/knobs`;
    const body = JSON.stringify({ importDelayMs: 30 });
    expect(await statusOf(url, 'POST', { origin: 'https://evil.example' }, body)).toBe(403);
    expect(await statusOf(url, 'POST', { origin: 'null' }, body)).toBe(403);
    expect(await statusOf(url, 'POST', { origin: 'http://localhost:3000' }, body)).toBe(200);
    expect(await statusOf(url, 'POST', {}, body)).toBe(200);
  });
});

describe('the home', () => {
  it.skipIf(process.platform === 'win32')('is closed to others, also one that was open before', async () => {
    const home = cli.path('open-home');
    mkdirSync(home);
    chmodSync(home, 0o755);
    const env = { COURIER_HOME: home };
    const up = await cli.run(['up', '--json'], { env });
    expect(up.code, up.stderr).toBe(0);
    expect((statSync(home).mode & 0o777).toString(8)).toBe('700');
    await cli.run(['down'], { env });
  });
});

describe('text of the cloud', () => {
  it('steers no terminal, in words or as JSON', async () => {
    const name = 'red \u001b[31m \u009b31m turned \u202eemit\u202c end';
    const made = await cli.run(['cloud', 'datasets', 'create', '-', '--json'], {
      input: JSON.stringify({ name }),
    });
    expect(made.code, made.stderr).toBe(0);
    const { id } = made.json();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not come through
    const steering = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
    for (const args of [
      ['cloud', 'datasets', 'get', id],
      ['cloud', 'datasets', 'list'],
      ['cloud', 'datasets', 'list', '--json'],
      ['download', id, cli.path('copy'), '--dry-run'],
      ['runs', 'list'],
      ['runs', 'list', '--json'],
    ]) {
      const { stdout, stderr } = await cli.run(args);
      expect([args, steering.exec(stdout + stderr)]).toEqual([args, null]);
    }
    expect((await cli.run(['cloud', 'datasets', 'get', id, '--json'])).json().name).toBe(name);
  });
});
