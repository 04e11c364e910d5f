/**
 * Where the ledger of a dataset lies.
 *
 *   <dataset>/.ndi/courier/ledger.sqlite                     the rule: it moves with the dataset
 *   <stateHome>/ledgers/<datasetId>-<hash of path>.sqlite    where that folder is read-only, absent or on a network file
 *                                                            system, on which SQLite's locks cannot be trusted
 *
 * Once chosen, a place is kept: a dataset whose folder became writable goes on with the ledger it has.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, realpathSync, statfsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { CourierError } from '../errors/index.ts';

export interface LedgerPlace {
  readonly datasetDir: string;
  readonly datasetId: string;
  /** The folder of ndi-courier's own state. */
  readonly stateHome: string;
}

export interface LocateDeps {
  /** Whether locks on this folder cannot be trusted. Default: asks the operating system. */
  readonly isNetworkFileSystem?: (dir: string) => boolean;
}

/**
 * The path of the ledger, whose folder exists when this returns; the file may not. Raises NDI_E_BAD_ID for a dataset id that is no
 * file name.
 */
export function ledgerPath(place: LedgerPlace, deps: LocateDeps = {}): string {
  const isNetwork = deps.isNetworkFileSystem ?? isNetworkFileSystem;
  const apart = pathApart(place);
  if (existsSync(apart)) return apart;
  const ndiDir = join(place.datasetDir, '.ndi');
  const beside = join(ndiDir, 'courier', 'ledger.sqlite');
  if (existsSync(ndiDir) && !isNetwork(ndiDir) && makeWritable(dirname(beside), beside)) return beside;
  mkdirSync(dirname(apart), { recursive: true, mode: 0o700 });
  return apart;
}

/** The path of a ledger that exists; undefined when there is none. Makes nothing. */
export function existingLedgerPath(place: LedgerPlace): string | undefined {
  const beside = join(place.datasetDir, '.ndi', 'courier', 'ledger.sqlite');
  return [pathApart(place), beside].find((path) => existsSync(path));
}

function pathApart({ datasetDir, datasetId, stateHome }: LedgerPlace): string {
  if (!/^[\w.-]{1,128}$/.test(datasetId) || datasetId.startsWith('.')) {
    throw new CourierError('NDI_E_BAD_ID', { detail: `Dataset id ${JSON.stringify(datasetId)}.` });
  }
  // Two copies of a dataset have one id and two ledgers.
  const hash = createHash('sha256').update(realPath(datasetDir)).digest('hex').slice(0, 16);
  return join(stateHome, 'ledgers', `${datasetId}-${hash}.sqlite`);
}

/** With links resolved as far as the path exists, so that a folder about to be made has its final name already. */
function realPath(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync.native(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(realPath(parent), basename(absolute));
  }
}

function makeWritable(dir: string, file: string): boolean {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    accessSync(dir, constants.W_OK);
    if (existsSync(file)) accessSync(file, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Magic numbers of statfs(2) on Linux. FUSE is among them because most of what labs mount by it (sshfs, rclone) is remote. */
const NETWORK_TYPES = new Set([
  0x6969, // nfs
  0x517b, // smb
  0xff534d42, // cifs
  0xfe534d42, // smb2
  0x65735546, // fuse
  0x01021997, // 9p
  0x5346414f, // afs
  0x00c36400, // ceph
  0x0bd00bd0, // lustre
  0x47504653, // gpfs
  0x786f4256, // vboxsf
]);

function isNetworkFileSystem(dir: string): boolean {
  if (process.platform === 'win32') return resolve(dir).startsWith('\\\\');
  // Elsewhere the numbers mean something else from one system version to the next.
  if (process.platform !== 'linux') return false;
  try {
    // The kernel's word is signed on some machines.
    return NETWORK_TYPES.has(statfsSync(dir).type >>> 0);
  } catch {
    return false;
  }
}
