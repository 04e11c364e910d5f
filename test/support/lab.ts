/**
 * A whole courier for a test: the run's shared Temporal server, a sandbox cloud of its own, a worker of its
 * own in this process, and folders that go away. Nothing is mocked.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { inject } from 'vitest';
import { createProfileStore, login } from '../../ndi/auth/index.ts';
import { openDataset } from '../../ndi/dataset/read.ts';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../sandbox/server.ts';
import { EVERYTHING } from '../../sync/include.ts';
import { holderOf } from '../../workers/composition.ts';
import { ensureHome, homeAt } from '../../workers/home.ts';
import { createLogger, installRuntime } from '../../workers/runtime.ts';
import { runWorker } from '../../workers/worker.ts';
import {
  DEFAULT_TUNING,
  type DiffResult,
  type DownloadInput,
  type DownloadResult,
  type FilesAction,
  type FilesInput,
  type FilesResult,
  type PreviewInput,
  type PreviewResult,
  progressQuery,
  type RunProgress,
  type RunResult,
  type SyncInput,
  type SyncResult,
  type Tuning,
  type UploadInput,
  type UploadResult,
} from '../../workflows/contracts/index.ts';
import { workflowIdOf } from '../../workflows/operations.ts';

/** Short waits: the sandbox answers in milliseconds what the cloud answers in seconds. */
export const TEST_TUNING: Tuning = {
  ...DEFAULT_TUNING,
  documentsPerUnit: 200,
  zipFiles: 50,
  importQuietMs: 3_000,
  pollMinMs: 20,
  pollMaxMs: 250,
  siteTimeoutMs: 30_000,
};

export interface Lab {
  readonly dir: string;
  readonly sandbox: Sandbox;
  readonly client: Client;
  readonly site: string;
  readonly queue: string;
  readonly homeDir: string;
  /** Names the service of this lab to others that share a dataset. */
  readonly holder: string;
  readonly env: Record<string, string>;
  uploadInput(datasetDir: string, more?: Partial<UploadInput>): UploadInput;
  downloadInput(cloudDatasetId: string, targetDir: string, more?: Partial<DownloadInput>): DownloadInput;
  startUpload(input: UploadInput): Promise<WorkflowHandle>;
  startDownload(input: DownloadInput): Promise<WorkflowHandle>;
  upload(datasetDir: string, more?: Partial<UploadInput>): Promise<UploadResult>;
  download(cloudDatasetId: string, targetDir: string, more?: Partial<DownloadInput>): Promise<DownloadResult>;
  preview(of: PreviewInput['of']): Promise<PreviewResult>;
  files(datasetDir: string, action: FilesAction, more?: Partial<FilesInput>): Promise<FilesResult>;
  syncInput(datasetDir: string, more?: Partial<SyncInput>): SyncInput;
  startSync(input: SyncInput): Promise<WorkflowHandle>;
  sync(datasetDir: string, more?: Partial<SyncInput>): Promise<SyncResult>;
  diff(datasetDir: string, more?: Partial<SyncInput>): Promise<DiffResult>;
  /** What `ndi-courier login` does on this site. */
  login(password: string): Promise<void>;
  /** Waits until the progress is as asked. */
  until(handle: WorkflowHandle, what: (progress: RunProgress) => boolean): Promise<RunProgress>;
  /** The worker in this process stops as `ndi-courier down` stops one, and another one starts. */
  restartWorker(): Promise<void>;
  /**
   * The cloud stops and starts again on its state, at the same addresses. Its faults and knobs are those of a
   * new one.
   */
  restartSandbox(): Promise<void>;
  close(): Promise<void>;
}

export interface LabOptions {
  readonly sandbox?: Partial<SandboxOptions>;
  readonly env?: Record<string, string>;
  /**
   * False: the test starts worker processes itself. `control`: only workflows run here, the steps run in
   * theirs.
   */
  readonly worker?: boolean | 'control';
}

let labs = 0;
let previews = 0;

export async function createLab(options: LabOptions = {}): Promise<Lab> {
  labs += 1;
  const site = `test-${process.pid}-${labs}`;
  installRuntime(createLogger('error'));
  const dir = mkdtempSync(join(tmpdir(), 'courier-lab-'));
  const sandboxOptions: SandboxOptions = {
    stateDir: join(dir, 'cloud'),
    importDelayMs: 30,
    bulkDownloadDelayMs: 30,
    ...options.sandbox,
  };
  let sandbox = await startSandbox(sandboxOptions);
  const user = sandbox.users[0]!;
  const env: Record<string, string> = {
    NDI_CLOUD_URL: sandbox.apiUrl,
    NDI_CLOUD_USERNAME: user.email,
    NDI_CLOUD_PASSWORD: user.password,
    COURIER_KEYRING: 'off',
    ...(sandbox.caFile === null ? {} : { COURIER_CA_FILE: sandbox.caFile }),
    ...options.env,
  };
  const homeDir = join(dir, 'home');
  const queue = `courier-${site}`;
  const address = inject('temporalAddress');
  const namespace = inject('temporalNamespace');
  let stopWorker = options.worker === false ? async () => {} : await startWorker();
  const connection = await Connection.connect({ address });
  const client = new Client({ connection, namespace });

  async function startWorker(): Promise<() => Promise<void>> {
    const stopping = new AbortController();
    const ready = Promise.withResolvers<void>();
    const running = runWorker({
      connectionOptions: { address },
      namespace,
      roles: options.worker === 'control' ? ['control'] : ['control', 'site'],
      siteId: site,
      controlQueue: queue,
      home: ensureHome(homeAt(homeDir)),
      env,
      log: () => {},
      signal: stopping.signal,
      graceMs: 2_000,
      onReady: ready.resolve,
    });
    running.catch(ready.reject);
    await ready.promise;
    return async () => {
      stopping.abort();
      await running;
    };
  }

  const cloud = { baseUrl: sandbox.apiUrl, profile: null, organizationId: null };
  const uploadInput: Lab['uploadInput'] = (datasetDir, more) => ({
    site,
    cloud,
    datasetDir,
    datasetId: datasetIdOf(datasetDir),
    target: { kind: 'linked-or-new', name: 'A test dataset' },
    strategy: 'zip',
    metadataPath: null,
    tuning: TEST_TUNING,
    ...more,
  });
  const downloadInput: Lab['downloadInput'] = (cloudDatasetId, targetDir, more) => ({
    site,
    cloud,
    cloudDatasetId,
    targetDir,
    mode: 'local',
    tuning: TEST_TUNING,
    ...more,
  });
  const startUpload: Lab['startUpload'] = (input) =>
    client.workflow.start('uploadDataset', {
      args: [input],
      taskQueue: queue,
      workflowId: workflowIdOf('upload', { ndiDatasetId: input.datasetId, site: input.site }),
    });
  const syncInput: Lab['syncInput'] = (datasetDir, more) => ({
    site,
    cloud,
    datasetDir,
    ndiDatasetId: datasetIdOf(datasetDir),
    mode: 'two-way',
    content: 'full',
    files: 'as-is',
    conflicts: { default: 'ask', byClass: {} },
    deletes: false,
    maxDelete: { documents: 50 },
    rules: EVERYTHING,
    dryRun: false,
    planFile: null,
    planPath: null,
    only: 'all',
    tuning: TEST_TUNING,
    ...more,
  });
  const startSync: Lab['startSync'] = (input) =>
    client.workflow.start('syncDataset', {
      args: [input],
      taskQueue: queue,
      workflowId: workflowIdOf('sync', { ndiDatasetId: input.ndiDatasetId, site: input.site }),
    });
  const startDownload: Lab['startDownload'] = (input) =>
    client.workflow.start('downloadDataset', {
      args: [input],
      taskQueue: queue,
      workflowId: workflowIdOf('download', {
        cloudDatasetId: input.cloudDatasetId,
        site: input.site,
        target: input.targetDir,
      }),
    });
  return {
    dir,
    get sandbox() {
      return sandbox;
    },
    client,
    site,
    queue,
    homeDir,
    holder: holderOf({ siteId: site, namespace, address }),
    env,
    uploadInput,
    downloadInput,
    startUpload,
    startDownload,
    upload: async (datasetDir, more) => resultOf(await startUpload(uploadInput(datasetDir, more))),
    download: async (id, target, more) => resultOf(await startDownload(downloadInput(id, target, more))),
    preview: async (of) => {
      const input: PreviewInput = { site, cloud, tuning: of.input.tuning, of };
      previews += 1;
      const workflowId = workflowIdOf('preview', { of: `${site}/${previews}` });
      return resultOf(
        await client.workflow.start('previewTransfer', { args: [input], taskQueue: queue, workflowId }),
      );
    },
    files: async (datasetDir, action, more) => {
      const ndiDatasetId = datasetIdOf(datasetDir);
      const input: FilesInput = {
        site,
        cloud,
        datasetDir,
        ndiDatasetId,
        action,
        selection: null,
        tuning: TEST_TUNING,
        ...more,
      };
      const workflowId = workflowIdOf('files', { ndiDatasetId, site });
      return resultOf(
        await client.workflow.start('transferFiles', { args: [input], taskQueue: queue, workflowId }),
      );
    },
    syncInput,
    startSync,
    sync: async (datasetDir, more) => resultOf(await startSync(syncInput(datasetDir, more))),
    diff: async (datasetDir, more) => {
      const input = syncInput(datasetDir, { ...more, dryRun: true });
      const workflowId = workflowIdOf('diff', { ndiDatasetId: input.ndiDatasetId, site });
      return resultOf(
        await client.workflow.start('diffDataset', { args: [input], taskQueue: queue, workflowId }),
      );
    },
    login: async (password) => {
      const store = createProfileStore({ homeDir, env });
      await login({ store, env, email: user.email, password });
    },
    until: async (handle, what) => {
      for (;;) {
        const progress = await handle.query(progressQuery);
        if (what(progress)) return progress;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    restartWorker: async () => {
      await stopWorker();
      stopWorker = await startWorker();
    },
    restartSandbox: async () => {
      const [port, objectsPort] = [sandbox.apiUrl, sandbox.objectsUrl].map((url) =>
        Number(new URL(url).port),
      );
      await sandbox.close();
      sandbox = await startSandbox({ ...sandboxOptions, port: port!, objectsPort: objectsPort! });
    },
    close: async () => {
      await stopWorker();
      await connection.close();
      await sandbox.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Throws what the run failed of, not that it failed. */
async function resultOf<Result extends RunResult>(handle: WorkflowHandle): Promise<Result> {
  try {
    return await handle.result();
  } catch (error) {
    let cause = error;
    while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
    throw cause;
  }
}

export function datasetIdOf(dir: string): string {
  const reader = openDataset(dir);
  reader.close();
  return reader.identity.datasetId;
}
