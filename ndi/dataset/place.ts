/** Binaries come into a dataset that people use, under both of their names. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFailure } from '../../disk/errors.ts';
import { fsyncDirectorySync, fsyncFileSync } from '../../disk/fsync.ts';
import { linkOrCopy, placeIfAbsent } from '../../disk/link.ts';
import { realPath } from '../../disk/real-path.ts';
import { haveSameBytes } from '../../disk/same-bytes.ts';
import { ensureRegular } from '../../disk/source.ts';
import { CourierError } from '../../errors/index.ts';
import type { DocumentFacts, NdiId } from '../document/types.ts';
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

/**
 * Places each binary of a document that `pathOf` knows a file for. Returns the uids that are there with other
 * bytes, which were left. @throws as `placeFile`
 */
export function placeBinaries(
  dir: string,
  facts: DocumentFacts,
  pathOf: (uid: string) => string | undefined,
): string[] {
  const uses = new Map<string, FileUse[]>();
  for (const { name, locations } of facts.files)
    for (const { uid } of locations)
      if (uid !== '') uses.set(uid, [...(uses.get(uid) ?? []), { documentId: facts.id, name }]);
  return [...uses].flatMap(([uid, names]) => {
    const path = pathOf(uid);
    return path !== undefined && placeFile(dir, uid, path, names) === 'moved' ? [uid] : [];
  });
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
