import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { isCourierError } from '../errors/index.ts';
import { ensureRetention, ensureSearchAttributes, resolveTemporal, waitForTemporal } from './connection.ts';

const dir = mkdtempSync(join(tmpdir(), 'courier-connection-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function configFile(text: string): string {
  const path = join(dir, 'temporal.toml');
  writeFileSync(path, text);
  return path;
}

describe('which Temporal server', () => {
  const none = join(dir, 'none.toml');

  it('is ours when nothing names another', () => {
    expect(resolveTemporal({ TEMPORAL_CONFIG_FILE: none })).toEqual({ kind: 'embedded' });
    expect(resolveTemporal({ TEMPORAL_CONFIG_FILE: none, TEMPORAL_ADDRESS: '' })).toEqual({
      kind: 'embedded',
    });
    const TEMPORAL_CONFIG_FILE = configFile('[profile.other]\naddress = "a:1"\n');
    expect(resolveTemporal({ TEMPORAL_CONFIG_FILE })).toEqual({ kind: 'embedded' });
  });

  it('is the one that TEMPORAL_ADDRESS or a profile names', () => {
    expect(resolveTemporal({ TEMPORAL_CONFIG_FILE: none, TEMPORAL_ADDRESS: 'lab:7233' })).toMatchObject({
      kind: 'external',
      address: 'lab:7233',
      namespace: 'default',
      connectionOptions: { address: 'lab:7233' },
    });
    const TEMPORAL_CONFIG_FILE = configFile(
      '[profile.cloud]\naddress = "ns.acct.tmprl.cloud:7233"\nnamespace = "ns.acct"\napi_key = "secret"\n',
    );
    const env = { TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE: 'cloud' };
    expect(resolveTemporal(env)).toMatchObject({
      address: 'ns.acct.tmprl.cloud:7233',
      namespace: 'ns.acct',
      connectionOptions: { apiKey: 'secret' },
    });
    expect(resolveTemporal({ ...env, TEMPORAL_ADDRESS: 'x:1' })).toMatchObject({ address: 'x:1' });
  });

  it('is an error when the named profile or the file cannot be read', () => {
    const usage = (part: string) =>
      expect.toSatisfy((error) => isCourierError(error, 'NDI_E_USAGE') && error.message.includes(part));
    const TEMPORAL_CONFIG_FILE = configFile('[profile.a]\naddress = "a:1"\n');
    expect(() => resolveTemporal({ TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE: 'b' })).toThrow(usage("'b'"));
    expect(() => resolveTemporal({ TEMPORAL_CONFIG_FILE: configFile('[profile') })).toThrow(
      usage('settings'),
    );
  });
});

describe('waiting for a server', () => {
  const address = inject('temporalAddress');
  const service = (part: string) => (error: unknown) =>
    isCourierError(error, 'NDI_E_SERVICE') && error.message.includes(part);

  it('gives up in time when nobody listens, and at once when there is no such namespace', async () => {
    const nobody = waitForTemporal({ address: '127.0.0.1:1' }, 'courier', { timeoutMs: 300 });
    await expect(nobody).rejects.toSatisfy(service('127.0.0.1:1 does not serve'));
    const startedAt = performance.now();
    const noSuch = waitForTemporal({ address }, 'no-such-namespace', { timeoutMs: 30_000 });
    await expect(noSuch).rejects.toSatisfy(service('no-such-namespace'));
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('leaves a namespace alone that has all it needs, and says what is missing where it may not add it', async () => {
    const namespace = inject('temporalNamespace');
    const connection = await waitForTemporal({ address }, namespace, { timeoutMs: 5_000 });
    const said: string[] = [];
    await ensureSearchAttributes(connection, namespace, { NdiDataset: 'Keyword' }, (line) => said.push(line));
    await ensureRetention(connection, namespace);
    expect(said).toEqual([]);
    await ensureSearchAttributes(connection, 'no-such-namespace', { NdiDataset: 'Keyword' }, (line) =>
      said.push(line),
    );
    expect(said.join()).toContain('NdiDataset=Keyword');
    await connection.close();
    await expect(Connection.connect({ address }).then((c) => c.close())).resolves.toBeUndefined();
  });
});
