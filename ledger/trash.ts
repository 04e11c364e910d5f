/**
 * The trash of a dataset: what a sync overwrote or deleted, on either side. It lies beside the ledger, in
 * files that a person can read: one for each batch, with one JSON text per line.
 *
 *   trash/<time>-<run>-<n>.jsonl   documents: id, side, why, body
 *   trash/files/<uid>              binaries of documents that were removed here
 *
 * An entry is on disk before the world is touched.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { readSourceText } from '../disk/source.ts';
import { writeAtomically } from '../disk/write.ts';
import { CourierError } from '../errors/index.ts';

/** How long an entry is kept. */
export const TRASH_DAYS = 30;

const entry = z.object({
  version: z.literal(1),
  ndiId: z.string(),
  /** The side that lost it. */
  side: z.enum(['local', 'cloud']),
  /** The cloud id that the document had; it gets another one when it comes back. */
  cloudId: z.string().nullable(),
  why: z.enum(['overwritten', 'deleted']),
  runKey: z.string(),
  at: z.string(),
  hash: z.string(),
  /** The document as JSON text. */
  body: z.string(),
  /** Uids of its binaries that went with it. */
  files: z.array(z.string()),
});

export type TrashEntry = z.output<typeof entry>;

export type NewTrashEntry = Omit<TrashEntry, 'version' | 'at'>;

/** An entry with the name that `trash restore` takes. */
export interface NamedTrashEntry extends TrashEntry {
  readonly name: string;
}

export interface Trash {
  readonly dir: string;
  /** Durable when it returns. */
  put(entries: readonly NewTrashEntry[]): void;
  /** The newest first. Lines that cannot be read are passed over. */
  entries(): IterableIterator<NamedTrashEntry>;
  /** @throws NDI_E_NOT_FOUND */
  get(name: string): NamedTrashEntry;
  /** Takes a binary out of the dataset into the trash. Does nothing when it is gone already. */
  takeFile(path: string): void;
  filePath(uid: string): string;
  /** Removes what is older than this. */
  expire(olderThanMs: number): number;
}

/** The folder of a ledger that is not beside its dataset is shared with other datasets. */
const trashDirOf = (ledgerPath: string): string =>
  basename(ledgerPath) === 'ledger.sqlite'
    ? join(dirname(ledgerPath), 'trash')
    : `${ledgerPath.replace(/\.sqlite$/, '')}.trash`;

export function openTrash(ledgerPath: string): Trash {
  const dir = trashDirOf(ledgerPath);
  const filesDir = join(dir, 'files');
  let written = 0;

  return {
    dir,
    put: (entries) => {
      const [first] = entries;
      if (first === undefined) return;
      const at = new Date().toISOString();
      written += 1;
      const name = `${at.replace(/[:.]/g, '-')}-${first.runKey.slice(0, 8)}-${process.pid}-${written}.jsonl`;
      const lines = function* (): Generator<string> {
        for (const one of entries) yield `${JSON.stringify({ version: 1, at, ...one })}\n`;
      };
      writeAtomically(join(dir, name), lines(), { mode: 0o600, folderMode: 0o700 });
    },

    entries: function* () {
      for (const batch of batchesIn(dir)) yield* entriesOf(dir, batch);
    },

    get: (name) => namedEntry(dir, name),

    takeFile: (path) => {
      if (!existsSync(path)) return;
      mkdirSync(filesDir, { recursive: true, mode: 0o700 });
      renameSync(path, join(filesDir, basename(path)));
    },

    filePath: (uid) => join(filesDir, uid),

    expire: (olderThanMs) => {
      const before = Date.now() - olderThanMs;
      const files = existsSync(filesDir) ? readdirSync(filesDir).map((name) => join(filesDir, name)) : [];
      const old = [...batchesIn(dir).map((name) => join(dir, name)), ...files].filter(
        (path) => statSync(path).ctimeMs < before,
      );
      for (const path of old) rmSync(path, { force: true });
      return old.length;
    },
  };
}

/** The newest first. */
const batchesIn = (dir: string): string[] =>
  existsSync(dir)
    ? readdirSync(dir)
        .filter((name) => name.endsWith('.jsonl'))
        .sort()
        .reverse()
    : [];

function namedEntry(dir: string, name: string): NamedTrashEntry {
  const batch = `${name.split(':')[0]}.jsonl`;
  const known = batchesIn(dir).includes(batch) ? [...entriesOf(dir, batch)] : [];
  const found = known.find((one) => one.name === name);
  if (found === undefined)
    throw new CourierError('NDI_E_NOT_FOUND', { detail: `There is no ${name} in the trash.` });
  return found;
}

function* entriesOf(dir: string, batch: string): Generator<NamedTrashEntry> {
  const lines = readSourceText(join(dir, batch)).split('\n');
  for (const [index, line] of lines.entries()) {
    const parsed = entry.safeParse(jsonOf(line));
    if (parsed.success) yield { ...parsed.data, name: `${batch.replace(/\.jsonl$/, '')}:${index + 1}` };
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
