/**
 * Where a download lies while it is built: aside, in the target's own folder so that a rename puts it into
 * place, under a name that says what it will be. Its ledger lies in it and moves with it. A download that an
 * earlier run of ours ended with items left over is completed where it lies.
 */
import { hash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fsyncDirectory } from '../../disk/fsync.ts';
import { CourierError } from '../../errors/index.ts';
import type { DownloadInput } from '../../workflows/contracts/index.ts';
import { ensureOurs, removeEmpty, targetState } from './target.ts';

/**
 * Files of up to this size are not forced to disk one by one: a flush for each takes longer than fetching it.
 */
export const UNFORCED_BYTES = 64 * 1024;

/**
 * Lies in a target from the moment that a run takes up its leftovers until one has ended well, and says of
 * which download: another one into the same folder must not take it for its own.
 */
const markOf = (input: DownloadInput): string => join(input.targetDir, '.ndi', 'courier', 'completing');
const markText = ({ cloudDatasetId, mode }: DownloadInput): string => `${cloudDatasetId} ${mode}`;

export function isCompleting(input: DownloadInput): boolean {
  try {
    return readFileSync(markOf(input), 'utf8') === markText(input);
  } catch {
    return false;
  }
}
export const markCompleting = (input: DownloadInput): void => writeFileSync(markOf(input), markText(input));
export const unmarkCompleting = (input: DownloadInput): void => rmSync(markOf(input), { force: true });

/** The run works in the target itself, by where its ledger is; its mark may be gone already. */
export const worksInTarget = (input: DownloadInput, ledgerPath: string): boolean =>
  !relative(input.targetDir, ledgerPath).startsWith('..');

/** Longer names of targets go in as their hash: the whole must be a file name too. */
const MAX_NAME_BYTES = 80;

function asideOf({ targetDir, cloudDatasetId, mode }: DownloadInput): string {
  const name = basename(targetDir);
  const short = Buffer.byteLength(name) <= MAX_NAME_BYTES ? name : hash('sha256', name).slice(0, 32);
  return join(dirname(targetDir), `.${short}.${cloudDatasetId}.${mode}.ndi-courier`);
}

/** Asks the disk: once for each step is enough. */
export const buildDirOf = (input: DownloadInput): string =>
  isCompleting(input) ? input.targetDir : asideOf(input);

/** The same path once the building directory has become the target. A ledger elsewhere stays where it is. */
export function pathInTarget(input: DownloadInput, path: string): string {
  const inside = relative(asideOf(input), path);
  return inside.startsWith('..') ? path : join(input.targetDir, inside);
}

/**
 * False when it was there already, with what an earlier try has left.
 * @throws NDI_E_READ_ONLY where nothing can be made, NDI_E_TARGET for one that is not ours
 */
export async function makeBuildDir(input: DownloadInput): Promise<boolean> {
  const isNew = await makeFolder(asideOf(input));
  if (!isNew) await ensureOurs(asideOf(input));
  return isNew;
}

/**
 * One level after the other: Node's recursive mkdir never returns where a folder above exists and cannot have
 * children (`/proc`), and holds a core and a disk thread for good.
 */
async function makeFolder(dir: string, parentIsThere = false): Promise<boolean> {
  try {
    await mkdir(dir);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (code !== 'ENOENT') throw error;
    if (parentIsThere) {
      throw new CourierError('NDI_E_READ_ONLY', { detail: `${dir} cannot be made.`, cause: error });
    }
    await makeFolder(dirname(dir));
    return await makeFolder(dir, true);
  }
}

/**
 * The last step: the whole directory appears at once. @throws NDI_E_TARGET_OCCUPIED when something came in
 * between
 */
export async function moveIntoPlace(input: DownloadInput): Promise<void> {
  if (isCompleting(input)) return unmarkCompleting(input);
  const state = await targetState(input.targetDir);
  if (state === 'occupied') throw new CourierError('NDI_E_TARGET_OCCUPIED', { detail: input.targetDir });
  // Not every system renames over an empty directory.
  if (state === 'empty') await removeEmpty(input.targetDir);
  await rename(asideOf(input), input.targetDir);
  // Its name is on disk when its folder is.
  await fsyncDirectory(dirname(input.targetDir));
}
