/** The plan by name and size, in a file: it may have a million lines, which travel through no payload. */
import { createWriteStream } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ItemKind } from '../../ledger/types.ts';
import type { PreviewResult } from '../../workflows/contracts/index.ts';
import type { RunScope } from '../deps.ts';
import { planSummary, problemsOf } from '../shared/report.ts';

type Preview = Omit<PreviewResult, 'operation' | 'retries'>;

/** Writes the file whole or not at all. Only its owner can read it: names of files may be private. */
export async function writePlan(
  scope: RunScope,
  result: Pick<Preview, 'datasetId' | 'ndiDatasetId' | 'directory'> & Partial<Pick<Preview, 'differences'>>,
): Promise<Preview> {
  const { ledger, deps } = scope;
  const listPath = join(deps.previewsDir, `${ledger.runKey}.json`);
  await mkdir(deps.previewsDir, { recursive: true, mode: 0o700 });
  const aside = `${listPath}.${process.pid}`;
  await pipeline(Readable.from(planText(scope)), createWriteStream(aside, { mode: 0o600 }));
  await rename(aside, listPath);
  const { documents, files, bytes, problemCount } = planSummary(ledger);
  return {
    ...result,
    status: 'planned',
    documents: asPlanned(documents),
    files: asPlanned(files),
    bytes,
    problemCount,
    problems: problemsOf(ledger),
    reportPath: '',
    listPath,
  };
}

/** Nothing was transferred yet: what is not skipped and not failed would be. */
const asPlanned = (counts: Preview['documents']): Preview['documents'] => ({
  ...counts,
  transferred: counts.total - counts.skipped - counts.failed,
});

function* planText({ ledger }: RunScope): Generator<string> {
  yield '{"version":1';
  for (const kind of ['document', 'file'] as const) yield* listText(ledger, kind);
  yield ',"differences":[';
  let separator = '';
  for (const kind of ['document', 'file'] as const) {
    for (const what of ['changedHere', 'changedThere', 'goneHere', 'onlyInCloud'] as const) {
      for (const { id, name } of ledger.differences.each(kind, what)) {
        yield `${separator}\n${JSON.stringify({ kind, what, id, name })}`;
        separator = ',';
      }
    }
  }
  yield `],"problems":${JSON.stringify(ledger.problems.list(Number.MAX_SAFE_INTEGER))}}\n`;
}

function* listText(ledger: RunScope['ledger'], kind: ItemKind): Generator<string> {
  yield `,"${kind}s":[`;
  let separator = '';
  for (const item of ledger.items.each({ kind, states: ['pending'] })) {
    const { id, action, sizeBytes, name, path, documentId } = item;
    const row =
      kind === 'document'
        ? { id, action, sizeBytes }
        : { uid: id, action, sizeBytes, name, path, documentId };
    yield `${separator}\n${JSON.stringify(row)}`;
    separator = ',';
  }
  yield ']';
}
