/** Reports that runs left beside a dataset's ledger: the story of a run that the server has forgotten. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { realPath } from '../disk/real-path.ts';
import { CourierError } from '../errors/index.ts';
import { existingLedgerPath } from '../ledger/locate.ts';
import type { RunResult } from '../workflows/contracts/index.ts';
import { identityOf } from './datasets.ts';

export interface RunReport {
  readonly workflowId: string;
  /** ISO time. */
  readonly finishedAt: string;
  /** Base address. */
  readonly cloud: string;
  /** With every problem line; retries are not kept and count as none. */
  readonly result: RunResult;
}

/**
 * The reports of the runs on the dataset in a folder, newest first. One that cannot be read is left out.
 * @throws as `openDataset` when it is no dataset
 */
export function reportsOf(dir: string, stateHome: string): RunReport[] {
  const datasetDir = resolve(dir);
  const { datasetId } = identityOf(datasetDir);
  const ledger = existingLedgerPath({ datasetDir, datasetId, stateHome });
  if (ledger === undefined) return [];
  const folder = join(dirname(ledger), 'reports');
  // Ledgers of several datasets share the folder where they cannot lie beside their datasets.
  const isShared = realPath(ledger).startsWith(realPath(stateHome));
  return namesIn(folder)
    .flatMap((name) => readReport(join(folder, name)) ?? [])
    .filter(({ result }) => !isShared || realPath(result.directory) === realPath(datasetDir))
    .sort((one, other) => other.finishedAt.localeCompare(one.finishedAt));
}

/** @throws NDI_E_RUN_UNKNOWN when no run has left a report there */
export function lastReportOf(dir: string, stateHome: string): RunReport {
  const [last] = reportsOf(dir, stateHome);
  if (last === undefined) {
    throw new CourierError('NDI_E_RUN_UNKNOWN', { detail: `No run has left a report in ${dir}.` });
  }
  return last;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.json'));
  } catch {
    return [];
  }
}

function readReport(path: string): RunReport | undefined {
  try {
    const { workflowId, finishedAt, cloud, ...rest } = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof finishedAt !== 'string' || !Array.isArray(rest.problems)) return undefined;
    return {
      workflowId,
      finishedAt,
      cloud,
      result: { retries: 0, ndiDatasetId: null, ...rest, reportPath: path },
    };
  } catch {
    return undefined;
  }
}
