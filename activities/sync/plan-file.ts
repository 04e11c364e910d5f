/** The plan by item, in a file that a person can review and `plan apply` carries out. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { writeAtomically } from '../../disk/write.ts';
import { RUN_FACTS } from '../../ledger/fact-keys.ts';
import type { SyncInput } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';

/** Writes the file whole or not at all. Only its owner can read it: names of documents may be private. */
export async function writePlanFile(scope: RunScope, input: SyncInput): Promise<string> {
  const path = input.planFile ?? join(scope.deps.previewsDir, `${scope.ref.runKey}.plan.json`);
  writeAtomically(path, planText(scope, input), { mode: 0o600, folderMode: 0o700 });
  return path;
}

/** One item per line; the digest at the end is of everything before it. */
function* planText({ ledger, ref }: RunScope, input: SyncInput): Generator<string> {
  const digest = createHash('sha256');
  const { mode, content, files, conflicts, deletes, maxDelete, rules } = input;
  const head = {
    version: 1,
    madeAt: new Date().toISOString(),
    directory: input.datasetDir,
    ndiDatasetId: input.ndiDatasetId,
    cloudDatasetId: ref.cloudDatasetId,
    cloud: ref.cloud.baseUrl,
    options: { mode, content, files, conflicts, deletes, maxDelete, rules },
    baseLost: ledger.facts.get(RUN_FACTS.baseLost) ?? null,
    unchanged: ledger.facts.get(RUN_FACTS.unchanged) ?? { documents: 0, files: 0 },
    approval: ledger.facts.get(RUN_FACTS.gate)?.reasons ?? [],
  };
  const text = function* (): Generator<string> {
    yield `${JSON.stringify(head).slice(0, -1)},"items":[`;
    let separator = '';
    for (const kind of ['document', 'file'] as const) {
      for (const decision of ledger.sync.decisions({ kind, held: true })) {
        const { id, action, reason, name, local, cloud, base } = decision;
        yield `${separator}\n${JSON.stringify({ kind, id, name, action, reason, local, cloud, base })}`;
        separator = ',';
      }
    }
  };
  for (const piece of text()) {
    digest.update(piece);
    yield piece;
  }
  yield `\n],"digest":"${digest.digest('hex')}"}\n`;
}
