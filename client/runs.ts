/** All runs that the server remembers: list, find, look at. */
import { WorkflowNotFoundError } from '@temporalio/client';
import { CourierError, isCourierError } from '../errors/index.ts';
import { loginSignal } from '../workflows/contracts/index.ts';
import type { Operation } from '../workflows/operations.ts';
import type { Progress } from './progress.ts';
import { createRunHandle, type RunHandle } from './run-handle.ts';
import { type RunSummary, summaryOf } from './run-records.ts';
import type { TemporalConnection } from './temporal.ts';

export interface RunQuery {
  /** Most runs returned, newest first. Default 20. */
  readonly limit?: number;
  /** Only runs that go on. */
  readonly open?: boolean;
  readonly operation?: Operation;
}

export interface RunDetails extends RunSummary {
  /** What it is, in a line. */
  readonly summary: string | null;
  readonly progress: Progress;
  /** Why it failed or stopped; null of a run that goes on or is done. */
  readonly error: CourierError | null;
}

export interface Runs {
  list(query?: RunQuery): Promise<RunSummary[]>;
  show(run: string): Promise<RunDetails>;
  attach(run: string, runId?: string): Promise<RunHandle>;
  /** Tells runs that wait for a login of this profile (null: of the default account) that there is one. */
  loggedIn(profile: string | null): Promise<RunSummary[]>;
}

/** Every run sets this attribute when it starts, also runs of a type that only a newer program knows. */
const OURS = 'NdiOperation IS NOT NULL';
/** So many are looked through when a run is named by a part of its id. */
const SEARCH_LIMIT = 1_000;

export function createRuns(open: (start: boolean) => Promise<TemporalConnection>): Runs {
  const list = async (query: RunQuery = {}): Promise<RunSummary[]> => {
    const { client } = await open(false);
    const filters = [OURS];
    if (query.open === true) filters.push("ExecutionStatus = 'Running'");
    if (query.operation !== undefined) filters.push(`NdiOperation = '${query.operation}'`);
    return collect(client.workflow.list({ query: filters.join(' AND ') }), query.limit ?? 20);
  };

  const attach = async (run: string, runId?: string): Promise<RunHandle> => {
    const { client } = await open(false);
    const workflowId = await find(run);
    const handle = client.workflow.getHandle(workflowId, runId);
    const info = await handle.describe().catch((error: unknown) => {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      throw new CourierError('NDI_E_RUN_UNKNOWN', { detail: run, cause: error });
    });
    return createRunHandle({
      client,
      workflowId,
      runId: info.runId,
      // Signals go to whatever execution the run is in by then; the result is of this one and its continuations.
      handle: client.workflow.getHandle(workflowId, runId ?? undefined),
    });
  };

  /** A workflow id, a run id, or a part of an id that exactly one run has (an open one before ended ones). */
  const find = async (run: string): Promise<string> => {
    const { client } = await open(false);
    const text = run.trim();
    try {
      await client.workflow.getHandle(text).describe();
      return text;
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
    const all = await collect(client.workflow.list({ query: OURS }), SEARCH_LIMIT);
    const matching = all.filter(
      (candidate) => text !== '' && (candidate.runId === text || candidate.workflowId.includes(text)),
    );
    const ids = unique(matching);
    const openIds = unique(matching.filter((candidate) => candidate.status === 'running'));
    const found = ids.length === 1 ? ids[0] : openIds.length === 1 ? openIds[0] : undefined;
    if (found !== undefined) return found;
    throw new CourierError('NDI_E_RUN_UNKNOWN', {
      detail: ids.length === 0 ? text : `“${text}” fits ${ids.length} runs: ${ids.slice(0, 3).join(', ')}.`,
    });
  };

  return {
    list,
    attach,
    show: async (run) => {
      const { client } = await open(false);
      const handle = await attach(run);
      const info = await client.workflow.getHandle(handle.workflowId, handle.runId).describe();
      const progress = await handle.progress();
      const error = progress.status === 'running' ? null : await whyEnded(handle);
      return { ...summaryOf(info), summary: (await info.staticSummary()) ?? null, progress, error };
    },
    loggedIn: async (profile) => {
      const { client } = await open(false);
      const query = `${OURS} AND ExecutionStatus = 'Running' AND NdiWaitingFor = 'login'`;
      const waiting = (await collect(client.workflow.list({ query }), SEARCH_LIMIT)).filter(
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

async function whyEnded(handle: RunHandle): Promise<CourierError | null> {
  try {
    await handle.result();
    return null;
  } catch (error) {
    if (isCourierError(error)) return error;
    throw error;
  }
}

const unique = (runs: readonly RunSummary[]): string[] => [...new Set(runs.map((run) => run.workflowId))];

async function collect(
  infos: AsyncIterable<Parameters<typeof summaryOf>[0]>,
  limit: number,
): Promise<RunSummary[]> {
  const found: RunSummary[] = [];
  for await (const info of infos) {
    // Executions of one run before it continued as new are chapters, not runs.
    if (info.status.name === 'CONTINUED_AS_NEW') continue;
    found.push(summaryOf(info));
    if (found.length >= limit) break;
  }
  return found;
}
