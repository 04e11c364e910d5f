/**
 * A lab whose cloud has a certificate of the lab's own authority, behind a proxy: a real sandbox with TLS,
 * real commands, service and workers.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate } from '../../sandbox/certificate.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { createHarness, type Harness } from './harness.ts';

let proxy: TestProxy;
let cli: Harness;
let configFile: string;
beforeAll(async () => {
  proxy = await startProxy({ needsLogin: true });
  cli = await createHarness({
    sandbox: { hostname: 'cloud.test', tls: true },
    env: { HTTPS_PROXY: proxy.url },
  });
  mkdirSync(cli.env.COURIER_HOME!, { recursive: true, mode: 0o700 });
  configFile = join(cli.env.COURIER_HOME!, 'config.json');
  writeFileSync(cli.path('other.pem'), makeCertificate(['x']).ca);
});
afterAll(async () => {
  await cli.close();
  await proxy.close();
});

const checks = async (env: Record<string, string> = {}) => {
  const { checks } = (await cli.run(['doctor', '--json'], { env })).json();
  return (name: string) => checks.find((check: { name: string }) => check.name === name);
};

describe('without the CA file', () => {
  it('a command names the setting, and how it is found out', async () => {
    const { code, stderr } = await cli.run(['whoami']);
    expect(code).toBe(1);
    expect(stderr).toContain('is not trusted');
    expect(stderr).toContain('COURIER_CA_FILE');
    expect(stderr).toContain('NDI_E_CERTIFICATE');
  });
});

describe('doctor', () => {
  it('shows the proxy without its password, and the files with authorities', async () => {
    const check = await checks({
      COURIER_CA_FILE: cli.sandbox.caFile!,
      NODE_EXTRA_CA_CERTS: cli.path('other.pem'),
    });
    const { host } = new URL(cli.sandbox.apiUrl);
    expect(check('proxy')).toMatchObject({
      state: 'ok',
      detail: `http://127.0.0.1:${proxy.port} (from HTTPS_PROXY) for ${host}`,
    });
    expect(check('certificates')).toMatchObject({
      state: 'ok',
      detail: `those of Node.js and ${cli.sandbox.caFile} (1 certificate, from COURIER_CA_FILE) and ${cli.path('other.pem')} (1 certificate, from NODE_EXTRA_CA_CERTS)`,
    });
    expect(check('login').state).toBe('ok');
  });

  it('says what is wrong with a file or a proxy', async () => {
    const check = await checks({ NODE_EXTRA_CA_CERTS: '/nowhere.pem', HTTPS_PROXY: 'socks5://me:s3cr3t@x' });
    expect(check('certificates')).toMatchObject({ state: 'fail' });
    expect(check('certificates').detail).toContain('/nowhere.pem (from NODE_EXTRA_CA_CERTS) cannot be read');
    expect(check('proxy')).toMatchObject({ state: 'fail' });
    expect(check('proxy').detail).toContain('HTTPS_PROXY');
    expect(JSON.stringify([check('proxy'), check('login')])).not.toContain('s3cr3t');
    const direct = await checks({ NO_PROXY: 'cloud.test' });
    expect(direct('proxy').detail).toContain('is reached directly');
  });
});

describe('with the CA file in config.json', () => {
  it('an upload and a download work through service, workers and proxy', async () => {
    writeFileSync(configFile, JSON.stringify({ network: { caFile: cli.sandbox.caFile } }));
    const up = await cli.run(['upload', await cli.dataset(), '--new', 'With TLS', '--json']);
    expect(up.code, up.stderr).toBe(0);
    const down = await cli.run(['download', up.json().datasetId, cli.path('copy'), '--json']);
    expect(down.code, down.stderr).toBe(0);
    expect(down.json()).toMatchObject({ files: { total: 6, transferred: 6 } });
    const hosts = [cli.sandbox.apiUrl, cli.sandbox.objectsUrl].map((url) => new URL(url).host);
    expect(new Set(proxy.asked)).toEqual(new Set(hosts));
    rmSync(configFile);
  });
});

describe('with NODE_EXTRA_CA_CERTS', () => {
  it('service and workers get it, and another CA file takes nothing away', async () => {
    await cli.run(['down']);
    const env = { NODE_EXTRA_CA_CERTS: cli.sandbox.caFile!, COURIER_CA_FILE: cli.path('other.pem') };
    const up = await cli.run(['upload', await cli.dataset(), '--new', 'Extra', '--json'], { env });
    expect(up.code, up.stderr).toBe(0);
    expect(up.json().status).toBe('done');
  });
});
