/**
 * The typed library: start, watch and steer runs from a program. The command line is built on it and can do
 * no more.
 *
 *   createCourier   the door to everything
 *   start.ts, run-handle.ts   starting a run, and holding one
 *   preflight.ts              what is refused before anything is started
 *
 * Opening it costs nothing: the server is found, or started, when the first call needs it.
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { CourierError } from '../errors/index.ts';
import type { Environment } from '../ndi/auth/environment.ts';
import type { FullCloudClient } from '../ndi/cloud/index.ts';
import type {
  DiffResult,
  DownloadInput,
  DownloadResult,
  FilesResult,
  OnChange,
  PreviewInput,
  PreviewResult,
  SyncResult,
  Tuning,
  UploadInput,
  UploadResult,
  UploadStrategy,
  Verify,
} from '../workflows/contracts/index.ts';
import { OPERATIONS, workflowIdOf } from '../workflows/operations.ts';
import { type AccountChoice, type Accounts, createAccounts } from './accounts.ts';
import { begin, type Context, sources } from './context.ts';
import {
  type LinkOptions,
  type LinkResult,
  linkDataset,
  type UnlinkResult,
  unlinkDataset,
} from './dataset-link.ts';
import { creationName, hasAnyDocument, identityOf } from './datasets.ts';
import { type FilesOptions, transferFiles } from './files.ts';
import { createInbox, type Inbox } from './inbox.ts';
import {
  downloadOptions,
  resolveOptions,
  type SelectionOptions,
  selectionOf,
  tuningOf,
  uploadOptions,
} from './options.ts';
import { checkCloudId, preflightDownload, preflightUpload, uploadTarget } from './preflight.ts';
import type { RunHandle } from './run-handle.ts';
import { createRuns, type Runs } from './runs.ts';
import { createSchedules, type Schedules } from './schedules.ts';
import { createService, type Service } from './service.ts';
import type { StartRun } from './start.ts';
import { applyPlan, diffDataset, type SyncOptions, syncDataset } from './sync.ts';
import { createTemporalConnector, type TemporalConnection, type TemporalTarget } from './temporal.ts';

export interface CourierOptions {
  /** Instead of `process.env`: COURIER_HOME, NDI_CLOUD_*, TEMPORAL_*. */
  readonly env?: Environment;
  /** Use exactly this Temporal server, and embed nothing. */
  readonly temporal?: TemporalTarget;
  /** Start the embedded service when a run is to be started and nothing is running. Default true. */
  readonly autoStart?: boolean;
  /** Told in whole sentences what happens besides. Default: silence. */
  readonly log?: (line: string) => void;
}

/** Options as in the tables of `docs/cli.md`. */
export interface UploadOptions extends Pick<AccountChoice, 'profile'>, Partial<Tuning> {
  /** The dataset folder. */
  readonly dir: string;
  readonly new?: string;
  readonly to?: string;
  readonly asNew?: boolean;
  readonly strategy?: UploadStrategy;
  readonly onChange?: OnChange;
  readonly verify?: Verify;
  readonly metadata?: string;
  /** Id of the organisation that owns a newly created cloud dataset. */
  readonly organization?: string | undefined;
  readonly tuning?: Partial<Tuning>;
}

export interface DownloadOptions extends Pick<AccountChoice, 'profile'>, SelectionOptions, Partial<Tuning> {
  /** The cloud's id of the dataset. */
  readonly id: string;
  /** The dataset folder to be made. Default: `./<id>`. */
  readonly dir?: string;
  readonly mode?: 'local' | 'hybrid';
  /** False: as `mode: 'hybrid'`. */
  readonly files?: boolean;
  /** Patterns of logical names (`*`, `?`); binaries that match none stay in the cloud. */
  readonly filesMatching?: readonly string[];
  readonly tuning?: Partial<Tuning>;
}

export interface Courier {
  /** Checks, then starts an upload; attaches to the one that is already going on for this dataset. */
  upload(options: UploadOptions): Promise<RunHandle<UploadResult>>;
  /** Checks, then starts a download; attaches to the one that is already going on into this folder. */
  download(options: DownloadOptions): Promise<RunHandle<DownloadResult>>;
  /** Plans an upload and writes nothing; the plan by name is in the file that the result names. */
  previewUpload(options: UploadOptions): Promise<RunHandle<PreviewResult>>;
  /** The same of a download. */
  previewDownload(options: DownloadOptions): Promise<RunHandle<PreviewResult>>;
  /** Fetches binaries of a dataset that is here without them, or lets go of binaries that the cloud has. */
  files(options: FilesOptions): Promise<RunHandle<FilesResult>>;
  /** Brings a folder and its cloud dataset to the same state; attaches to the sync that goes on for it. */
  sync(options: SyncOptions): Promise<RunHandle<SyncResult>>;
  /** Says what a sync would do; the plan by item is in the file that the result names. */
  diff(options: SyncOptions): Promise<RunHandle<DiffResult>>;
  /**
   * Does exactly what a plan says. @throws NDI_E_PLAN_FILE; the run fails with NDI_E_PLAN_MOVED, and does
   * nothing, when an item has moved since
   */
  applyPlan(path: string, options?: Pick<AccountChoice, 'profile'>): Promise<RunHandle<SyncResult>>;
  /** Conflicts, decisions and the trash of dataset folders. */
  readonly inbox: Inbox;
  /** Nightly syncs. */
  readonly schedules: Schedules;
  /** Links a dataset folder to a cloud dataset that exists; uploads go there from then on. */
  linkDataset(options: LinkOptions): Promise<LinkResult>;
  /** Forgets the link of a dataset folder; the cloud dataset stays as it is. */
  unlinkDataset(dir: string): Promise<UnlinkResult>;
  /** A run by its workflow id, or by a part of it that only one run has. */
  attach(run: string, runId?: string): Promise<RunHandle>;
  readonly runs: Runs;
  readonly accounts: Accounts;
  readonly service: Service;
  /** The raw NDI Cloud API as this account. Close it. */
  cloud(choice?: AccountChoice): Promise<FullCloudClient>;
  /** Where a person can look at a run, null when the server has no page that we know of. */
  linkTo(workflowId: string): Promise<string | null>;
  /** Lets go of connections. Runs go on. */
  close(): Promise<void>;
}

/** Opens the library. Nothing is connected or started until a call needs it. */
export function createCourier(options: CourierOptions = {}): Courier {
  const env = options.env ?? process.env;
  const log = options.log ?? (() => {});
  const temporal = createTemporalConnector({ env, log, temporal: options.temporal });
  const service = createService(env, log, () => temporal.get(false));
  const accounts = createAccounts(env, service.homeDir);
  const runs = createRuns((start) => temporal.get(start));
  const context: Context = {
    env,
    log,
    accounts,
    service,
    connect: () => temporal.get(options.autoStart ?? true),
  };
  return {
    upload: async (asked) => begin(context, await uploadRun(context, asked)),
    download: async (asked) => begin(context, await downloadRun(context, asked)),
    previewUpload: async (asked) => preview(context, await uploadRun(context, asked)),
    previewDownload: async (asked) => preview(context, await downloadRun(context, asked)),
    files: (asked) => transferFiles(context, asked),
    sync: (asked) => syncDataset(context, runs, asked),
    diff: (asked) => diffDataset(context, asked),
    applyPlan: (path, asked = {}) => applyPlan(context, runs, path, asked),
    inbox: createInbox(context, runs),
    schedules: createSchedules(context),
    linkDataset: (asked) => linkDataset(context, asked),
    unlinkDataset: (dir) => unlinkDataset(context, dir),
    attach: runs.attach,
    runs,
    accounts,
    service,
    cloud: async (choice = {}) => (await accounts.open(choice)).client,
    linkTo: async (workflowId) => runUrl(await temporal.get(false), workflowId),
    close: () => temporal.close(),
  };
}

type UploadRun = StartRun & { readonly operation: 'upload'; readonly input: UploadInput };

/** Checks, and says how the run would be started. */
async function uploadRun(context: Context, asked: UploadOptions): Promise<UploadRun> {
  const { dir, ...given } = asked;
  const settings = resolveOptions(uploadOptions, given, await sources(context, 'upload'));
  const target = uploadTarget(settings);
  const datasetDir = resolve(dir);
  const metadataPath = settings.metadata === undefined ? null : existing(resolve(settings.metadata));
  const identity = identityOf(datasetDir);
  const account = await context.accounts.open({
    profile: settings.profile,
    organizationId: settings.organization,
  });
  try {
    const { organizationId, cloudName } = await preflightUpload({
      target,
      identity,
      settings,
      cloud: account.client,
      hasAnyOf: (ids) => hasAnyDocument(datasetDir, ids),
      creationName: () => creationName(datasetDir, settings.new ?? null, metadataPath),
      log: context.log,
    });
    const site = await context.service.siteId();
    const input: UploadInput = {
      site,
      cloud: { ...account.ref, organizationId },
      datasetDir,
      datasetId: identity.datasetId,
      target,
      strategy: settings.strategy,
      metadataPath,
      onChange: settings.onChange,
      verify: settings.verify,
      tuning: tuningOf(settings),
    };
    return {
      operation: 'upload',
      workflowId: workflowIdOf('upload', { ndiDatasetId: identity.datasetId, site }),
      input,
      summary: `Upload ${identity.reference} from ${site}`,
      details: `From \`${datasetDir}\` to ${account.ref.baseUrl}.`,
      ndiDatasetId: identity.datasetId,
      cloudDatasetId: target.kind === 'to' ? target.cloudDatasetId : null,
      reference: identity.reference,
      cloudName,
      directory: datasetDir,
    };
  } finally {
    await account.client.close();
  }
}

/** Said at once, also where the dataset exists already and the file would not be read. */
function existing(metadataPath: string): string {
  if (statSync(metadataPath, { throwIfNoEntry: false })?.isFile() === true) return metadataPath;
  throw new CourierError('NDI_E_USAGE', { detail: `--metadata: there is no file ${metadataPath}.` });
}

type DownloadRun = StartRun & { readonly operation: 'download'; readonly input: DownloadInput };

/** Checks, and says how the run would be started. */
async function downloadRun(context: Context, asked: DownloadOptions): Promise<DownloadRun> {
  const { id, dir, ...given } = asked;
  const cloudDatasetId = checkCloudId(id);
  const settings = resolveOptions(downloadOptions, given, await sources(context, 'download'));
  const targetDir = resolve(dir ?? cloudDatasetId);
  const account = await context.accounts.open(settings);
  try {
    const { name } = await preflightDownload({
      cloudDatasetId,
      targetDir,
      cloud: account.client,
      remotesOf: (folder) => identityOf(folder).remotes.map((remote) => remote.cloudDatasetId),
      log: context.log,
    });
    const site = await context.service.siteId();
    const input: DownloadInput = {
      site,
      cloud: account.ref,
      cloudDatasetId,
      targetDir,
      mode: settings.files ? settings.mode : 'hybrid',
      selection: selectionOf(settings),
      filesMatching: settings.filesMatching.length === 0 ? null : settings.filesMatching,
      tuning: tuningOf(settings),
    };
    return {
      operation: 'download',
      workflowId: workflowIdOf('download', { cloudDatasetId, site, target: targetDir }),
      input,
      summary: `Download ${name ?? cloudDatasetId} to ${site}`,
      details: `From ${account.ref.baseUrl} to \`${targetDir}\`.`,
      ndiDatasetId: null,
      cloudDatasetId,
      reference: name ?? cloudDatasetId,
      cloudName: name,
      directory: targetDir,
    };
  } finally {
    await account.client.close();
  }
}

/** Starts a preview of a run. */
function preview(
  context: Context,
  { operation, input, ...run }: UploadRun | DownloadRun,
): Promise<RunHandle<PreviewResult>> {
  const { site, cloud, tuning } = input;
  const previewInput: PreviewInput = {
    site,
    cloud,
    tuning,
    of: { operation, input } as PreviewInput['of'],
  };
  return begin(context, {
    ...run,
    operation: 'preview',
    workflowId: workflowIdOf('preview', { of: run.workflowId }),
    input: previewInput,
    summary: `${OPERATIONS.preview.title} ${run.summary}`,
  });
}

/** The run's page in Temporal's Web UI. */
function runUrl({ uiUrl, namespace }: TemporalConnection, workflowId: string): string | null {
  if (uiUrl === null) return null;
  return `${uiUrl}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`;
}
