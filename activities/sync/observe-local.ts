/**
 * What the folder holds. A document whose stored text is that of the base is not parsed for its hash again;
 * a document that cannot be read is there, and moves nowhere.
 */
import { isCourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { KeptBody, NewObservation } from '../../ledger/sync-ledger.ts';
import type { BaseItem, ItemKind } from '../../ledger/types.ts';
import type { DatasetReader, ResolvedFile, StoredDocument } from '../../ndi/dataset/types.ts';
import { canonicalHash } from '../../ndi/document/canonical.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { DocumentFacts } from '../../ndi/document/types.ts';
import { hashFile } from '../../transfer/hash.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { type Batches, inBatches } from '../shared/batches.ts';
import { createPacer } from '../shared/poll.ts';
import { textHashOf } from '../upload/plan-documents.ts';
import { contentKeyOf, namesOf, trustedBase } from './held.ts';

/** The name under which a sync keeps the cloud's lists. */
export const CLOUD = 'cloud';

/** Bodies as both sides agreed on them, compressed: some 500,000 documents of 2 KB. */
export const MAX_BASE_BODIES_BYTES = 256 * 1024 * 1024;

export async function observeLocal(scope: RunScope, input: SyncInput, reader: DatasetReader): Promise<void> {
  const { ledger } = scope;
  const documents = createWriter(ledger, 'local', 'document');
  // A merge by field starts from the body that both sides agreed on.
  const { baseBodies } = ledger.dataset;
  const bodies = inBatches<KeptBody>((kept) => baseBodies.keep(kept, MAX_BASE_BODIES_BYTES));
  const files = createFileObserver(scope, input);
  const baseOf = trustedBase(ledger);
  const pause = createPacer(scope, (count) => `reading documents: ${count}`);
  for (const stored of reader.documents()) {
    await pause();
    const base = baseOf('document', stored.id);
    const read = readStored(ledger, stored, base);
    documents.add(read.observation);
    if (read.facts === undefined) continue;
    const { version } = read.observation;
    // Without a base, both sides may be found equal: then this is what they agree on.
    const isAgreed = version !== null && version === (base?.agreedVersion ?? version);
    if (isAgreed && !baseBodies.has(stored.id, version))
      bodies.add({ id: stored.id, version, text: stored.text });
    if (input.files === 'none') continue;
    for (const { name, file } of reader.files(read.facts)) await files.see(stored.id, name, file);
  }
  documents.flush();
  bodies.flush();
  files.end();
}

interface ReadDocument {
  readonly observation: NewObservation;
  /** Absent for a document that cannot be read. */
  readonly facts?: DocumentFacts;
}

function readStored(ledger: RunLedger, stored: StoredDocument, base: BaseItem | undefined): ReadDocument {
  const textHash = textHashOf(stored.text);
  try {
    const document = parseDocument(stored.text);
    const facts = describeDocument(document);
    const isKnown = base?.local.hash != null && base.local.textHash === textHash;
    const isAlone = ledger.listings.row('document', CLOUD, stored.id) === undefined;
    return {
      facts,
      observation: {
        id: stored.id,
        version: isKnown ? base.local.hash : canonicalHash(document),
        textHash,
        sizeBytes: Buffer.byteLength(stored.text),
        ...namesOf(facts),
        ...(isAlone ? { contentKey: contentKeyOf(document) } : {}),
      },
    };
  } catch (error) {
    if (!isCourierError(error)) throw error;
    const { code, detail, message } = error;
    ledger.problems.add({ kind: 'document', id: stored.id, code, detail: detail ?? message });
    return { observation: { id: stored.id, version: null, textHash, aside: 'unreadable' } };
  }
}

/** Forgets what an earlier attempt saw, and writes in batches. */
export function createWriter(
  { sync }: RunLedger,
  side: 'local' | 'cloud' | 'wanted',
  kind: ItemKind,
): Batches<NewObservation> {
  sync.forgetObservations(side, kind);
  return inBatches((rows) => sync.observe(side, kind, rows));
}

interface FileObserver {
  see(documentId: string, name: string, file: ResolvedFile): Promise<void>;
  end(): void;
}

type LocalFile = Extract<ResolvedFile, { kind: 'local' }>;

function createFileObserver(scope: RunScope, input: SyncInput): FileObserver {
  const { ledger } = scope;
  const here = createWriter(ledger, 'local', 'file');
  const wanted = createWriter(ledger, 'wanted', 'file');
  const seen = new Set<string>();
  const baseOf = trustedBase(ledger);
  const count = { here: 0, elsewhere: 0 };
  return {
    see: async (documentId, name, file) => {
      if (file.uid === '' || seen.has(file.uid)) return;
      seen.add(file.uid);
      const row = { id: file.uid, documentId, name };
      if (file.kind === 'local') {
        count.here += 1;
        const { path, sizeBytes, mtimeMs, inode } = file;
        here.add({
          ...row,
          path,
          sizeBytes,
          mtimeMs,
          inode,
          version: await localVersion(scope, file, baseOf('file', file.uid)),
        });
        return;
      }
      // At an author's own address: not the cloud's to give.
      if (file.kind === 'remote' && !file.uri.startsWith('ndic://')) return;
      if (file.kind === 'remote') count.elsewhere += 1;
      if (file.kind === 'missing' || input.files === 'all') wanted.add({ ...row, version: null });
    },
    end: () => {
      here.flush();
      wanted.flush();
      ledger.facts.set(RUN_FACTS.isHybrid, count.elsewhere > count.here);
    },
  };
}

/**
 * A file that nobody wrote since both sides agreed is that of the base. Another one is read where the cloud
 * has a file of its size to compare with; elsewhere its size says enough.
 */
async function localVersion(
  { ledger, signal }: RunScope,
  file: LocalFile,
  base: BaseItem | undefined,
): Promise<string> {
  if (base?.agreedVersion != null && isUntouched(file, base)) return base.agreedVersion;
  const listed = ledger.listings.row('file', CLOUD, file.uid);
  const size = `size:${file.sizeBytes}`;
  if (listed === undefined || listed.uploaded === false) return size;
  if (listed.sizeBytes !== null && listed.sizeBytes !== file.sizeBytes) return size;
  try {
    return `md5:${(await hashFile(file.path, 'md5', signal)).md5Hex}`;
  } catch (error) {
    if (!isCourierError(error)) throw error;
    return size;
  }
}

const isUntouched = (file: LocalFile, { local }: BaseItem): boolean =>
  local.mtimeMs === file.mtimeMs && local.inode === file.inode && local.sizeBytes === file.sizeBytes;
