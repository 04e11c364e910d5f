/** The check that a built folder opens, as any reader would open it. */
import { hash as hashOf } from 'node:crypto';
import { CourierError } from '../../errors/index.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { uidPath } from '../../ndi/dataset/layout.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import type { ResolvedFile } from '../../ndi/dataset/types.ts';
import { linkFileNames } from '../../ndi/dataset/write.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { describeDocument } from '../../ndi/document/describe.ts';
import type { RunScope } from '../deps.ts';
import { inBatches } from '../shared/batches.ts';
import { createPacer } from '../shared/poll.ts';

/**
 * Reads the directory back: every document of the plan, every binary at its size. Gives each binary its
 * second name on the way, and notes what a later run needs to see that nothing was changed: hashes of stored
 * texts, times and inodes of files.
 * @throws NDI_E_OPEN_CHECK and the target stays untouched
 */
export async function openCheck(scope: RunScope, buildDir: string): Promise<void> {
  const { ledger, deps } = scope;
  const reader = openDataset(buildDir, { scratchDir: deps.scratchDir });
  const notes = createNotes(scope);
  try {
    let documents = 0;
    const pause = createPacer(scope, (count) => `checking: ${count} documents`);
    for (const stored of reader.documents()) {
      await pause();
      const facts = describeDocument(parseDocument(stored.text));
      for (const { name, file } of reader.files(facts)) {
        checkFile(file, ledger.items.get('file', file.uid));
        if (file.kind !== 'local') continue;
        // A place that the author named, elsewhere on this computer, is not a binary of the folder.
        if (file.path === uidPath(buildDir, file.uid)) linkFileNames(buildDir, facts.id, name, file.uid);
        notes.file(file);
      }
      const state = ledger.items.get('document', facts.id)?.state;
      if (state === 'done') documents += 1;
      if (state === 'done' || state === 'skipped') notes.document(facts.id, state, stored.text);
    }
    notes.flush();
    const { done } = ledger.plan.totals().documents;
    if (documents !== done) {
      throw new CourierError('NDI_E_OPEN_CHECK', { detail: `It has ${documents} of ${done} documents.` });
    }
  } finally {
    reader.close();
  }
}

type LocalFile = Extract<ResolvedFile, { kind: 'local' }>;

function createNotes({ ledger }: RunScope) {
  const notes = inBatches<() => void>((batch) =>
    ledger.together(() => {
      for (const note of batch) note();
    }),
  );
  return {
    flush: notes.flush,
    document: (id: string, state: 'done' | 'skipped', text: string): void => {
      const textHash = hashOf('sha256', text);
      notes.add(() => ledger.items.mark('document', [id], { state, textHash }));
    },
    file: ({ uid, mtimeMs, inode }: LocalFile): void => {
      const state = ledger.items.get('file', uid)?.state;
      if (state !== 'done' && state !== 'skipped') return;
      notes.add(() => ledger.items.mark('file', [uid], { state, mtimeMs, inode }));
    },
  };
}

function checkFile(file: ResolvedFile, item: PlanItem | undefined): void {
  if (item === undefined || (item.state !== 'done' && item.state !== 'skipped')) return;
  const sizeBytes = file.kind === 'local' ? file.sizeBytes : undefined;
  if (sizeBytes === item.sizeBytes) return;
  const has =
    sizeBytes === undefined ? 'is not there' : `has ${sizeBytes} bytes instead of ${item.sizeBytes}`;
  throw new CourierError('NDI_E_OPEN_CHECK', { detail: `File ${file.uid} ${has}.` });
}
