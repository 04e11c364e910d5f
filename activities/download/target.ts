/**
 * Where a download may lie, decided before anything is fetched. A link to a folder means that folder: what is
 * built for it lies on its disk. What a file manager leaves in a folder is nobody's data.
 */
import type { Stats } from 'node:fs';
import { lstat, mkdir, readdir, readlink, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isLeftByFileManager } from '../../disk/file-manager.ts';
import { isMountPoint } from '../../disk/mount.ts';
import { CourierError, diskErrorCode } from '../../errors/index.ts';

/** As many as Linux follows. */
const MAX_LINKS = 40;

/**
 * The path of the target itself, when `targetDir` is a link; it may not exist. @throws NDI_E_TARGET for a
 * circle of links
 */
export async function resolveTarget(targetDir: string): Promise<string> {
  let path = targetDir;
  for (let followed = 0; followed <= MAX_LINKS; followed += 1) {
    const to = await readlink(path).catch(() => undefined);
    if (to === undefined) return path;
    path = resolve(dirname(path), to);
  }
  throw new CourierError('NDI_E_TARGET', { detail: `${targetDir} is a circle of links.` });
}

export type TargetState = 'absent' | 'empty' | 'occupied';

/** `empty` when nothing is in it but what a file manager leaves. */
export async function targetState(targetDir: string): Promise<TargetState> {
  try {
    return (await readdir(targetDir)).every(isLeftByFileManager) ? 'empty' : 'occupied';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return 'absent';
    if (code === 'ENOTDIR') return 'occupied';
    throw targetFailure(error, targetDir);
  }
}

/** Takes the empty folder away, so that another can have its name. */
export async function removeEmpty(targetDir: string): Promise<void> {
  for (const name of (await readdir(targetDir)).filter(isLeftByFileManager))
    await rm(join(targetDir, name), { force: true });
  await rmdir(targetDir);
}

/**
 * Whether a folder can be put at `target`, which is absent or empty. `given` is what the person wrote.
 * @throws NDI_E_TARGET with the reason, NDI_E_READ_ONLY, NDI_E_DISK_FULL
 */
export async function checkTarget(target: string, given: string): Promise<void> {
  const state = await targetState(target);
  if (state === 'absent' && target !== given) {
    // A disk that is not mounted looks like this: a folder of that name would fill another disk.
    throw new CourierError('NDI_E_TARGET', {
      detail: `${given} is a link to ${target}, which is not there.`,
    });
  }
  if (state === 'empty' && isMountPoint(target)) {
    throw new CourierError('NDI_E_TARGET', {
      detail: `${target} is where a disk is mounted; no folder can take its place.`,
    });
  }
}

/** Makes an absent target for a moment: only so does the file system say whether it takes the name. */
export async function tryName(target: string): Promise<void> {
  try {
    await mkdir(target);
    await rmdir(target);
  } catch (error) {
    // Something came in between: it is looked at again.
    if (['EEXIST', 'ENOTEMPTY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return;
    throw targetFailure(error, target);
  }
}

const REFUSED_NAMES: Readonly<Record<string, string>> = {
  ENAMETOOLONG: 'its name is too long for this file system',
  EINVAL: 'this file system does not take its name',
  EILSEQ: 'this file system does not take its name',
  ELOOP: 'a folder above it is a circle of links',
};

function targetFailure(error: unknown, target: string): unknown {
  const why = REFUSED_NAMES[(error as NodeJS.ErrnoException).code ?? ''];
  if (why !== undefined) {
    const shown = target.length > 300 ? `${target.slice(0, 300)}…` : target;
    return new CourierError('NDI_E_TARGET', { detail: `${shown}: ${why}.`, cause: error });
  }
  const code = diskErrorCode(error);
  return code === undefined ? error : new CourierError(code, { detail: `${target}.`, cause: error });
}

/**
 * A folder that an earlier try has left is used only when it is ours: in a folder that others may write,
 * somebody could have put a link there, and everything that is fetched would land in theirs.
 * @throws NDI_E_TARGET
 */
export async function ensureOurs(buildDir: string): Promise<void> {
  const inside = [[], ['.ndi'], ['.ndi', 'files'], ['.ndi', 'courier']].map((names) =>
    join(buildDir, ...names),
  );
  for (const path of inside) {
    const stats: Stats | undefined = await lstat(path).catch(() => undefined);
    if (stats === undefined) continue;
    const isMine = process.getuid === undefined || stats.uid === process.getuid();
    if (stats.isDirectory() && isMine) continue;
    throw new CourierError('NDI_E_TARGET', {
      detail: `${path}, where the dataset would be built, is ${stats.isDirectory() ? 'another user’s' : 'no folder'}.`,
    });
  }
}
