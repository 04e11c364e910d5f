import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { certificateIn } from './certificate.ts';

const root = mkdtempSync(join(tmpdir(), 'courier-certificate-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const NAMES = ['localhost', '127.0.0.1', '::1'];
const DAY_MS = 86_400_000;

describe('the certificate of a sandbox', () => {
  it('is for its names, is signed by the file beside it, and has a key that only its owner reads', () => {
    const dir = join(root, 'new');
    const { caFile, cert } = certificateIn(dir, NAMES);
    const [server, authority] = [new X509Certificate(cert), new X509Certificate(readFileSync(caFile))];
    expect(server.verify(authority.publicKey)).toBe(true);
    expect([server.ca, authority.ca]).toEqual([false, true]);
    expect(server.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
    expect(server.validToDate.getTime() - Date.now()).toBeGreaterThan(390 * DAY_MS);
    if (process.platform !== 'win32') expect(statSync(join(dir, 'server.pem')).mode & 0o777).toBe(0o600);
    expect(readFileSync(caFile, 'utf8')).not.toContain('PRIVATE');
  });

  it.skipIf(spawnSync('openssl', ['version']).status !== 0)('is accepted by openssl, strictly', () => {
    const { caFile } = certificateIn(join(root, 'new'), NAMES);
    const server = join(root, 'new', 'server.pem');
    const flags = ['-x509_strict', '-purpose', 'sslserver', '-verify_hostname', 'localhost'];
    const verified = spawnSync('openssl', ['verify', '-CAfile', caFile, ...flags, server], {
      encoding: 'utf8',
    });
    expect([verified.status, verified.stdout.trim(), verified.stderr]).toEqual([0, `${server}: OK`, '']);
  });

  it('is used again while it is valid and for the same names, and made anew else', () => {
    const dir = join(root, 'again');
    const first = certificateIn(dir, NAMES);
    expect(certificateIn(dir, NAMES)).toEqual(first);
    expect(certificateIn(dir, NAMES, Date.now() + 360 * DAY_MS).cert).toEqual(first.cert);
    const renewed = certificateIn(dir, NAMES, Date.now() + 370 * DAY_MS);
    expect(renewed.cert).not.toEqual(first.cert);
    rmSync(dir, { recursive: true });
    const one = certificateIn(dir, NAMES);
    const other = certificateIn(dir, [...NAMES, 'cloud.test']);
    expect(new X509Certificate(other.cert).checkHost('cloud.test')).toBe('cloud.test');
    expect(other.cert).not.toEqual(one.cert);
  });

  it('is made anew where a file is damaged or does not fit', () => {
    const dir = join(root, 'damaged');
    const first = certificateIn(dir, NAMES);
    const foreign = certificateIn(join(root, 'foreign'), NAMES);
    writeFileSync(first.caFile, readFileSync(foreign.caFile));
    const second = certificateIn(dir, NAMES);
    expect(second.cert).not.toEqual(first.cert);
    writeFileSync(join(dir, 'server.pem'), 'no key');
    const third = certificateIn(dir, NAMES);
    expect(
      new X509Certificate(third.cert).verify(new X509Certificate(readFileSync(third.caFile)).publicKey),
    ).toBe(true);
  });
});
