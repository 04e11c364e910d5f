/** What the tests of this folder share: a temporary directory, its fingerprint, the format's worked example. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { newDocument } from '../document/classes.ts';
import type { NdiDocument } from '../document/types.ts';
import { databasePath, uidPath } from './layout.ts';
import { createDataset, linkFileNames, openForWriting } from './write.ts';

/** A temporary directory for the length of `work`. */
export async function inTempDir<T>(work: (dir: string) => T | Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'ndi-test-'));
  try {
    return await work(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Name, size, time of change and content of everything under `dir`: equal before and after means nothing was touched. */
export function fingerprint(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => {
      const { size, mtimeNs, ctimeNs, ino } = statSync(path, { bigint: true });
      const content = statSync(path).isFile()
        ? createHash('sha256').update(readFileSync(path)).digest('hex')
        : 'dir';
      return [path, size, mtimeNs, ctimeNs, ino, content].join(' ');
    });
}

export const D = '41269700000000a1_3fd0000000000001';
export const T = '2025-12-12T12:15:04.788Z';
export const IDS = {
  session: '4126970000000001_40b0000000000000',
  subject: '4126970000000004_40b0000000000000',
  demo: '4126970000000005_40b0000000000000',
  file: '4126970000000099_40b0000000000000',
} as const;

/** J1, J2 and J3 of the dataset format's §6. */
export function exampleDocuments(dir: string): [NdiDocument, NdiDocument, NdiDocument] {
  const common = { sessionId: D, createdAt: Date.parse(T) };
  return [
    newDocument('session', { ...common, id: IDS.session, values: { session: { reference: 'ts_ds' } } }),
    newDocument('subject', {
      ...common,
      id: IDS.subject,
      values: { subject: { local_identifier: 'mouse1@lab.org', description: 'a mouse' } },
    }),
    newDocument('demoNDI', {
      ...common,
      id: IDS.demo,
      name: 'doc1',
      values: { demoNDI: { value: 7 } },
      files: [{ name: 'filename1.ext', uid: IDS.file, location: uidPath(dir, IDS.file) }],
    }),
  ];
}

/** The example on disk, still in the mode in which it is built. */
export function writeExample(dir: string): void {
  mkdirSync(dir, { recursive: true });
  createDataset(dir);
  const writer = openForWriting(dir);
  writer.addDocuments(exampleDocuments(dir));
  writer.close();
  writeFileSync(uidPath(dir, IDS.file), 'hello bytes');
  linkFileNames(dir, IDS.demo, 'filename1.ext', IDS.file);
}

/** Rows as plain objects, whatever the journal mode. */
export function rows(dir: string, sql: string): Record<string, unknown>[] {
  const database = new DatabaseSync(databasePath(dir));
  try {
    return database
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  } finally {
    database.close();
  }
}

/** Runs statements as another program would. */
export function tamper(dir: string, sql: string): void {
  const database = new DatabaseSync(databasePath(dir));
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}
