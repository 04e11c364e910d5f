import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { isCourierError } from '../errors/index.ts';
import { proxyFor } from './proxy.ts';

const shown = (address: string, env: Record<string, string>) => proxyFor(address, env)?.shown;
const both = { HTTPS_PROXY: 'http://secure.lab:3128', HTTP_PROXY: 'http://plain.lab:3128' };

describe('a proxy', () => {
  it('is named per kind of address, in either case, and lower case wins', () => {
    expect(shown('https://api.ndi-cloud.com/v1', both)).toBe('http://secure.lab:3128');
    expect(shown('http://nas.lab/x', both)).toBe('http://plain.lab:3128');
    expect(shown('https://a.b', { HTTP_PROXY: 'http://plain.lab' })).toBeUndefined();
    expect(shown('https://a.b', { ...both, https_proxy: 'http://lower.lab:1' })).toBe('http://lower.lab:1');
    expect(shown('https://a.b', { ...both, https_proxy: '' })).toBeUndefined();
    expect(shown('https://a.b', { HTTPS_PROXY: 'proxy.lab:3128' })).toBe('http://proxy.lab:3128');
    expect(shown('https://a.b', {})).toBeUndefined();
  });

  it('is never used for this computer', () => {
    for (const host of [
      'localhost',
      'a.localhost',
      '127.0.0.1',
      '127.8.9.1',
      '[::1]',
      '0.0.0.0',
      'localhost.',
    ])
      expect(shown(`https://${host}:7233`, both), host).toBeUndefined();
    expect(shown('https://[::ffff:127.0.0.1]/', both)).toBeUndefined();
    expect(shown('https://localhost.lab', both)).toBe('http://secure.lab:3128');
  });

  it.each([
    ['*', true],
    ['store.lab', true],
    ['.store.lab', true],
    ['*.lab', true],
    ['LAB', true],
    ['other.lab, store.lab:8443', true],
    ['store.lab:443', false],
    ['tore.lab', false],
    ['', false],
    [',, ', false],
    ['10.0.0.0/8', false],
  ])('with NO_PROXY %o is left out for s3.store.lab:8443: %s', (noProxy, isLeftOut) => {
    expect(proxyFor('https://s3.store.lab:8443/k', { ...both, NO_PROXY: noProxy }) === undefined).toBe(
      isLeftOut,
    );
  });

  it.each([
    ['https://10.1.2.3', '10.0.0.0/8', true],
    ['https://11.1.2.3', '10.0.0.0/8', false],
    ['https://10.1.2.3', '10.1.2.3', true],
    ['https://[fd00::1]:9', 'fd00:0::1', true],
    ['https://[fd00::1]:9', '[fd00::1]:9', true],
    ['https://[fd00::1]:9', '[fd00::1]:8', false],
    ['https://[fd00::1]', 'fd00::/8', true],
    ['https://10.1.2.3', '10.0.0.0/99', false],
  ])('of %s with no_proxy %o is left out: %s', (address, noProxy, isLeftOut) => {
    expect(proxyFor(address, { ...both, no_proxy: noProxy }) === undefined).toBe(isLeftOut);
  });

  it('keeps its password to itself, also in the errors of a wrong setting', () => {
    const secret = 's3cr3t';
    expect(shown('https://a.b', { HTTPS_PROXY: `http://me:${secret}@proxy.lab:1` })).toBe(
      'http://proxy.lab:1',
    );
    for (const wrong of [
      `socks5://me:${secret}@proxy.lab`,
      `http://me:${secret}/@proxy.lab`,
      `http://me:1/${secret}@proxy.lab`,
      `http://me:${secret}%zz@proxy.lab`,
      `http://me:${secret}#@proxy.lab`,
      `me ${secret}`,
    ]) {
      let caught: unknown;
      try {
        proxyFor('https://a.b', { HTTPS_PROXY: wrong });
      } catch (error) {
        caught = error;
      }
      expect(isCourierError(caught, 'NDI_E_SETTING'), wrong).toBe(true);
      expect(inspect(caught)).toContain('HTTPS_PROXY');
      expect(inspect(caught)).not.toContain(secret);
    }
  });
});
