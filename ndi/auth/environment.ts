/**
 * Which NDI Cloud is meant (NDI Cloud contract §1.2, §1.3): the variables are those of the existing clients,
 * and an unknown stage is an error instead of a silent prod.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CourierError } from '../../errors/index.ts';
import type { Environment } from '../../net/proxy.ts';

export type { Environment } from '../../net/proxy.ts';

export const STAGES = {
  prod: 'https://api.ndi-cloud.com/v1',
  dev: 'https://dev-api.ndi-cloud.com/v1',
} as const;

export type Stage = keyof typeof STAGES;

export const isStage = (text: string): text is Stage => Object.hasOwn(STAGES, text);

/** Trimmed; empty counts as not set. */
export function setting(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === undefined || value === '' ? undefined : value;
}

/** The address that the environment alone gives; `undefined` where it gives none and a profile may decide. */
export function baseUrlFromEnvironment(env: Environment): string | undefined {
  const url = setting(env, 'NDI_CLOUD_URL');
  if (url !== undefined) return checkBaseUrl(url, 'NDI_CLOUD_URL');
  const stage = setting(env, 'CLOUD_API_ENVIRONMENT');
  if (stage === undefined) {
    refuseForeignSettings(env);
    return undefined;
  }
  if (isStage(stage)) return STAGES[stage];
  throw new CourierError('NDI_E_SETTING', {
    detail: `CLOUD_API_ENVIRONMENT is ${JSON.stringify(stage.slice(0, 40))}; it can be prod or dev.`,
  });
}

/** Settings that documents of other programs name. Ignored, they would lead a trial into production. */
const FOREIGN = {
  NDI_CLOUD_API_URL: 'NDI_CLOUD_URL',
  NDI_CLOUD_ENV: 'CLOUD_API_ENVIRONMENT',
  NDI_CLOUD_MODE: 'CLOUD_API_ENVIRONMENT',
} as const;

function refuseForeignSettings(env: Environment): void {
  for (const [name, ours] of Object.entries(FOREIGN)) {
    if (setting(env, name) === undefined) continue;
    throw new CourierError('NDI_E_SETTING', { detail: `${name} is not read here: set ${ours} instead.` });
  }
}

/**
 * Production, for one who has named no cloud.
 * @throws NDI_E_SETTING where a settings file of older clients may name another one, which is not read here
 */
export function productionOf(env: Environment): string {
  const path = join(setting(env, 'NDI_PREFDIR') ?? join(homedir(), '.ndi'), 'cloud_config.json');
  if (!existsSync(path)) return STAGES.prod;
  throw new CourierError('NDI_E_SETTING', {
    detail: `${path} is not read here: name the cloud with CLOUD_API_ENVIRONMENT or NDI_CLOUD_URL, or log in with \`ndi-courier login --url\`.`,
  });
}

/** `NDI_CLOUD_URL`, else the stage named by `CLOUD_API_ENVIRONMENT`, else the profile's, else prod. */
export const baseUrlOf = (env: Environment, profileBaseUrl?: string): string =>
  baseUrlFromEnvironment(env) ?? profileBaseUrl ?? productionOf(env);

/**
 * A base address without a slash at the end. `source` names the setting in errors.
 * @throws NDI_E_SETTING
 */
export function checkBaseUrl(text: string, source: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new CourierError('NDI_E_SETTING', {
      detail: `${source} is not an address such as ${STAGES.prod}.`,
    });
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new CourierError('NDI_E_SETTING', {
      detail: `${source} may hold neither credentials nor a query: ${url.origin}${url.pathname}.`,
    });
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isNearby(url.hostname)))
    throw new CourierError('NDI_E_SETTING', {
      detail: `${source} is ${url.origin}: passwords go only to https, or to http on this computer or network.`,
    });
  const base = `${url.origin}${url.pathname}`.replace(/\/+$/, '');
  const meant = Object.values(STAGES).find((known) => known === `${base}/v1`);
  if (meant !== undefined)
    throw new CourierError('NDI_E_SETTING', { detail: `${source} is ${base}; it should be ${meant}.` });
  return base;
}

/** Loopback, private addresses, and names that no public DNS serves (a container, a lab's own domain). */
function isNearby(hostname: string): boolean {
  if (!hostname.includes('.') && !hostname.includes(':')) return true;
  if (/\.(?:localhost|local|internal|test|lan)$/.test(hostname)) return true;
  if (/^(?:127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.)/.test(hostname))
    return /^[\d.]+$/.test(hostname);
  return hostname === '[::1]' || /^\[f[cd]/.test(hostname);
}

export const organizationFromEnvironment = (env: Environment): string | undefined =>
  setting(env, 'NDI_CLOUD_ORGANIZATION_ID');
