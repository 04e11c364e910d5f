import { describe, expect, it } from 'vitest';
import { isCourierError } from '../../errors/index.ts';
import { baseUrlOf, checkBaseUrl, organizationFromEnvironment, STAGES } from './environment.ts';

const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (isCourierError(error, 'NDI_E_SETTING')) return error.message;
    throw error;
  }
  throw new Error('expected a refusal');
};

describe('which cloud', () => {
  it('is NDI_CLOUD_URL, then the stage, then the profile, then prod', () => {
    const url = 'http://127.0.0.1:8080/v1/';
    const env = { NDI_CLOUD_URL: url, CLOUD_API_ENVIRONMENT: 'nonsense' };
    expect(baseUrlOf(env, STAGES.dev)).toBe('http://127.0.0.1:8080/v1');
    expect(baseUrlOf({ CLOUD_API_ENVIRONMENT: 'dev' }, url)).toBe(STAGES.dev);
    expect(baseUrlOf({ CLOUD_API_ENVIRONMENT: ' ' }, STAGES.dev)).toBe(STAGES.dev);
    expect(baseUrlOf({})).toBe('https://api.ndi-cloud.com/v1');
  });

  it('is an error for a stage that does not exist', () => {
    expect(refusal(() => baseUrlOf({ CLOUD_API_ENVIRONMENT: 'Prod' }))).toContain(
      '"Prod"; it can be prod or dev',
    );
    expect(refusal(() => baseUrlOf({ CLOUD_API_ENVIRONMENT: 'toString' }))).toContain('toString');
  });

  it('takes plain http only nearby, and no credentials in the address', () => {
    for (const near of [
      'localhost:1',
      '127.0.0.1',
      '[::1]:2',
      '10.1.2.3',
      '192.168.0.9',
      '172.20.0.1',
      'sandbox:80',
      'nas.lan',
    ]) {
      expect(checkBaseUrl(`http://${near}/v1`, 'x')).toMatch(/^http:/);
    }
    for (const far of [
      'api.ndi-cloud.com',
      '172.32.0.1',
      '8.8.8.8',
      '10.evil.example.org',
      '[2001:db8::1]',
    ]) {
      expect(refusal(() => checkBaseUrl(`http://${far}/v1`, 'NDI_CLOUD_URL'))).toContain('https');
    }
    const message = refusal(() => checkBaseUrl('https://me:hunter2@host/v1?token=abc', 'NDI_CLOUD_URL'));
    expect(message).not.toMatch(/hunter2|abc/);
    expect(refusal(() => checkBaseUrl('api.ndi-cloud.com', 'NDI_CLOUD_URL'))).toContain('not an address');
    expect(refusal(() => checkBaseUrl('ftp://localhost/v1', 'NDI_CLOUD_URL'))).toContain('https');
  });
});

describe('settings of other programs', () => {
  it('are refused by name and never ignored', () => {
    for (const name of ['NDI_CLOUD_API_URL', 'NDI_CLOUD_ENV', 'NDI_CLOUD_MODE']) {
      expect(refusal(() => baseUrlOf({ [name]: 'dev' }))).toContain(name);
      expect(baseUrlOf({ [name]: 'dev', CLOUD_API_ENVIRONMENT: 'dev' })).toContain('dev-api');
    }
  });

  it('include an address without its /v1, which is suggested', () => {
    expect(refusal(() => checkBaseUrl('https://dev-api.ndi-cloud.com', 'NDI_CLOUD_URL'))).toContain(
      'https://dev-api.ndi-cloud.com/v1',
    );
  });
});

describe('the organisation of the environment', () => {
  it('reads the organisation as the existing clients do', () => {
    expect(organizationFromEnvironment({ NDI_CLOUD_ORGANIZATION_ID: ' abc ' })).toBe('abc');
    expect(organizationFromEnvironment({ NDI_CLOUD_ORGANIZATION_ID: '' })).toBeUndefined();
  });
});
