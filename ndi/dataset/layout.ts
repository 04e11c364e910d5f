/**
 * Where things lie in a dataset directory (dataset format §1, §4). A session directory has the same layout.
 *
 *   <dir>/.ndi/did-sqlite.sqlite        the document database
 *   <dir>/.ndi/files/<uid>              a binary, for MATLAB and newer Python
 *   <dir>/.ndi/files/<docId>_<name>     the same binary, for older Python: we write both
 *   <dir>/.ndi/reference.txt, unique_reference.txt, ndi_object_type.txt
 *   <dir>/.ndi/sync/index.json          what both NDI clients remember of the last sync
 */
import { join } from 'node:path';
import { CourierError } from '../../errors/index.ts';
import { isSafeName } from '../ids.ts';

export const DATABASE_NAME = 'did-sqlite.sqlite';
export const BRANCH = 'a';

export const ndiDir = (dir: string): string => join(dir, '.ndi');
export const databasePath = (dir: string): string => join(dir, '.ndi', DATABASE_NAME);
export const filesDir = (dir: string): string => join(dir, '.ndi', 'files');
export const referencePath = (dir: string): string => join(dir, '.ndi', 'reference.txt');
export const uniqueReferencePath = (dir: string): string => join(dir, '.ndi', 'unique_reference.txt');
export const objectTypePath = (dir: string): string => join(dir, '.ndi', 'ndi_object_type.txt');
export const syncIndexPath = (dir: string): string => join(dir, '.ndi', 'sync', 'index.json');

/** MATLAB's name of a binary. @throws NDI_E_BAD_ID when the uid could leave the folder. */
export const uidPath = (dir: string, uid: string): string => join(filesDir(dir), safe(uid));

/** Python's name of a binary. @throws NDI_E_BAD_ID */
export const documentFilePath = (dir: string, documentId: string, name: string): string =>
  join(filesDir(dir), safe(`${documentId}_${name}`));

function safe(name: string): string {
  if (!isSafeName(name)) {
    throw new CourierError('NDI_E_BAD_ID', { detail: `file ${JSON.stringify(name.slice(0, 120))}` });
  }
  return name;
}
