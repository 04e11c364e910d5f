/**
 * A lab behind a proxy: real commands, service and workers with a real proxy in their environment. The names
 * of the cloud and its object store can only be resolved by the proxy.
 */
import { globSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PROXY_PASSWORD, startProxy, type TestProxy } from '../support/proxy.ts';
import { createHarness, type Harness } from './harness.ts';

let proxy: TestProxy;
let cli: Harness;
beforeAll(async () => {
  proxy = await startProxy({ needsLogin: true });
  const named = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, grpc_proxy: proxy.url };
  cli = await createHarness({ sandbox: { hostname: 'cloud.test' }, env: named });
});
afterAll(async () => {
  await cli.close();
  await proxy.close();
});

it('an upload and a download go through the proxy, and nothing else does', async () => {
  const up = await cli.run(['upload', await cli.dataset(), '--new', 'Behind a proxy', '--json']);
  expect(up.code, up.stderr).toBe(0);
  const down = await cli.run(['download', up.json().datasetId, cli.path('copy'), '--json']);
  expect(down.code, down.stderr).toBe(0);
  expect(down.json()).toMatchObject({
    documents: { total: up.json().documents.total },
    files: { total: 6, transferred: 6 },
  });
  const { host: api } = new URL(cli.sandbox.apiUrl);
  const { host: store } = new URL(cli.sandbox.objectsUrl);
  expect(new Set(proxy.asked)).toEqual(new Set([api, store]));
  const logs = globSync(`${cli.env.COURIER_HOME}/logs/*`).map((path) => readFileSync(path, 'utf8'));
  expect(logs.length).toBeGreaterThan(0);
  for (const text of [...logs, up.stdout, up.stderr, down.stdout, down.stderr])
    expect(text).not.toContain(PROXY_PASSWORD);
});

it('raw commands of the API move bytes through it, too', async () => {
  const { id } = (
    await cli.run(['cloud', 'datasets', 'create', '-', '--json'], { input: '{"name":"raw"}' })
  ).json();
  const { host: store } = new URL(cli.sandbox.objectsUrl);
  const before = proxy.asked.filter((host) => host === store).length;
  const sent = await cli.run(['cloud', 'files', 'put', id, `${cli.dir}/copy/.ndi/unique_reference.txt`]);
  expect([sent.code, sent.stderr]).toEqual([0, '']);
  expect(proxy.asked.filter((host) => host === store)).toHaveLength(before + 1);
});
