/**
 * Files that travelled in zips: the list proves their size only. Their bytes are proven by the MD5 that the
 * store tells of each; one whose MD5 differs is sent again, alone. A store that tells no MD5 leaves the size.
 */
import { isCourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { hashFile } from '../../transfer/hash.ts';
import type { Settlement } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';
import { cloudTag } from '../shared/cloud-tag.ts';
import { inLanes } from '../shared/lanes.ts';
import { fileUnitLimits } from '../shared/units.ts';

/** Objects that are asked for at once: one call of the API and one of the store each. */
const LANES = 6;
/** Answers that are noted in one transaction. */
const NOTE_BATCH = 200;

/** Resolves with the files that have to go again; attempts after this one go on where it stopped. */
export async function proveZippedFiles(scope: RunScope): Promise<Settlement> {
  const { ledger, signal } = scope;
  if (ledger.facts.get(RUN_FACTS.storeTellsNoMd5) === true) return { missing: 0, newUnits: 0 };
  const notes: (() => void)[] = [];
  const different: string[] = [];
  const flush = (): void =>
    ledger.together(() => {
      for (const note of notes.splice(0)) note();
    });
  let asked = 0;
  try {
    await inLanes(LANES, unproven(scope), async (item) => {
      signal.throwIfAborted();
      const cloudMd5Hex = await cloudTag(scope, item.id);
      asked += 1;
      scope.heartbeat({ unit: null, what: `comparing files: ${asked}`, bytes: 0, ofBytes: 0 });
      if (cloudMd5Hex === undefined) {
        // The first answer tells how the store makes its ETags.
        if (asked === 1) ledger.facts.set(RUN_FACTS.storeTellsNoMd5, true);
        return;
      }
      const md5Hex = await localMd5(item);
      if (md5Hex !== cloudMd5Hex) different.push(item.id);
      else {
        const seen = { md5Hex, cloudMd5Hex, cloudHow: 'read-back' } as const;
        notes.push(() => ledger.items.mark('file', [item.id], { state: 'done', ...seen }));
        if (notes.length >= NOTE_BATCH) flush();
      }
    });
  } finally {
    flush();
  }
  return different.length === 0 ? { missing: 0, newUnits: 0 } : sendAgain(scope, different);
}

function* unproven({ ledger }: RunScope): Generator<PlanItem> {
  for (const item of ledger.items.each({ kind: 'file', states: ['done'] })) {
    if (ledger.facts.get(RUN_FACTS.storeTellsNoMd5) === true) return;
    if (item.action === 'add' && item.cloudHow === null) yield item;
  }
}

/** Empty when the file is gone or cannot be read: then it is another one, and goes again to say so. */
async function localMd5(item: PlanItem): Promise<string> {
  try {
    return (await hashFile(item.path ?? '', 'md5')).md5Hex;
  } catch (error) {
    if (isCourierError(error)) return '';
    throw error;
  }
}

function sendAgain({ ledger, ...scope }: RunScope, ids: readonly string[]): Settlement {
  const { kind, ...limits } = fileUnitLimits(scope);
  return ledger.together(() => {
    ledger.audit('the cloud has other bytes than were sent', { files: ids.length, example: ids[0] });
    ledger.items.takeBack('file', ids);
    const units = ledger.units.replan({ kind: 'file', states: ['pending'], unitKind: kind, ...limits });
    return { missing: ids.length, newUnits: units.length };
  });
}
