/** Second names of a file, on file systems with hard links and without (FAT, exFAT, some network shares). */
import { constants, copyFileSync, linkSync, renameSync } from 'node:fs';

const NO_HARD_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS', 'EXDEV']);

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';

/** Gives `source` the second name `target`, or copies it where there are no hard links. */
export function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch (error) {
    if (!NO_HARD_LINKS.has(codeOf(error))) throw error;
    copyFileSync(source, target, constants.COPYFILE_FICLONE);
  }
}

/**
 * Gives the file `aside` the name `target` unless another process was first: then returns false. Where there
 * are no hard links, it may replace what another process made in the same moment. The caller removes `aside`.
 */
export function placeIfAbsent(aside: string, target: string): boolean {
  try {
    // link(2), unlike rename(2), refuses to replace.
    linkSync(aside, target);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    if (!NO_HARD_LINKS.has(codeOf(error))) throw error;
    renameSync(aside, target);
    return true;
  }
}
