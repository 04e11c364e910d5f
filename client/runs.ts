/** All runs that the server remembers: list, find, look at. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { CourierError, isCourierError } from '../errors/index.ts';
import { loginSignal, progressQuery, type RunResult } from '../workflows/contracts/index.ts';
import type { Operation } from '../workflows/operations.ts';
import { lenientLister } from './lenient-list.ts';
import type { Progress } from './progress.ts';
import { createRunHandle, type RunHandle } from './run-handle.ts';
import { type RunSummary, summaryOf } from './run-records.ts';
import type { TemporalConnection } from './temporal.ts';

export interface RunQuery {
  /** Most runs returned, newest first. Default 20. */
  readonly limit?: number;
  /** Only runs that go on. */
  readonly open?: boolean;
  /** Only runs that failed, timed out or were terminated. */
  readonly failed?: boolean;
  /** Only runs that wait for something. */
  readonly waiting?: boolean;
  /** Only runs that started after this moment. */
  readonly since?: Date;
  /** Only runs of this dataset: an NDI id, a cloud id, or a part of its name or folder. */
  readonly dataset?: string;
  readonly operation?: Operation;
}

/** `bytes`: those that a run moved, or is about to move; null where nobody can tell now. */
export type SizedRun = RunSummary & { readonly bytes: number | null };

export interface RunDetails extends RunSummary {
  /** The run in one line. */
  readonly summary: string | null;
  readonly progress: Progress;
  /** The result of a run that is done; null of any other. */
  readonly result: RunResult | null;
  /** Why it failed or stopped; null of a run that goes on or is done. */
  readonly error: CourierError | null;
}

export interface Runs {
  list(query?: RunQuery): Promise<RunSummary[]>;
  /** The list with sizes, which cost a look at each run. */
  listSized(query?: RunQuery): Promise<SizedRun[]>;
  show(run: string): Promise<RunDetails>;
  attach(run: string, runId?: string): Promise<RunHandle>;
  /** Tells runs that wait for a login of this profile (null: of the default account) that there is one. */
  loggedIn(profile: string | null): Promise<RunSummary[]>;
}

/** Every run sets this attribute when it starts, also runs of a type that only a newer program knows. */
const OURS = 'NdiOperation IS NOT NULL';
const RUN_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Ids that an error names when a part of an id fits several runs. */
const NAMED_RUNS = 5;

/** One execution, or the newest one of a workflow id. */
interface RunAddress {
  readonly workflowId: string;
  readonly runId?: string | undefined;
}

export function createRuns(open: (start: boolean) => Promise<TemporalConnection>): Runs {
  const list = async (query: RunQuery = {}): Promise<RunSummary[]> => {
    const { client } = await open(false);
    const runs = lenientLister(client).list({ query: filterOf(query) });
    return collect(runs, query.limit ?? 20, (run) => isOfDataset(run, query.dataset));
  };

  const listSized = async (query: RunQuery = {}): Promise<SizedRun[]> => {
    const { client } = await open(false);
    const runs = await list(query);
    return Promise.all(runs.map(async (run) => ({ ...run, bytes: await bytesOf(client, run) })));
  };

  const attach = async (run: string, runId?: string): Promise<RunHandle> => {
    const { client } = await open(false);
    const found = await find(run);
    const { workflowId } = found;
    runId ??= found.runId;
    const handle = client.workflow.getHandle(workflowId, runId);
    const info = await handle.describe().catch((error: unknown) => {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      throw new CourierError('NDI_E_RUN_UNKNOWN', { detail: run, cause: error });
    });
    return createRunHandle({
      client,
      workflowId,
      runId: info.runId,
      // Signals go to whatever execution the run is in by then; the result is of this one and its
      // continuations.
      handle: client.workflow.getHandle(workflowId, runId ?? undefined),
    });
  };

  /** @throws NDI_E_RUN_UNKNOWN, NDI_E_RUN_AMBIGUOUS when a part of an id fits several runs */
  const find = async (run: string): Promise<RunAddress> => {
    const { client } = await open(false);
    const text = run.trim();
    try {
      await client.workflow.getHandle(text).describe();
      return { workflowId: text };
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
    if (RUN_ID.test(text)) {
      for await (const info of lenientLister(client).list({ query: `${OURS} AND RunId = '${text}'` })) {
        const { workflowId, status } = info;
        // A run that goes on, here or as its next execution, is followed; an ended one is exactly this
        // execution.
        const follows = status.name === 'RUNNING' || status.name === 'CONTINUED_AS_NEW';
        return { workflowId, runId: follows ? undefined : text };
      }
    }
    const matching = await collect(
      lenientLister(client).list({ query: OURS }),
      Number.POSITIVE_INFINITY,
      (candidate) => text !== '' && (candidate.workflowId.includes(text) || candidate.runId.startsWith(text)),
    );
    const ids = [...new Set(matching.map(({ workflowId }) => workflowId))];
    if (ids.length === 0) throw new CourierError('NDI_E_RUN_UNKNOWN', { detail: text });
    // A guess could cancel somebody else's run.
    if (ids.length > 1) throw ambiguous(text, ids);
    const byRunId = matching.filter(({ runId }) => runId.startsWith(text));
    const only = byRunId.length === 1 && byRunId[0]?.status !== 'running' ? byRunId[0]?.runId : undefined;
    return { workflowId: ids[0] as string, runId: only };
  };

  return {
    list,
    listSized,
    attach,
    show: async (run) => {
      const { client } = await open(false);
      const handle = await attach(run);
      const info = await client.workflow.getHandle(handle.workflowId, handle.runId).describe();
      const progress = await handle.progress();
      const { result, error } =
        progress.status === 'running' ? { result: null, error: null } : await outcomeOf(handle);
      return { ...summaryOf(info), summary: (await info.staticSummary()) ?? null, progress, result, error };
    },
    loggedIn: async (profile) => {
      const { client } = await open(false);
      const query = `${OURS} AND ExecutionStatus = 'Running' AND NdiWaitingFor = 'login'`;
      const waiting = (await collect(lenientLister(client).list({ query }), Number.POSITIVE_INFINITY)).filter(
        // A run without a profile uses whatever account its worker finds.
        (run) => profile === null || run.profile === null || run.profile === profile,
      );
      for (const { workflowId } of waiting) {
        await client.workflow.getHandle(workflowId).signal(loginSignal, { profile });
      }
      return waiting;
    },
  };
}

function filterOf(query: RunQuery): string {
  const filters = [OURS];
  if (query.open === true) filters.push("ExecutionStatus = 'Running'");
  if (query.failed === true) filters.push("ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated')");
  if (query.waiting === true) {
    filters.push("ExecutionStatus = 'Running' AND NdiWaitingFor IS NOT NULL AND NdiWaitingFor != 'nothing'");
  }
  if (query.since !== undefined) filters.push(`StartTime >= '${query.since.toISOString()}'`);
  if (query.operation !== undefined) filters.push(`NdiOperation = '${query.operation}'`);
  return filters.join(' AND ');
}

function isOfDataset(run: RunSummary, dataset: string | undefined): boolean {
  if (dataset === undefined) return true;
  if (run.datasetId === dataset || run.ndiDatasetId === dataset) return true;
  return [run.reference, run.directory].some((text) => text?.includes(dataset) === true);
}

function ambiguous(text: string, ids: readonly string[]): CourierError {
  const more = ids.length > NAMED_RUNS ? `, and ${ids.length - NAMED_RUNS} more` : '';
  const detail = `“${text}” fits ${ids.length} runs: ${ids.slice(0, NAMED_RUNS).join(', ')}${more}.`;
  return new CourierError('NDI_E_RUN_AMBIGUOUS', { detail });
}

/** A run that goes on and has no worker to ask shall not hold the list. */
const SIZE_WITHIN_MS = 1_000;

async function bytesOf(client: Client, run: RunSummary): Promise<number | null> {
  const handle = client.workflow.getHandle(run.workflowId, run.runId);
  try {
    return await client.connection.withDeadline(Date.now() + SIZE_WITHIN_MS, async () => {
      if (run.status === 'running') return (await handle.query(progressQuery)).bytes.total;
      return run.status === 'done' ? ((await handle.result()) as RunResult).bytes : null;
    });
  } catch {
    // A column of a list; `runs show` says what is wrong with one of them.
    return null;
  }
}

async function outcomeOf(handle: RunHandle): Promise<Pick<RunDetails, 'result' | 'error'>> {
  try {
    return { result: await handle.result(), error: null };
  } catch (error) {
    if (isCourierError(error)) return { result: null, error };
    throw error;
  }
}

async function collect(
  infos: AsyncIterable<Parameters<typeof summaryOf>[0]>,
  limit: number,
  wanted: (run: RunSummary) => boolean = () => true,
): Promise<RunSummary[]> {
  const found: RunSummary[] = [];
  for await (const info of infos) {
    // Earlier executions of a run that continued as new are not runs of their own.
    if (info.status.name === 'CONTINUED_AS_NEW') continue;
    const run = summaryOf(info);
    if (wanted(run)) found.push(run);
    if (found.length >= limit) break;
  }
  return found;
}
