/** Both sides of a sync, as a test changes and compares them: the folder, and the cloud dataset over HTTP. */
import { join } from 'node:path';
import { connectCloud } from '../../ndi/auth/index.ts';
import type { CloudClient } from '../../ndi/cloud/types.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { openForWriting } from '../../ndi/dataset/write.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument, textForCloud } from '../../ndi/document/codec.ts';
import { asObject, describeDocument } from '../../ndi/document/describe.ts';
import type { JsonObject } from '../../ndi/document/types.ts';
import { newNdiId } from '../../ndi/ids.ts';
import type { Lab } from './lab.ts';

export const ledgerOf = (dir: string): string => join(dir, '.ndi', 'courier', 'ledger.sqlite');

/** Canonical hashes by id. */
export type Hashes = Readonly<Record<string, string>>;

export const hashesOf = (documents: Iterable<readonly [string, JsonObject]>): Hashes =>
  Object.fromEntries([...documents].map(([id, document]) => [id, canonicalHash(document)] as const).sort());

/** The documents of a folder by id. */
export function documentsHere(dir: string): Map<string, JsonObject> {
  const reader = openDataset(dir);
  try {
    return new Map([...reader.documents()].map(({ id, text }) => [id, parseDocument(text)]));
  } finally {
    reader.close();
  }
}

export function writeHere(
  dir: string,
  documents: readonly JsonObject[],
  removed: readonly string[] = [],
): void {
  const writer = openForWriting(dir);
  writer.addDocuments(documents);
  writer.replaceDocuments(documents);
  writer.removeDocuments(removed);
  writer.close();
}

export const nameOf = (document: JsonObject | undefined): string =>
  document === undefined ? '(gone)' : describeDocument(document).name;

export const ofClass = (documents: Map<string, JsonObject>, className: string): [string, JsonObject][] =>
  [...documents].filter(([, document]) => describeDocument(document).className === className);

export const renamed = (document: JsonObject, name: string): JsonObject => ({
  ...document,
  base: { ...asObject(document.base), name },
});

export const copyOf = (document: JsonObject, name: string): JsonObject => ({
  ...document,
  base: { ...asObject(document.base), id: newNdiId(), name },
});

export interface CloudSide {
  readonly client: CloudClient;
  /** Documents by NDI id. */
  documents(): Promise<Map<string, JsonObject>>;
  /** Rows of the list, doubles included. */
  rowCount(): Promise<number>;
  /** Adds the document, or replaces the one of its id. */
  write(document: JsonObject): Promise<void>;
  remove(ndiId: string): Promise<void>;
}

export function cloudSide(lab: Pick<Lab, 'env' | 'homeDir'>, cloudDatasetId: () => string): CloudSide {
  const { client } = connectCloud({ env: lab.env, homeDir: lab.homeDir });
  const rows = async () => {
    const all: { id: string; ndiId: string }[] = [];
    for (let page = 1; ; page += 1) {
      const { rows: some } = await client.documents.list(cloudDatasetId(), { page, pageSize: 500 });
      if (some.length === 0) return all;
      all.push(...some);
    }
  };
  const cloudIdOf = async (ndiId: string): Promise<string | undefined> =>
    (await rows()).find((row) => row.ndiId === ndiId)?.id;
  return {
    client,
    documents: async () => {
      const found = new Map<string, JsonObject>();
      const ids = (await rows()).map(({ id }) => id);
      for (let at = 0; at < ids.length; at += 500)
        for (const { text } of await client.documents.bulkFetch(cloudDatasetId(), ids.slice(at, at + 500))) {
          const document = parseDocument(text);
          found.set(describeDocument(document).id, document);
        }
      return found;
    },
    rowCount: async () => (await rows()).length,
    write: async (document) => {
      const known = await cloudIdOf(describeDocument(document).id);
      const text = textForCloud(JSON.stringify(document));
      if (known === undefined) await client.documents.add(cloudDatasetId(), text);
      else await client.documents.update(cloudDatasetId(), known, text);
    },
    remove: async (ndiId) =>
      client.documents.delete(cloudDatasetId(), (await cloudIdOf(ndiId)) as string, '7d'),
  };
}
