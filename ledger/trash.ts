/**
 * The trash of a dataset: what a sync overwrote or deleted, on either side. It lies beside the ledger, in
 * files that a person can read: one for each batch, with one JSON text per line.
 *
 *   trash/<time>-<run>-<n>.jsonl   documents: id, side, why, body
 *   trash/files/<uid>              binaries of documents that were removed here: hard links, or copies
 *
 * An entry is on disk before the world is touched.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { writeFailure } from '../disk/errors.ts';
import { fsyncDirectorySync, fsyncFileSync } from '../disk/fsync.ts';
import { linkOrCopy, placeIfAbsent } from '../disk/link.ts';
import { haveSameBytes } from '../disk/same-bytes.ts';
import { ensureRegular, readSourceText } from '../disk/source.ts';
import { writeAtomically } from '../disk/write.ts';
import { CourierError } from '../errors/index.ts';

/** How long an entry is kept. */
export const TRASH_DAYS = 30;

/** Entries of one file. One document has at most 16 MiB, and is escaped. */
const BATCH_CHARS = 32 * 1024 * 1024;
const MAX_BATCH_BYTES = 256 * 1024 * 1024;

const trashedFile = z.object({
  uid: z.string(),
  /** Its name in `trash/files`; null when the dataset did not have it. */
  name: z.string().nullable(),
});

/** Version 1 had uids alone, which were the names. */
const fileOfAnyVersion = z.union([trashedFile, z.string().transform((uid) => ({ uid, name: uid }))]);

const entry = z.object({
  version: z.union([z.literal(1), z.literal(2)]),
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
  /** Binaries that went with it. */
  files: z.array(fileOfAnyVersion),
});

export type TrashedFile = z.output<typeof trashedFile>;
export type TrashEntry = z.output<typeof entry>;

export interface NewTrashEntry extends Omit<TrashEntry, 'version' | 'at' | 'files'> {
  /** `path`: where its bytes are now; null when they are not here. */
  readonly files: readonly { readonly uid: string; readonly path: string | null }[];
}

/** An entry with the name that `trash restore` takes. */
export interface NamedTrashEntry extends TrashEntry {
  readonly name: string;
}

export interface ExpireOptions {
  /** Removes what is older than this. */
  readonly olderThanMs: number;
  /** The most that is kept, in bytes: beyond it the oldest goes, however young. Default: no limit. */
  readonly keepBytes?: number;
}

export interface Trash {
  readonly dir: string;
  /**
   * Bodies and binaries are on disk when it returns. A binary stays where it is, too. An entry that this run
   * has put there already, with the same content, is not put again.
   * @throws NDI_E_DISK_FULL, NDI_E_READ_ONLY, NDI_E_FILE_MISSING: then nothing may be overwritten or deleted
   */
  put(entries: readonly NewTrashEntry[]): void;
  /** The newest first. Lines that cannot be read are passed over. */
  entries(): IterableIterator<NamedTrashEntry>;
  /** The entries of one run, the newest first. */
  entriesOfRun(runKey: string): IterableIterator<NamedTrashEntry>;
  /** @throws NDI_E_NOT_FOUND */
  get(name: string): NamedTrashEntry;
  /** Where the bytes of a binary are. Undefined when they never came here, or are gone. */
  pathOf(file: TrashedFile): string | undefined;
  /** Removes old entries, and the binaries that no other entry names. Returns how many batches went. */
  expire(options: ExpireOptions): number;
}

/** The folder of a ledger that is not beside its dataset is shared with other datasets. */
const trashDirOf = (ledgerPath: string): string =>
  basename(ledgerPath) === 'ledger.sqlite'
    ? join(dirname(ledgerPath), 'trash')
    : `${ledgerPath.replace(/\.sqlite$/, '')}.trash`;

export function openTrash(ledgerPath: string): Trash {
  const dir = trashDirOf(ledgerPath);
  const filesDir = join(dir, 'files');
  const known = new Map<string, Set<string>>();
  let written = 0;
  const entriesOfRun = function* (runKey: string): Generator<NamedTrashEntry> {
    for (const batch of batchesIn(dir).filter((name) => name.includes(`-${shortKey(runKey)}-`)))
      for (const one of entriesOf(dir, batch)) if (one.runKey === runKey) yield one;
  };
  const knownOf = (runKey: string): Set<string> => {
    const keys = known.get(runKey) ?? new Set(Array.from(entriesOfRun(runKey), keyOf));
    known.set(runKey, keys);
    return keys;
  };

  return {
    dir,
    put: (entries) => {
      const fresh = entries.filter((one) => !knownOf(one.runKey).has(keyOf(one)));
      for (const batch of batchesOf(fresh)) {
        const at = new Date().toISOString();
        written += 1;
        const run = shortKey(batch[0]?.runKey ?? '');
        const name = `${at.replace(/[:.]/g, '-')}-${run}-${process.pid}-${written}.jsonl`;
        const lines = batch.map(
          (one) =>
            `${JSON.stringify({ version: 2, at, ...one, files: one.files.map((file) => keepFile(filesDir, file)) })}\n`,
        );
        if (existsSync(filesDir)) fsyncDirectorySync(filesDir);
        writeAtomically(join(dir, name), lines, { mode: 0o600, folderMode: 0o700 });
        for (const one of batch) knownOf(one.runKey).add(keyOf(one));
      }
    },
    entries: function* () {
      for (const batch of batchesIn(dir)) yield* entriesOf(dir, batch);
    },
    entriesOfRun,
    get: (name) => namedEntry(dir, name),
    pathOf: ({ name }) => {
      const path = name === null ? '' : join(filesDir, basename(name));
      return name !== null && existsSync(path) ? path : undefined;
    },
    expire: (options) => expire(dir, filesDir, options),
  };
}

const shortKey = (runKey: string): string => runKey.slice(0, 8);

/** One document may leave a side twice in a run, with other content: both are kept. */
const keyOf = ({ side, ndiId, hash }: Pick<TrashEntry, 'side' | 'ndiId' | 'hash'>): string =>
  `${side} ${ndiId} ${hash}`;

function* batchesOf(entries: readonly NewTrashEntry[]): Generator<NewTrashEntry[]> {
  let batch: NewTrashEntry[] = [];
  let chars = 0;
  for (const one of entries) {
    if (batch.length > 0 && (chars + one.body.length > BATCH_CHARS || one.runKey !== batch[0]?.runKey)) {
      yield batch;
      batch = [];
      chars = 0;
    }
    batch.push(one);
    chars += one.body.length;
  }
  if (batch.length > 0) yield batch;
}

/** Other bytes of the same uid get a name of their own. The caller flushes the folder. */
function keepFile(filesDir: string, { uid, path }: NewTrashEntry['files'][number]): TrashedFile {
  if (path === null) return { uid, name: null };
  if (basename(uid) !== uid) throw new CourierError('NDI_E_BAD_ID', { detail: JSON.stringify(uid) });
  try {
    ensureRegular(path, statSync(path));
    mkdirSync(filesDir, { recursive: true, mode: 0o700 });
    for (let copy = 1; ; copy += 1) {
      const name = copy === 1 ? uid : `${uid}-${copy}`;
      const target = join(filesDir, name);
      if (existsSync(target)) {
        if (haveSameBytes(path, target)) return { uid, name };
        continue;
      }
      linkDurably(path, target);
      return { uid, name };
    }
  } catch (error) {
    throw writeFailure(error, join(filesDir, uid));
  }
}

function linkDurably(from: string, target: string): void {
  const aside = `${target}.partial`;
  try {
    rmSync(aside, { force: true });
    linkOrCopy(from, aside);
    fsyncFileSync(aside);
    placeIfAbsent(aside, target);
  } finally {
    rmSync(aside, { force: true });
  }
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
  for (const one of linesOf(dir, batch)) if (one !== 'unreadable') yield one;
}

/** A line may be broken, or of a later version. */
function* linesOf(dir: string, batch: string): Generator<NamedTrashEntry | 'unreadable'> {
  const lines = readSourceText(join(dir, batch), MAX_BATCH_BYTES).split('\n');
  for (const [index, line] of lines.entries()) {
    if (line === '') continue;
    const parsed = entry.safeParse(jsonOf(line));
    if (parsed.success) yield { ...parsed.data, name: `${batch.replace(/\.jsonl$/, '')}:${index + 1}` };
    else yield 'unreadable';
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/**
 * A binary goes with the last entry that names it: its own times are those of the dataset's file. While a line
 * that stays cannot be read, all binaries stay.
 */
function expire(dir: string, filesDir: string, { olderThanMs, keepBytes = Infinity }: ExpireOptions): number {
  const before = Date.now() - olderThanMs;
  const kept = new Set<string>();
  const expired: string[] = [];
  let bytes = 0;
  let isReadable = true;
  for (const batch of batchesIn(dir)) {
    const { ctimeMs, size } = statSync(join(dir, batch));
    const lines = [...linesOf(dir, batch)];
    const names = lines.flatMap((one) => (one === 'unreadable' ? [] : namesOf(one)));
    const added = [...new Set(names)].filter((name) => !kept.has(name));
    const addedBytes = added.reduce((sum, name) => sum + sizeOf(join(filesDir, name)), size);
    // From the first that does not fit on, all that is older goes, too.
    if (ctimeMs < before || bytes + addedBytes > keepBytes) {
      expired.push(batch);
      if (ctimeMs >= before) bytes = Infinity;
      continue;
    }
    bytes += addedBytes;
    isReadable &&= !lines.includes('unreadable');
    for (const name of added) kept.add(name);
  }
  for (const batch of expired) rmSync(join(dir, batch), { force: true });
  if (expired.length > 0 && isReadable && existsSync(filesDir))
    for (const name of readdirSync(filesDir))
      if (!kept.has(name)) rmSync(join(filesDir, name), { force: true });
  return expired.length;
}

const namesOf = ({ files }: TrashEntry): string[] => files.flatMap(({ name }) => name ?? []);

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
