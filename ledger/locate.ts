/**
 * Where the ledger of a dataset lies.
 *
 *   <dataset>/.ndi/courier/ledger.sqlite                     the rule: it moves with the dataset
 *   <stateHome>/ledgers/<datasetId>-<hash of path>.sqlite    where that folder is read-only, absent, or on a
 *                                                            network file system, whose locks SQLite
 *                                                            cannot trust
 *
 * Once chosen, a place is kept: a dataset whose folder became writable goes on with the ledger it has.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isNetworkFileSystem } from '../disk/network.ts';
import { realPath } from '../disk/real-path.ts';
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
 * The path of the ledger, whose folder exists when this returns; the file may not.
 * @throws NDI_E_BAD_ID for a dataset id that is no file name
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
