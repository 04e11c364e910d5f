/** The dataset for "many small files": few documents, so that what is measured is files. */
import { randomFillSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { finishDataset } from '../ndi/dataset/finish.ts';
import { filesDir, uidPath } from '../ndi/dataset/layout.ts';
import { createDataset, openForWriting } from '../ndi/dataset/write.ts';
import { newDocument } from '../ndi/document/classes.ts';
import { newNdiId } from '../ndi/ids.ts';

const FILES_PER_DOCUMENT = 100;

/** `files` binaries of `fileBytes` each, a hundred to a document. Returns their uids. */
export async function makeManyFiles(dir: string, files: number, fileBytes: number): Promise<string[]> {
  createDataset(dir);
  mkdirSync(filesDir(dir), { recursive: true });
  const sessionId = newNdiId();
  const documents = [newDocument('session', { sessionId, values: { session: { reference: 'many_files' } } })];
  const uids: string[] = [];
  const bytes = Buffer.alloc(fileBytes);
  for (let first = 0; first < files; first += FILES_PER_DOCUMENT) {
    const document = newDocument('generic_file', { sessionId });
    const names = Array.from(
      { length: Math.min(FILES_PER_DOCUMENT, files - first) },
      (_, n) => `file_${n}.bin`,
    );
    const info = names.map((name) => {
      const uid = newNdiId();
      writeFileSync(uidPath(dir, uid), randomFillSync(bytes));
      uids.push(uid);
      const location = uidPath(dir, uid);
      const where = { delete_original: 0, uid, location, parameters: '', location_type: 'file', ingest: 0 };
      return { name, locations: where };
    });
    documents.push({ ...document, files: { file_list: names, file_info: info } });
  }
  const writer = openForWriting(dir);
  writer.addDocuments(documents);
  writer.close();
  await finishDataset(dir);
  return uids;
}
