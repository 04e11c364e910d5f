/** Binaries come into a dataset that people use, under both of their names. */
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFailure } from '../../disk/errors.ts';
import { fsyncDirectorySync, fsyncFileSync } from '../../disk/fsync.ts';
import { linkOrCopy, placeIfAbsent } from '../../disk/link.ts';
import { realPath } from '../../disk/real-path.ts';
import { ensureRegular, openSourceSync, readUpTo } from '../../disk/source.ts';
import { CourierError } from '../../errors/index.ts';
import type { NdiId } from '../document/types.ts';
import { filesDir, uidPath } from './layout.ts';
import { linkFileNames } from './write.ts';

/** Where a document names a binary: for its second name. */
export interface FileUse {
  readonly documentId: NdiId;
  readonly name: string;
}

/** `already`: the same bytes were there. `moved`: other bytes were there, and were left. */
export type Placed = 'done' | 'already' | 'moved';

/**
 * Gives the bytes of the file `source` the name `uid` in `.ndi/files`, and the second name of each use; on
 * disk when it returns. The source keeps its own name: a hard link, or a copy where that is not possible. No
 * reader sees a part of a file.
 * @throws NDI_E_FILE_MISSING, NDI_E_FILE_UNREADABLE for all but a regular file, NDI_E_BAD_ID, NDI_E_READ_ONLY,
 * NDI_E_DISK_FULL
 */
export function placeFile(dir: string, uid: string, source: string, uses: readonly FileUse[] = []): Placed {
  const target = uidPath(dir, uid);
  const from = realPath(source);
  const stat = statSync(from, { throwIfNoEntry: false });
  if (stat === undefined) throw new CourierError('NDI_E_FILE_MISSING', { detail: `${source}.` });
  ensureRegular(source, stat);
  const isNew = placeBytes(filesDir(dir), from, target);
  if (!isNew && !haveSameBytes(from, target)) return 'moved';
  for (const { documentId, name } of uses) linkFileNames(dir, documentId, name, uid);
  return isNew ? 'done' : 'already';
}

function placeBytes(folder: string, from: string, target: string): boolean {
  if (statSync(target, { throwIfNoEntry: false }) !== undefined) return false;
  const aside = join(folder, `.${randomBytes(8).toString('hex')}.partial`);
  try {
    mkdirSync(folder, { recursive: true });
    linkOrCopy(from, aside);
    fsyncFileSync(aside);
    const isNew = placeIfAbsent(aside, target);
    fsyncDirectorySync(folder);
    return isNew;
  } catch (error) {
    throw writeFailure(error, target);
  } finally {
    rmSync(aside, { force: true });
  }
}

const PIECE_BYTES = 1024 * 1024;

/** @throws NDI_E_FILE_UNREADABLE for all but regular files */
export function haveSameBytes(one: string, other: string): boolean {
  const left = openSourceSync(one);
  try {
    const right = openSourceSync(other);
    try {
      if (left.stats.ino === right.stats.ino && left.stats.dev === right.stats.dev) return true;
      if (left.stats.size !== right.stats.size) return false;
      const pieces = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)] as const;
      for (let at = 0; at < left.stats.size; at += PIECE_BYTES) {
        const length = readUpTo(left.file, pieces[0], at);
        if (readUpTo(right.file, pieces[1], at) !== length) return false;
        if (!pieces[0].subarray(0, length).equals(pieces[1].subarray(0, length))) return false;
      }
      return true;
    } finally {
      closeSync(right.file);
    }
  } finally {
    closeSync(left.file);
  }
}
