/**
 * The plan of an upload for each file. A file that the cloud lists is compared: by size, then by its
 * modification time and inode with the base, then by MD5. What the cloud's object is like is asked of the
 * store where nothing else proves it.
 */
import { CourierError, isCourierError } from '../../errors/index.ts';
import type { BaseItem, ListingRow, NewPlanItem } from '../../ledger/types.ts';
import type { ResolvedFile } from '../../ndi/dataset/types.ts';
import { hashFile } from '../../transfer/hash.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { cloudTag } from '../shared/cloud-tag.ts';
import { inLanes } from '../shared/lanes.ts';
import { failedItem } from '../shared/units.ts';
import { cloudDatasetOf } from './elsewhere.ts';
import { BEFORE } from './listings.ts';
import { onlyThere } from './only-there.ts';
import type { UnitWriter } from './units.ts';

/** S3 takes at most 5 GB in one PUT, and the API has no other way (contract §2.7). */
export const MAX_FILE_BYTES = 5_000_000_000;
/** Objects that are asked for at once; files in doubt that are collected before they are asked for. */
const LANES = 6;
const DOUBTS = 500;

type RemoteFile = Extract<ResolvedFile, { kind: 'remote' }>;
type LocalFile = Extract<ResolvedFile, { kind: 'local' }>;

interface Doubt {
  readonly item: FileItem;
  readonly file: LocalFile;
  readonly base: BaseItem | undefined;
}

type FileItem = NewPlanItem & { readonly kind: 'file' };

export interface FilePlanner {
  plan(documentId: string, name: string, file: ResolvedFile): Promise<void>;
  /** Decides the files in doubt. */
  end(): Promise<void>;
  /** Notes the files that the cloud lists and no document here names. */
  noteOnlyInCloud(): void;
}

export function createFilePlanner(
  scope: RunScope,
  input: UploadInput,
  units: UnitWriter,
  items: { add(item: NewPlanItem): void },
): FilePlanner {
  const { ledger } = scope;
  /** By uid: where its bytes lie. */
  const seen = new Map<string, LocalFile | undefined>();
  let doubts: Doubt[] = [];

  const send = (item: FileItem, action: 'add' | 'replace'): void =>
    items.add({
      ...item,
      action,
      state: 'pending',
      // A list cannot tell a replaced file from the one before: it goes alone, and the store's answer proves
      // it.
      unit: units.unitForFile(item.sizeBytes, action === 'replace'),
    });
  const skip = (item: FileItem, proven: Partial<NewPlanItem> = {}): void =>
    items.add({ ...item, ...proven, unit: null, action: 'none', state: 'skipped' });

  const changed = (item: FileItem, why: string): void => {
    ledger.differences.add('file', 'changedHere', [{ id: item.id, name: item.name ?? null }]);
    if (input.onChange === 'replace') send(item, 'replace');
    else
      items.add(
        failedItem(item, new CourierError('NDI_E_CHANGED_HERE', { detail: `${where(item)} ${why}` })),
      );
  };
  const changedThere = (item: FileItem): void => {
    ledger.differences.add('file', 'changedThere', [{ id: item.id, name: item.name ?? null }]);
    items.add(failedItem(item, new CourierError('NDI_E_CHANGED_THERE', { detail: where(item) })));
  };

  const settleDoubts = async (): Promise<void> => {
    const asked = doubts;
    doubts = [];
    await inLanes(LANES, asked, async ({ item, file, base }) => {
      scope.signal.throwIfAborted();
      scope.heartbeat({ unit: null, what: `comparing file ${item.name}`, bytes: 0, ofBytes: 0 });
      const known = base?.cloud.md5Hex ?? (await cloudTag(scope, item.id));
      // A store that tells no MD5 leaves the size, which is equal.
      if (known === undefined) {
        if (base === undefined) skip(item);
        else changed(item, 'was written since it was sent.');
        return;
      }
      const md5Hex = await md5OrNone(file.path);
      const proven = { md5Hex, cloudMd5Hex: known, cloudHow: 'read-back' } as const;
      const agreed = base?.local.md5Hex ?? null;
      if (md5Hex === known) skip(item, proven);
      else if (agreed !== null && agreed === md5Hex) changedThere(item);
      else changed({ ...item, md5Hex }, 'has other bytes than the cloud has under its uid.');
    });
  };

  const planLocal = async (item: FileItem, file: LocalFile): Promise<void> => {
    const listed = ledger.listings.row('file', BEFORE, file.uid);
    const base = ledger.dataset.base.item('file', file.uid);
    switch (standing(scope, listed, file, base)) {
      case 'absent':
        return send(item, 'add');
      case 'otherSize':
        return changed(item, `has ${file.sizeBytes} bytes, the cloud’s ${listed?.sizeBytes}.`);
      case 'equal':
        return skip(item, provenBy(base));
      case 'doubtful':
        if (input.verify === 'ids' && base === undefined) return skip(item);
        doubts.push({ item, file, base });
        if (doubts.length >= DOUBTS) await settleDoubts();
    }
  };

  return {
    plan: async (documentId, name, file) => {
      // A file that lies in the cloud or at a URL on purpose is not sent.
      if (file.kind === 'remote') {
        if (seen.has(file.uid)) return;
        seen.set(file.uid, undefined);
        const there = cloudDatasetOf(file);
        const isLacking = there !== undefined && there !== scope.ref.cloudDatasetId;
        if (isLacking && ledger.listings.row('file', BEFORE, file.uid) === undefined)
          ledger.problems.add(lacking(documentId, name, file));
        return;
      }
      if (seen.has(file.uid)) {
        const twin = await otherBytes(seen.get(file.uid), file);
        if (twin) ledger.problems.add(uidTwice(documentId, name, file, twin));
        return;
      }
      seen.set(file.uid, file.kind === 'local' ? file : undefined);
      const item = { kind: 'file', id: file.uid, documentId, name } as const;
      if (file.kind === 'missing') {
        const detail = `File ${name} of document ${documentId}: ${file.reason}`;
        return items.add(failedItem(item, new CourierError('NDI_E_FILE_MISSING', { detail })));
      }
      const { path, sizeBytes, mtimeMs, inode } = file;
      const whole: FileItem = { ...item, path, sizeBytes, mtimeMs, inode, unit: null, state: 'pending' };
      if (sizeBytes > MAX_FILE_BYTES) {
        const detail = `File ${name} of document ${documentId} (${path}) has ${sizeBytes} bytes.`;
        return items.add(failedItem(whole, new CourierError('NDI_E_FILE_TOO_LARGE', { detail })));
      }
      await planLocal(whole, file);
    },
    end: settleDoubts,
    noteOnlyInCloud: () => noteOnlyInCloud(scope, seen),
  };
}

const where = ({ name, documentId, path }: FileItem): string =>
  `File ${name} of document ${documentId} (${path})`;

/** How a local file stands to the cloud's list. */
function standing(
  { ledger }: RunScope,
  listed: ListingRow | undefined,
  file: LocalFile,
  base: BaseItem | undefined,
): 'absent' | 'otherSize' | 'equal' | 'doubtful' {
  if (listed?.uploaded !== true) return 'absent';
  if (listed.sizeBytes !== null && listed.sizeBytes !== file.sizeBytes) {
    // A file that an earlier run of ours left half-sent is sent again; anything else under this uid is
    // somebody's.
    const isOurs = base === undefined && ledger.items.wasSentBefore('file', file.uid);
    return isOurs ? 'absent' : 'otherSize';
  }
  if (base === undefined || base.local.how === 'assumed' || base.local.how === null) return 'doubtful';
  const { mtimeMs, inode, sizeBytes } = base.local;
  const isUntouched = mtimeMs === file.mtimeMs && inode === file.inode && sizeBytes === file.sizeBytes;
  return isUntouched ? 'equal' : 'doubtful';
}

/** Digests that an earlier run proved, of a file that nobody has touched since. */
const provenBy = (base: BaseItem | undefined): Partial<NewPlanItem> => ({
  md5Hex: base?.local.md5Hex ?? null,
  ...(base?.cloud.how === 'read-back' ? { cloudMd5Hex: base.cloud.md5Hex, cloudHow: 'read-back' } : {}),
});

/** The path of the first file of this uid when its bytes are not those of the second. */
async function otherBytes(first: LocalFile | undefined, second: ResolvedFile): Promise<string | undefined> {
  if (first === undefined || second.kind !== 'local' || first.path === second.path) return undefined;
  if (first.inode === second.inode && first.mtimeMs === second.mtimeMs) return undefined;
  if (first.sizeBytes !== second.sizeBytes) return first.path;
  const [a, b] = await Promise.all([md5OrNone(first.path), md5OrNone(second.path)]);
  return a === b && a !== '' ? undefined : first.path;
}

/** Empty for a file that cannot be read: it equals none, and is listed when it is to be sent. */
async function md5OrNone(path: string): Promise<string> {
  try {
    return (await hashFile(path, 'md5')).md5Hex;
  } catch (error) {
    if (isCourierError(error)) return '';
    throw error;
  }
}

const uidTwice = (documentId: string, name: string, file: ResolvedFile, first: string) => ({
  kind: 'file' as const,
  id: file.uid,
  code: 'NDI_E_UID_TWICE',
  detail: `File ${name} of document ${documentId} has the uid of ${first}, and other bytes.`,
});

const lacking = (documentId: string, name: string, file: RemoteFile) => ({
  kind: 'file' as const,
  id: file.uid,
  code: 'NDI_E_BINARIES_ELSEWHERE',
  detail: `File ${name} of document ${documentId} is at ${file.uri}.`,
});

function noteOnlyInCloud({ ledger }: RunScope, here: ReadonlyMap<string, unknown>): void {
  const found = onlyThere(ledger, 'file');
  for (const { id, uploaded } of ledger.listings.rows('file', BEFORE)) {
    if (here.has(id) || uploaded === false) continue;
    found.add(id);
  }
  found.flush();
}
