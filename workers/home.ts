/**
 * The one folder that holds all state of ndi-courier on this machine, and what lies where in it.
 *
 *   service.json      what runs now: addresses and pids (workers/service.ts)
 *   service.lock      held by the one supervisor
 *   temporal.sqlite   the embedded Temporal server's database: all runs
 *   site.json         this host's stable name
 *   payload-key       the key of a private service (workers/payload-key.ts)
 *   logs/             supervisor.log, server.log, worker.log, each with two older ones
 *   ledgers/          records of datasets whose own folder cannot hold them (ledger/locate.ts)
 *   profiles.json     cloud accounts; secrets.json: passwords without a keyring (ndi/auth/profiles.ts)
 *   scratch/          files of running steps, one folder per process (workers/composition.ts)
 *   bwlimit           the bandwidth limit, read again while workers run (workers/bandwidth.ts)
 *   config.json       defaults for the options of runs (client/options.ts)
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { placeIfAbsent } from '../disk/link.ts';
import { CourierError } from '../errors/index.ts';
import type { Environment } from '../ndi/auth/environment.ts';

export interface Home {
  readonly dir: string;
  readonly serviceFile: string;
  readonly lockFile: string;
  readonly temporalDbFile: string;
  readonly siteFile: string;
  readonly payloadKeyFile: string;
  readonly logsDir: string;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value;
}

function stateDir(env: Environment, platform: NodeJS.Platform): string {
  const user = nonEmpty(env.HOME) ?? homedir();
  if (platform === 'darwin') return join(user, 'Library', 'Application Support', 'ndi-courier');
  if (platform === 'win32') {
    return join(nonEmpty(env.LOCALAPPDATA) ?? join(user, 'AppData', 'Local'), 'ndi-courier');
  }
  return join(nonEmpty(env.XDG_STATE_HOME) ?? join(user, '.local', 'state'), 'ndi-courier');
}

/**
 * The folder for what can be made again (the Temporal CLI): `COURIER_CACHE`, else the platform's cache
 * folder.
 */
export function cacheDirFromEnv(env: Environment, platform: NodeJS.Platform = process.platform): string {
  const chosen = nonEmpty(env.COURIER_CACHE);
  if (chosen !== undefined) return resolve(chosen);
  const user = nonEmpty(env.HOME) ?? homedir();
  if (platform === 'darwin') return join(user, 'Library', 'Caches', 'ndi-courier');
  if (platform === 'win32') {
    return join(nonEmpty(env.LOCALAPPDATA) ?? join(user, 'AppData', 'Local'), 'ndi-courier', 'Cache');
  }
  return join(nonEmpty(env.XDG_CACHE_HOME) ?? join(user, '.cache'), 'ndi-courier');
}

/** The paths of the state folder: `COURIER_HOME`, else the platform's state folder. Touches no disk. */
export function homeFromEnv(env: Environment, platform: NodeJS.Platform = process.platform): Home {
  return homeAt(nonEmpty(env.COURIER_HOME) ?? stateDir(env, platform));
}

export function homeAt(path: string): Home {
  const dir = resolve(path);
  return {
    dir,
    serviceFile: join(dir, 'service.json'),
    lockFile: join(dir, 'service.lock'),
    temporalDbFile: join(dir, 'temporal.sqlite'),
    siteFile: join(dir, 'site.json'),
    payloadKeyFile: join(dir, 'payload-key'),
    logsDir: join(dir, 'logs'),
  };
}

/**
 * Makes the folders, or closes them to others: they hold file names and logs of a lab.
 * @throws NDI_E_READ_ONLY
 */
export function ensureHome(home: Home): Home {
  for (const dir of [home.dir, home.logsDir]) {
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      tighten(dir);
    } catch (cause) {
      throw new CourierError('NDI_E_READ_ONLY', {
        detail: `The state folder ${dir} cannot be made; set COURIER_HOME to another one.`,
        cause,
      });
    }
  }
  return home;
}

/**
 * An older home, or one that was made under another umask, may be open to others. One of another owner stays
 * as it is.
 */
function tighten(dir: string): void {
  const { mode, uid } = statSync(dir);
  const isOurs = process.getuid === undefined || uid === process.getuid();
  if (process.platform !== 'win32' && isOurs && (mode & 0o777) !== 0o700) chmodSync(dir, 0o700);
}

/** Queue names are made of site ids, so only letters, digits and inner dashes stay. */
export function sanitizeHostName(name: string): string {
  const short = name.split('.')[0] ?? '';
  const clean = short
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-+|-+$/g, '');
  return clean === '' ? 'site' : clean;
}

const SITE_ID = /^[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{4}$/;

function readSiteId(home: Home): string | undefined {
  let text: string;
  try {
    text = readFileSync(home.siteFile, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  let siteId: unknown;
  try {
    ({ siteId } = JSON.parse(text) as { siteId?: unknown });
  } catch {
    // Falls through to the error below.
  }
  if (typeof siteId === 'string' && SITE_ID.test(siteId)) return siteId;
  // Making a new one would strand every run that waits for the old site's queue.
  throw new CourierError('NDI_E_SERVICE', {
    detail: `${home.siteFile} is damaged; it should hold {"siteId":"<host>-<4 hex>"}, as runs on this site show it.`,
  });
}

/**
 * The stable name of this host's disk, `<host>-<4 hex>`: made once, then kept through renames of the host,
 * because queues and workflow ids carry it. Two processes that ask first at the same time get the same
 * answer.
 */
export function siteIdOf(home: Home, host: string = hostname()): string {
  const known = readSiteId(home);
  if (known !== undefined) return known;
  ensureHome(home);
  const siteId = `${sanitizeHostName(host)}-${randomBytes(2).toString('hex')}`;
  const aside = `${home.siteFile}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(aside, `${JSON.stringify({ siteId })}\n`, { mode: 0o600, flush: true });
  try {
    return placeIfAbsent(aside, home.siteFile) ? siteId : siteIdOf(home, host);
  } finally {
    rmSync(aside, { force: true });
  }
}
