/**
 * Verified means read back: every document that the run sent is fetched again and compared by canonical hash.
 * A listed id alone proves that the cloud has a document under it, not which.
 */
import { CourierError } from '../../errors/index.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { PlanItem } from '../../ledger/types.ts';
import { parseDocument } from '../../ndi/document/codec.ts';
import { firstDifference } from '../../ndi/document/difference.ts';
import type { UploadInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { untilQuiet } from '../shared/poll.ts';
import { type CloudBody, readBack } from '../shared/read-back.ts';
import { isOwnLinkReplaced } from './second-links.ts';
import { openForUnit } from './shared-copy.ts';

const READ_BATCH = 2_000;

/** Reads back what was sent and not read back yet. Attempts after this one go on where it stopped. */
export async function readBackDocuments(scope: RunScope, input: UploadInput): Promise<void> {
  const { ledger } = scope;
  let batch: PlanItem[] = [];
  let batches = 0;
  let read = 0;
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    batches += 1;
    await readBackBatch(scope, input, batch, `verify-${batches}`);
    read += batch.length;
    batch = [];
    scope.heartbeat({ unit: null, what: `reading documents back: ${read}`, bytes: 0, ofBytes: 0 });
  };
  for (const item of ledger.items.each({ kind: 'document', states: ['done'] })) {
    if (item.cloudHow === 'read-back' || item.cloudId === null || item.action === 'none') continue;
    batch.push(item);
    if (batch.length >= READ_BATCH) await flush();
  }
  await flush();
}

async function readBackBatch(
  scope: RunScope,
  input: UploadInput,
  items: readonly PlanItem[],
  name: string,
): Promise<void> {
  const { ledger, tuning } = scope;
  const left = new Map(items.map((item) => [item.id, item.cloudId as string]));
  const sent = new Map(items.map((item) => [item.id, item.sha256Hex]));
  const different: CloudBody[] = [];
  let failures: ReadonlyMap<string, CourierError> = new Map();
  // A replica that lags lists documents before it gives them.
  await untilQuiet(scope, {
    name: `read back ${name}`,
    look: async () => {
      const hashes: { id: string; hash: string }[] = [];
      failures = await readBack(scope, name, left, (body) => {
        hashes.push({ id: body.ndiId, hash: body.hash });
        left.delete(body.ndiId);
        if (body.hash !== sent.get(body.ndiId)) different.push(body);
      });
      ledger.together(() => {
        for (const { id, hash } of hashes)
          ledger.items.mark('document', [id], { state: 'done', cloudHash: hash, cloudHow: 'read-back' });
      });
      return left.size;
    },
    marker: String,
    isDone: (count) => count === 0,
    quietMs: tuning.importQuietMs,
  });
  const own = ledger.facts.get(RUN_FACTS.ownLink) ?? '';
  if (await isOwnLinkReplaced(scope, new Set(left.keys()))) left.delete(own);
  addProblems(scope, input, { different, left: left.keys(), failures });
}

function addProblems(
  scope: RunScope,
  input: UploadInput,
  found: {
    readonly different: readonly CloudBody[];
    readonly left: Iterable<string>;
    readonly failures: ReadonlyMap<string, CourierError>;
  },
): void {
  const { problems } = scope.ledger;
  const add = (id: string, error: CourierError): void =>
    problems.add({ kind: 'document', id, code: error.code, detail: error.detail ?? error.message });
  for (const id of found.left) {
    const detail = `Document ${id} is listed, but the cloud does not give it.`;
    add(id, found.failures.get(id) ?? new CourierError('NDI_E_NOT_FOUND', { detail }));
  }
  if (found.different.length === 0) return;
  const reader = openForUnit({ ...scope, input });
  try {
    for (const { ndiId, document } of found.different) {
      const text = reader.document(ndiId)?.text;
      const difference =
        text === undefined ? 'it is gone here' : firstDifference(parseDocument(text), document);
      add(ndiId, new CourierError('NDI_E_CHANGED_BY_CLOUD', { detail: `First difference: ${difference}.` }));
    }
  } finally {
    reader.close();
  }
}
