/**
 * Realistic datasets for the demo, the benches and the tests: the class mix of a large published dataset
 * (dataset format §7, §9), chains of dependencies, ingested member sessions, NaN and Infinity, unwrapped
 * one-element arrays, Unicode, binaries. The same options make the same documents and bytes. Memory does not
 * grow with the number of documents or the size of a file.
 */
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTick } from 'node:timers/promises';
import { finishDataset } from '../dataset/finish.ts';
import { databasePath, documentFilePath, filesDir, objectTypePath, uidPath } from '../dataset/layout.ts';
import { createDataset, linkFileNames, openWriteSession } from '../dataset/write.ts';
import { stringifyDocument } from '../document/codec.ts';
import { describeDocument } from '../document/describe.ts';
import type { NdiDocument, NdiId } from '../document/types.ts';
import { datenum } from '../ids.ts';
import { type PlannedFile, type SyntheticOptions, syntheticDocuments } from './documents.ts';
import { matlabText, pythonText } from './styles.ts';

export interface SyntheticDataset {
  readonly dir: string;
  readonly datasetId: NdiId;
  readonly documents: number;
  readonly files: number;
  readonly bytes: number;
  readonly classes: Readonly<Record<string, number>>;
}

const BATCH_DOCUMENTS = 1_000;
const BLOCK_BYTES = 1 << 20;

/** Makes the dataset in `dir`, which must not hold one yet. */
export async function makeDataset(dir: string, options: SyntheticOptions): Promise<SyntheticDataset> {
  const style = options.style ?? 'both';
  const seed = options.seed ?? 1;
  const classes: Record<string, number> = {};
  let bytes = 0;
  let documents = 0;
  createDataset(dir);
  const session = openWriteSession(dir);
  const block = patternBlock(seed);
  const planned: PlannedFile[] = [];
  const place = (file: PlannedFile): string =>
    style === 'both' ? resolve(uidPath(dir, file.uid)) : `/tmp/ndi_rawdata/${file.uid}`;
  let batch: NdiDocument[] = [];
  const flush = (): void => {
    session.transaction(() => {
      for (const document of batch) {
        const facts = describeDocument(document);
        classes[facts.className] = (classes[facts.className] ?? 0) + 1;
        session.insert({ document, facts, text: textOf(document, style) });
      }
    });
    documents += batch.length;
    batch = [];
  };
  for (const { document, file } of syntheticDocuments(seed, options, place)) {
    batch.push(document);
    if (file !== undefined) planned.push(file);
    if (batch.length < BATCH_DOCUMENTS) continue;
    flush();
    bytes += await writeFiles(dir, planned.splice(0), block, style);
  }
  flush();
  bytes += await writeFiles(dir, planned.splice(0), block, style);
  session.database.close();
  const { datasetId } = await finishDataset(dir);
  if (style === 'python') likePython(dir);
  return { dir, datasetId, documents, files: options.files, bytes, classes };
}

function textOf(document: NdiDocument, style: 'matlab' | 'python' | 'both'): string {
  if (style === 'matlab') return matlabText(document);
  return style === 'python' ? pythonText(document) : stringifyDocument(document);
}

/** Python has no `files` rows, Unix time stamps and no object type. */
function likePython(dir: string): void {
  const database = new DatabaseSync(databasePath(dir));
  database.exec(`DELETE FROM files; DROP INDEX IF EXISTS doc_data_value;
    UPDATE doc_data SET value = '' WHERE value IS NULL;`);
  for (const table of ['branches', 'docs', 'branch_docs']) {
    database.exec(`UPDATE ${table} SET timestamp = (timestamp - ${datenum(0)}) * 86400.0`);
  }
  database.close();
  rmSync(objectTypePath(dir), { force: true });
}

/** One pseudo-random mebibyte; every binary is made of it. */
function patternBlock(seed: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < block.length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    block.writeInt32LE(state | 0, at);
  }
  return block;
}

async function writeFiles(
  dir: string,
  files: readonly PlannedFile[],
  block: Buffer,
  style: 'matlab' | 'python' | 'both',
): Promise<number> {
  let bytes = 0;
  mkdirSync(filesDir(dir), { recursive: true });
  for (const file of files) {
    await writePattern(join(filesDir(dir), file.uid), file, block);
    bytes += file.sizeBytes;
    if (style === 'both') linkFileNames(dir, file.documentId, file.name, file.uid);
    if (style === 'python') {
      renameSync(uidPath(dir, file.uid), documentFilePath(dir, file.documentId, file.name));
    }
  }
  return bytes;
}

/**
 * Every mebibyte starts with the uid and its own number: a part that arrives twice, or in a wrong place,
 * shows.
 */
async function writePattern(path: string, file: PlannedFile, block: Buffer): Promise<void> {
  const target = openSync(path, 'w');
  try {
    for (let at = 0; at < file.sizeBytes; at += BLOCK_BYTES) {
      block.write(`${file.uid} ${String(at / BLOCK_BYTES).padStart(12, '0')} `, 0, 'latin1');
      writeSync(target, block, 0, Math.min(BLOCK_BYTES, file.sizeBytes - at));
      if (at % (64 * BLOCK_BYTES) === 0) await nextTick();
    }
  } finally {
    closeSync(target);
  }
}
