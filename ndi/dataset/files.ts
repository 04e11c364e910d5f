/**
 * Where the binaries of a document are (dataset format §4 "Finding binaries"): MATLAB's name, Python's name,
 * the uids of `files` rows, the location itself, the cloud. `cached_location` is never used: it is another
 * machine's path.
 */
import { closeSync, existsSync, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { openSourceSync, readUpTo } from '../../disk/source.ts';
import { CourierError } from '../../errors/index.ts';
import type { DocumentFacts, DocumentFile, FileLocation } from '../document/types.ts';
import { isSafeName } from '../ids.ts';
import { documentFilePath, ndiDir, uidPath } from './layout.ts';
import type { ResolvedFile } from './types.ts';

export interface FoundFile {
  readonly name: string;
  readonly file: ResolvedFile;
}

/** The uids that the `files` table has for a document and a logical name. */
export type UidsOf = (documentId: string, name: string) => readonly string[];

/**
 * Every binary of a document: each location that has bytes of its own, otherwise one answer per file; then
 * series members.
 * @throws NDI_E_DISK_IO when the whole dataset has gone
 */
export function resolveFiles(dir: string, facts: DocumentFacts, uidsOf: UidsOf): FoundFile[] {
  const found: FoundFile[] = [];
  for (const entry of facts.files) {
    const results = resolveFile(dir, facts.id, entry, uidsOf);
    for (const file of results) found.push({ name: entry.name, file });
    if (facts.series?.includes(entry.name)) found.push(...seriesMembers(dir, entry, results[0]));
  }
  if (found.some(({ file }) => file.kind !== 'local')) ensureDatasetIsThere(dir);
  return found;
}

/** A share that went away has none of its files, and that says nothing of any of them. */
function ensureDatasetIsThere(dir: string): void {
  if (existsSync(ndiDir(dir))) return;
  throw new CourierError('NDI_E_DISK_IO', { detail: `${dir} is not there any more.` });
}

/**
 * Binaries of a document that lie in `.ndi/files`, under MATLAB's name or Python's, once for each uid; `path`
 * is null for one that does not. Members of a file series are not among them.
 */
export function ownBinaries(
  dir: string,
  facts: DocumentFacts,
): { readonly uid: string; readonly path: string | null }[] {
  const paths = new Map<string, string | null>();
  for (const { name, locations } of facts.files) {
    const second = `${facts.id}_${name}`;
    for (const { uid } of locations) {
      if (uid === '' || (paths.get(uid) ?? null) !== null) continue;
      const places = [
        ...(isSafeName(uid) ? [uidPath(dir, uid)] : []),
        ...(isSafeName(second) ? [documentFilePath(dir, facts.id, name)] : []),
      ];
      const path = places.find((place) => localFile(place, uid) !== undefined);
      paths.set(uid, path ?? null);
    }
  }
  return Array.from(paths, ([uid, path]) => ({ uid, path }));
}

function resolveFile(dir: string, documentId: string, entry: DocumentFile, uidsOf: UidsOf): ResolvedFile[] {
  const own = entry.locations
    .map((location) =>
      location.uid === '' ? undefined : localFile(uidPath(dir, location.uid), location.uid),
    )
    .filter((file) => file !== undefined);
  if (own.length > 0) return own;
  const first = entry.locations[0];
  if (first === undefined) return [{ kind: 'missing', uid: '', reason: 'the document gives no location' }];
  if (first.uid === '') return [{ kind: 'missing', uid: '', reason: 'the location has no uid' }];
  return [
    pythonFile(dir, documentId, entry.name, first.uid) ??
      rowFile(dir, documentId, entry.name, first.uid, uidsOf) ??
      elsewhere(entry.locations, first),
  ];
}

const pythonFile = (dir: string, documentId: string, name: string, uid: string): ResolvedFile | undefined =>
  isSafeName(`${documentId}_${name}`) ? localFile(documentFilePath(dir, documentId, name), uid) : undefined;

function rowFile(
  dir: string,
  documentId: string,
  name: string,
  uid: string,
  uidsOf: UidsOf,
): ResolvedFile | undefined {
  for (const other of uidsOf(documentId, name)) {
    // A file keeps the uid that the document gives it: that is its name in the cloud.
    const file = isSafeName(other) ? localFile(uidPath(dir, other), uid) : undefined;
    if (file !== undefined) return file;
  }
  return undefined;
}

/** Never ingested, or in the cloud, or nowhere. */
function elsewhere(locations: readonly FileLocation[], first: FileLocation): ResolvedFile {
  for (const { location, uid } of locations) {
    // A place without a uid belongs to no binary: its file must never go to the cloud under another one's
    // uid.
    const file = uid !== '' && isAbsolute(location) ? localFile(location, uid) : undefined;
    if (file !== undefined) return file;
  }
  for (const { location, uid } of locations) {
    if (/^(?:ndic|https?):\/\//i.test(location))
      return { kind: 'remote', uri: location, uid: uid || first.uid };
  }
  const obstacles = locations.flatMap(({ location }) =>
    isAbsolute(location) ? (obstacleAt(location) ?? []) : [],
  );
  const reason = ['no file of this uid or name in .ndi/files', ...obstacles].join('; ');
  return { kind: 'missing', uid: first.uid, reason };
}

/**
 * A place that cannot be looked at (another person's home, a link to itself, a name too long) is one where
 * the file is not.
 */
function localFile(path: string, uid: string): ResolvedFile | undefined {
  try {
    const { size, mtimeMs, ino, ...stat } = statOf(path);
    if (!stat.isFile) return undefined;
    return { kind: 'local', path, uid, sizeBytes: size, mtimeMs, inode: String(ino) };
  } catch {
    return undefined;
  }
}

const statOf = (path: string) => {
  const stat = statSync(path);
  return { size: stat.size, mtimeMs: stat.mtimeMs, ino: stat.ino, isFile: stat.isFile() };
};

/** Why a place that a document names cannot be looked at; undefined when nothing is there. */
function obstacleAt(path: string): string | undefined {
  try {
    return statOf(path).isFile ? undefined : `${printable(path)} is no file`;
  } catch (error) {
    const { code = 'an error' } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR'
      ? undefined
      : `${printable(path)} cannot be looked at (${code})`;
  }
}

const printable = (path: string): string =>
  JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path);

/**
 * The members that a series' manifest lists. They lie at `files/<uid>` and have no entry of their own
 * anywhere.
 */
function seriesMembers(dir: string, entry: DocumentFile, manifest: ResolvedFile | undefined): FoundFile[] {
  if (manifest?.kind !== 'local') return [];
  const uids = readManifest(manifest.path);
  if (uids === undefined) {
    const reason = 'the manifest of the file series is not readable';
    return [{ name: entry.name, file: { kind: 'missing', uid: manifest.uid, reason } }];
  }
  const remote = entry.locations.find(({ location }) => location.startsWith('ndic://'))?.location;
  const members: FoundFile[] = [];
  for (const [index, uid] of uids.entries()) {
    if (uid === undefined) continue;
    const name = `${entry.name}_${index + 1}`;
    const local = localFile(uidPath(dir, uid), uid);
    if (local !== undefined) members.push({ name, file: local });
    else if (remote !== undefined) {
      const uri = `${remote.slice(0, remote.lastIndexOf('/'))}/${uid}`;
      members.push({ name, file: { kind: 'remote', uri, uid } });
    } else members.push({ name, file: { kind: 'missing', uid, reason: `no member ${name} in .ndi/files` } });
  }
  return members;
}

const MANIFEST_MAGIC = 'DIDFSER1';
const MANIFEST_HEADER_BYTES = 32;
const MAX_MEMBERS = 10_000_000;

/**
 * The uids of a file-series manifest (format §4 "File series"), undefined for an absent slot; undefined
 * altogether when it is not a manifest. Uids are padded with NUL; an absent slot is all NUL.
 */
export function readManifest(path: string): (string | undefined)[] | undefined {
  const { file, stats } = openSourceSync(path);
  try {
    const header = Buffer.alloc(MANIFEST_HEADER_BYTES);
    if (readUpTo(file, header, 0) < header.length) return undefined;
    const count = header.readUInt32LE(16);
    const width = header.readUInt32LE(20);
    const isManifest = header.toString('latin1', 0, 8) === MANIFEST_MAGIC && header.readUInt32LE(8) === 1;
    if (!isManifest || count > MAX_MEMBERS || width < 1 || width > 255) return undefined;
    // The header may claim anything; no more is asked for than the file has.
    if (stats.size < MANIFEST_HEADER_BYTES + count * width) return undefined;
    const slots = Buffer.alloc(count * width);
    if (readUpTo(file, slots, MANIFEST_HEADER_BYTES) < slots.length) return undefined;
    return Array.from({ length: count }, (_, index) => {
      const uid = slots.toString('utf8', index * width, (index + 1) * width).replace(/\0+$/, '');
      return isSafeName(uid) ? uid : undefined;
    });
  } finally {
    closeSync(file);
  }
}
