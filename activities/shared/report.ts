/**
 * The outcome of a run: sums in the words of the contracts, the result that travels, and the report beside
 * the ledger.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeAtomically } from '../../disk/write.ts';
import { CourierError } from '../../errors/index.ts';
import type { RunLedger } from '../../ledger/run-ledger.ts';
import type { DifferenceCounts, ItemKind, KindTotals } from '../../ledger/types.ts';
import type { Counts } from '../../workflows/contracts/index.ts';
import type { PlanSummary, RunRef, SiteResult } from '../../workflows/steps.ts';
import type { RunScope } from '../deps.ts';

/** Problems that travel in the result; the report has all of them. */
const PROBLEMS_IN_RESULT = 20;
const DETAIL_LENGTH = 300;
/** A report is for people; one that lists more than this names the ledger instead. */
export const MOST_IN_REPORT = 100_000;

export function counts(totals: KindTotals): Counts {
  return {
    total: totals.total,
    transferred: totals.sent + totals.done,
    skipped: totals.skipped,
    failed: totals.failed,
  };
}

export function planSummary(ledger: RunLedger): PlanSummary {
  const totals = ledger.plan.totals();
  return {
    documents: counts(totals.documents),
    files: counts(totals.files),
    bytes: totals.documents.bytesToMove + totals.files.bytesToMove,
    units: totals.units,
    problemCount: ledger.problems.count(),
  };
}

export const reportPathOf = (ref: Pick<RunRef, 'ledgerPath' | 'runKey'>): string =>
  join(dirname(ref.ledgerPath), 'reports', `${ref.runKey}.json`);

export function problemsOf(ledger: RunLedger): SiteResult['problems'] {
  return ledger.problems
    .list(PROBLEMS_IN_RESULT)
    .map((problem) => ({ ...problem, detail: problem.detail.slice(0, DETAIL_LENGTH) }));
}

export function buildResult(
  { ledger, ref }: Pick<RunScope, 'ledger' | 'ref'>,
  directory: string,
  duplicatesRemoved: number,
): SiteResult {
  const totals = ledger.plan.totals();
  const problemCount = ledger.problems.count();
  return {
    status: problemCount === 0 ? 'done' : 'done-with-leftovers',
    datasetId: ref.cloudDatasetId,
    directory,
    documents: counts(totals.documents),
    files: counts(totals.files),
    bytes: totals.documents.bytesDone + totals.files.bytesDone,
    duplicatesRemoved,
    problemCount,
    problems: problemsOf(ledger),
    reportPath: reportPathOf(ref),
  };
}

/** Writes the report whole or not at all. Holds no secret: problems are made of our own sentences. */
export async function writeReport(
  { ledger, ref }: Pick<RunScope, 'ledger' | 'ref'>,
  result: Pick<SiteResult, 'reportPath' | 'differences'>,
  operation: string,
): Promise<void> {
  const report = {
    version: 1,
    operation,
    workflowId: ref.workflowId,
    finishedAt: new Date().toISOString(),
    cloud: ref.cloud.baseUrl,
    ...result,
    problems: ledger.problems.list(MOST_IN_REPORT),
    ...(result.differences === undefined ? {} : { differing: differing(ledger) }),
  };
  const home = dirname(ref.ledgerPath);
  // Made with its parents, it would bring back the folder of a dataset that was moved away.
  if (!existsSync(home)) throw new CourierError('NDI_E_NOT_A_DATASET', { detail: `${home} is gone.` });
  await mkdir(dirname(result.reportPath), { recursive: true });
  writeAtomically(result.reportPath, `${JSON.stringify(report, null, 2)}\n`);
}

const DIFFERENCES = ['new', 'equal', 'changedHere', 'changedThere', 'goneHere', 'onlyInCloud'] as const;

/** Differences by name: ids of documents; uid and logical name of files. */
export function differing(
  ledger: RunLedger,
): Record<'documents' | 'files', Record<keyof DifferenceCounts, unknown[]>> {
  const of = (kind: ItemKind) =>
    Object.fromEntries(
      DIFFERENCES.map((what) => [
        what,
        firstOf(ledger.differences.each(kind, what), MOST_IN_REPORT).map(({ id, name }) =>
          name === null ? id : { uid: id, name },
        ),
      ]),
    ) as Record<keyof DifferenceCounts, unknown[]>;
  return { documents: of('document'), files: of('file') };
}

export function* idsOf(items: Iterable<{ readonly id: string }>): Generator<string> {
  for (const { id } of items) yield id;
}

function firstOf<Value>(values: Iterable<Value>, limit: number): Value[] {
  const first: Value[] = [];
  for (const value of values) {
    if (first.length >= limit) break;
    first.push(value);
  }
  return first;
}
