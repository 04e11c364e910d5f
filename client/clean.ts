/**
 * Old things that no run needs: found first, removed when asked.
 *
 *   in the state folder   rotated logs, plans of dry runs, scratch files of processes that are gone
 *   in each dataset       reports, and rows of ended runs in the ledger
 *
 * A run has ended when it has left a report. Never touched: base, audit, the newest run, the run with the
 * lease, kept runs, reports of runs that the ledger still has, the logs in use.
 */
import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CourierError, isCourierError } from '../errors/index.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { existingLedgerPath } from '../ledger/locate.ts';
import { openLedger } from '../ledger/open.ts';
import { identityOf } from './datasets.ts';

export interface CleanOptions {
  /** The folder of all our state. */
  readonly homeDir: string;
  /** Dataset folders, besides the ledgers in the state folder. */
  readonly dirs: readonly string[];
  /** Everything younger stays. */
  readonly olderThanMs: number;
  isProcessAlive(pid: number): boolean;
}

export type OldFileKind = 'log' | 'plan' | 'scratch' | 'report';

export interface OldFile {
  readonly kind: OldFileKind;
  readonly path: string;
  readonly sizeBytes: number;
}

export interface OldRuns {
  readonly ledger: string;
  readonly runKeys: readonly string[];
}

export interface CleanPlan {
  readonly files: readonly OldFile[];
  /** Runs whose plans and listings go. SQLite uses their space again; the ledger's file does not shrink. */
  readonly runs: readonly OldRuns[];
  /** Ledgers that cannot be read now; their reports stay. */
  readonly skipped: ReadonlyArray<{
    readonly ledger: string;
    readonly code: string;
    readonly reason: string;
  }>;
}

const RUN_KEY = '[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}';
const REPORT = new RegExp(`^(${RUN_KEY})\\.json$`);
/** A plan, also one that was never finished. */
const PLAN = new RegExp(`^${RUN_KEY}\\.json(?:\\.\\d+)?$`);
const ROTATED_LOG = /^(?:supervisor|worker|server)\.log\.\d+$/;

/**
 * Lists what `clean` would remove; removes nothing.
 * @throws as `openDataset` for a folder that is no dataset
 */
export function planClean(options: CleanOptions): CleanPlan {
  return work(options, (ledger, query) => ledger.oldRuns.prunable(query));
}

/**
 * Removes everything that is old at this moment and returns it. Files that somebody else removed meanwhile do
 * no harm.
 */
export function clean(options: CleanOptions): CleanPlan {
  const plan = work(options, (ledger, query) => ledger.oldRuns.prune(query));
  for (const { path } of plan.files) rmSync(path, { recursive: true, force: true });
  return plan;
}

type OldRunsOf = (ledger: Ledger, query: Parameters<Ledger['oldRuns']['prune']>[0]) => readonly string[];

function work(options: CleanOptions, oldRunsOf: OldRunsOf): CleanPlan {
  const cutoffMs = Date.now() - options.olderThanMs;
  const runs: OldRuns[] = [];
  const skipped: Array<CleanPlan['skipped'][number]> = [];
  const files = [...oldInHome(options, cutoffMs)];
  for (const [folder, ledgers] of byReportFolder(options)) {
    const reports = new Map(
      namesIn(folder).flatMap((name) => {
        const key = REPORT.exec(name)?.[1];
        return key === undefined ? [] : [[key, join(folder, name)] as const];
      }),
    );
    const stay = new Set<string>();
    let unread = 0;
    for (const path of ledgers) {
      try {
        const [gone, all] = withLedger(path, (ledger) => {
          const known = ledger.oldRuns.runKeys();
          const query = { begunBeforeMs: cutoffMs, hasEnded: (key: string) => reports.has(key) };
          return [oldRunsOf(ledger, query), known] as const;
        });
        if (gone.length > 0) runs.push({ ledger: path, runKeys: gone });
        for (const key of all) if (!gone.includes(key)) stay.add(key);
      } catch (error) {
        if (!isCourierError(error)) throw error;
        unread += 1;
        skipped.push({ ledger: path, code: error.code, reason: error.message });
      }
    }
    if (unread > 0) continue;
    for (const [key, path] of reports) {
      if (!stay.has(key)) files.push(...oldFile('report', path, cutoffMs));
    }
  }
  return { files, runs, skipped };
}

function withLedger<Value>(path: string, use: (ledger: Ledger) => Value): Value {
  const ledger = openLedger(path);
  try {
    return use(ledger);
  } finally {
    ledger.close();
  }
}

/** Ledgers that cannot lie beside their datasets share one folder of reports. */
function byReportFolder({ homeDir, dirs }: CleanOptions): Map<string, Set<string>> {
  const folders = new Map<string, Set<string>>();
  const add = (ledger: string): void => {
    const folder = join(dirname(ledger), 'reports');
    folders.set(folder, (folders.get(folder) ?? new Set()).add(ledger));
  };
  const shared = join(homeDir, 'ledgers');
  for (const name of namesIn(shared)) if (name.endsWith('.sqlite')) add(join(shared, name));
  for (const dir of dirs) {
    const datasetDir = resolve(dir);
    const { datasetId } = identityOf(datasetDir);
    const ledger = existingLedgerPath({ datasetDir, datasetId, stateHome: homeDir });
    if (ledger !== undefined) add(ledger);
  }
  return folders;
}

function* oldInHome({ homeDir, isProcessAlive }: CleanOptions, cutoffMs: number): Generator<OldFile> {
  const matching = function* (kind: OldFileKind, folder: string, isOurs: (name: string) => boolean) {
    for (const name of namesIn(join(homeDir, folder))) {
      if (isOurs(name)) yield* oldFile(kind, join(homeDir, folder, name), cutoffMs);
    }
  };
  yield* matching('log', 'logs', (name) => ROTATED_LOG.test(name));
  yield* matching('plan', 'previews', (name) => PLAN.test(name));
  yield* matching('scratch', 'scratch', (name) => /^\d+$/.test(name) && !isProcessAlive(Number(name)));
}

/**
 * The file, or the folder with all in it, when nothing of it was written since. Links are neither followed
 * nor removed.
 */
function oldFile(kind: OldFileKind, path: string, cutoffMs: number): OldFile[] {
  const { sizeBytes, newestMs, isOther } = measure(path);
  return isOther || newestMs >= cutoffMs ? [] : [{ kind, path, sizeBytes }];
}

function measure(path: string): { sizeBytes: number; newestMs: number; isOther: boolean } {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined || !(stats.isFile() || stats.isDirectory())) {
    return { sizeBytes: 0, newestMs: 0, isOther: true };
  }
  if (stats.isFile()) return { sizeBytes: stats.size, newestMs: stats.mtimeMs, isOther: false };
  const inside = namesIn(path).map((name) => measure(join(path, name)));
  return {
    sizeBytes: inside.reduce((sum, one) => sum + one.sizeBytes, 0),
    newestMs: Math.max(stats.mtimeMs, ...inside.map((one) => one.newestMs)),
    isOther: false,
  };
}

function namesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  try {
    return readdirSync(folder).sort();
  } catch (cause) {
    throw new CourierError('NDI_E_READ_ONLY', { detail: `${folder} cannot be read.`, cause });
  }
}
