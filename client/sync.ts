/** Starting `syncDataset` and `diffDataset`, and answering the approval that a sync waits for. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { CourierError, isCourierError, WAITS } from '../errors/index.ts';
import type { DiffResult, SyncInput, SyncResult, Tuning } from '../workflows/contracts/index.ts';
import { OPERATIONS, workflowIdOf } from '../workflows/operations.ts';
import type { AccountChoice } from './accounts.ts';
import { begin, type Context, sources } from './context.ts';
import { identityOf } from './datasets.ts';
import { resolveOptions, tuningOf } from './options.ts';
import type { RunHandle } from './run-handle.ts';
import type { Runs } from './runs.ts';
import type { StartRun } from './start.ts';
import { syncChoice, syncOptions } from './sync-options.ts';

/** Options as in the table of `sync` in `docs/cli.md`. */
export interface SyncOptions extends Pick<AccountChoice, 'profile'>, Partial<Tuning> {
  /** The dataset folder. */
  readonly dir: string;
  readonly mode?: string;
  readonly content?: 'quick' | 'full';
  readonly files?: boolean;
  readonly conflicts?: string;
  /** `CLASS=POLICY`. */
  readonly policy?: readonly string[];
  readonly deletes?: boolean;
  readonly maxDelete?: string;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** Where the plan is written. Default: a file in the state folder, named in the result. */
  readonly planFile?: string;
  readonly tuning?: Partial<Tuning>;
}

type Extra = Partial<SyncInput>;

/** Checks, then starts; attaches to the sync that is already going on for this dataset. */
export async function syncDataset(
  context: Context,
  runs: Runs,
  asked: SyncOptions,
  extra: Extra = {},
): Promise<RunHandle<SyncResult>> {
  const run = await syncRun(context, asked, extra);
  const workflowId = workflowIdOf('sync', { ndiDatasetId: run.input.ndiDatasetId, site: run.input.site });
  await takeThePlaceOf(runs, workflowId);
  return begin(context, { ...run, operation: 'sync', workflowId });
}

/** The same look and the same plan as a sync; nothing is done. */
export async function diffDataset(context: Context, asked: SyncOptions): Promise<RunHandle<DiffResult>> {
  const run = await syncRun(context, asked, {});
  const workflowId = workflowIdOf('diff', { ndiDatasetId: run.input.ndiDatasetId, site: run.input.site });
  const summary = run.summary.replace(OPERATIONS.sync.title, OPERATIONS.diff.title);
  const input: SyncInput = { ...run.input, dryRun: true };
  return begin(context, { ...run, operation: 'diff', workflowId, summary, input });
}

/** The input of a sync with these options; checks them. */
export const syncInputOf = async (context: Context, asked: SyncOptions): Promise<SyncInput> =>
  (await syncRun(context, asked, {})).input;

type Prepared = Omit<StartRun, 'operation' | 'workflowId'> & { readonly input: SyncInput };

async function syncRun(context: Context, asked: SyncOptions, extra: Extra): Promise<Prepared> {
  const { dir, planFile, ...given } = asked;
  const settings = resolveOptions(syncOptions, given, await sources(context, 'sync'));
  const choice = syncChoice(settings);
  const datasetDir = resolve(dir);
  const identity = identityOf(datasetDir);
  if (identity.remotes.length === 0) throw new CourierError('NDI_E_NOT_LINKED', { detail: datasetDir });
  const account = await context.accounts.open(settings);
  await account.client.close();
  const site = await context.service.siteId();
  const input: SyncInput = {
    site,
    cloud: account.ref,
    datasetDir,
    ndiDatasetId: identity.datasetId,
    ...choice,
    dryRun: false,
    planFile: planFile === undefined ? null : resolve(planFile),
    planPath: null,
    only: 'all',
    ...extra,
    tuning: tuningOf(settings),
  };
  return {
    input,
    summary: `${OPERATIONS.sync.title} ${identity.reference} on ${site}: ${choice.mode}`,
    details: `\`${datasetDir}\` with ${account.ref.baseUrl}.`,
    ndiDatasetId: identity.datasetId,
    cloudDatasetId: identity.remotes[0]?.cloudDatasetId ?? null,
    reference: identity.reference,
    cloudName: null,
    directory: datasetDir,
  };
}

/**
 * A sync that only waits for an approval makes room for a newer one, whose plan is fresh: an unanswered
 * question never stops the nights.
 */
async function takeThePlaceOf(runs: Runs, workflowId: string): Promise<void> {
  const before = await runs.attach(workflowId).catch((error: unknown) => {
    if (isCourierError(error)) return undefined;
    throw error;
  });
  if (before === undefined || !(await waitsForApproval(before))) return;
  await before.supersede();
  await before.result();
}

const waitsForApproval = async (handle: RunHandle): Promise<boolean> => {
  const { status, waitingFor } = await handle.progress();
  return status === 'running' && waitingFor?.code === WAITS.approval.code;
};

/** @throws NDI_E_NOT_WAITING for a run that waits for no approval */
export async function answerApproval(handle: RunHandle, approved: boolean, by: string): Promise<void> {
  if (!(await waitsForApproval(handle)))
    throw new CourierError('NDI_E_NOT_WAITING', { detail: handle.workflowId });
  await handle.answer(approved, by);
}

const planned = z.looseObject({
  version: z.literal(1),
  directory: z.string(),
  ndiDatasetId: z.string(),
  cloudDatasetId: z.string(),
  options: z.looseObject({}),
  items: z.array(
    z.looseObject({
      kind: z.enum(['document', 'file']),
      id: z.string(),
      name: z.string().nullable(),
      action: z.string(),
      reason: z.string(),
    }),
  ),
  unchanged: z.object({ documents: z.number(), files: z.number() }),
});

export type PlanFile = z.output<typeof planned>;

/** Starts the sync that a plan was made for, with the plan in place of its own decisions. */
export async function applyPlan(
  context: Context,
  runs: Runs,
  path: string,
  choice: Pick<AccountChoice, 'profile'>,
): Promise<RunHandle<SyncResult>> {
  const planPath = resolve(path);
  const { directory, ndiDatasetId, options } = readPlanFile(planPath);
  const { datasetId } = identityOf(directory);
  if (datasetId !== ndiDatasetId)
    throw new CourierError('NDI_E_PLAN_FILE', {
      detail: `It is of dataset ${ndiDatasetId}; ${directory} holds ${datasetId}.`,
    });
  const chosen = options as unknown as Partial<SyncInput>;
  return syncDataset(context, runs, { dir: directory, ...choice }, { ...chosen, planPath });
}

/** Reads a plan for looking at it. @throws NDI_E_PLAN_FILE */
export function readPlanFile(path: string): PlanFile {
  try {
    return planned.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    throw new CourierError('NDI_E_PLAN_FILE', { detail: path, cause });
  }
}
