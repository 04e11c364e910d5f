/** What is left of a run: the result that travels, and the report that stays beside the ledger with every problem. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Ledger } from '../ledger/types.ts';
import type { Operation } from '../workflows/operations.ts';
import type { RunRef, SiteResult } from '../workflows/steps.ts';
import { counts } from './summary.ts';

/** Problems that travel in the result; the report has all of them. */
const PROBLEMS_IN_RESULT = 20;
const DETAIL_LENGTH = 300;
/** A report is for people; one that lists more than this names the ledger instead. */
const PROBLEMS_IN_REPORT = 100_000;

export const reportPathOf = (ref: Pick<RunRef, 'ledgerPath' | 'runKey'>): string =>
  join(dirname(ref.ledgerPath), 'reports', `${ref.runKey}.json`);

export function buildResult(ledger: Ledger, ref: RunRef, directory: string): SiteResult {
  const totals = ledger.planTotals(ref.runKey);
  const problemCount = ledger.problemCount(ref.runKey);
  return {
    status: problemCount === 0 ? 'done' : 'done-with-leftovers',
    datasetId: ref.cloudDatasetId,
    directory,
    documents: counts(totals.documents),
    files: counts(totals.files),
    bytes: totals.documents.bytesDone + totals.files.bytesDone,
    duplicatesRemoved: Number(ledger.fact(ref.runKey, 'duplicatesRemoved') ?? 0),
    problemCount,
    problems: ledger
      .problems(ref.runKey, PROBLEMS_IN_RESULT)
      .map((problem) => ({ ...problem, detail: problem.detail.slice(0, DETAIL_LENGTH) })),
    reportPath: reportPathOf(ref),
  };
}

/** Writes the report whole or not at all. Holds no secret: problems are made of our own sentences. */
export async function writeReport(
  ledger: Ledger,
  result: SiteResult,
  ref: RunRef,
  operation: Operation,
): Promise<void> {
  const report = {
    version: 1,
    operation,
    workflowId: ref.workflowId,
    finishedAt: new Date().toISOString(),
    cloud: ref.cloud.baseUrl,
    ...result,
    problems: ledger.problems(ref.runKey, PROBLEMS_IN_REPORT),
  };
  await mkdir(dirname(result.reportPath), { recursive: true });
  const aside = `${result.reportPath}.${process.pid}`;
  await writeFile(aside, `${JSON.stringify(report, null, 2)}\n`);
  await rename(aside, result.reportPath);
}

export function* idsOf(items: Iterable<{ readonly id: string }>): Generator<string> {
  for (const { id } of items) yield id;
}
