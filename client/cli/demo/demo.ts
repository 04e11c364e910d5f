/** The acts of the demo, in order, and what they found. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CourierError } from '../../../errors/index.ts';
import type { DownloadResult, Tuning, UploadResult } from '../../../workflows/contracts/index.ts';
import { type Courier, createCourier } from '../../courier.ts';
import type { Progress } from '../../progress.ts';
import type { RunHandle } from '../../run-handle.ts';
import { formatBytes, formatCount, formatDuration, fraction, plural } from '../../view/format.ts';
import { createView } from '../../view/watch.ts';
import type { Invocation } from '../command.ts';
import { type Stage, setStage } from './stage.ts';

export interface DemoOptions {
  readonly documents: number;
  readonly megabytes: number;
  readonly keep: boolean;
  readonly json: boolean;
}

/** A third of the bytes in one file, the rest in many: both ways of sending are seen. */
const BIG_SHARE = 1 / 3;
const SMALL_FILES = 120;
/**
 * Small units, so that the bar moves on a fast disk; a quick look again, so that nobody waits for the clock.
 */
const TUNING: Partial<Tuning> = { zipBytes: 8_000_000, importQuietMs: 10_000 };
const KILL_AT = 0.5;
/** One unit at a time until the kill, so that no disk is too fast for it; then as usual. */
const WINDOW_BEFORE_KILL = 1;
const WINDOW_AFTER_KILL = 4;

interface Kill {
  readonly atShare: number;
  readonly killedPid: number;
  readonly newPid: number;
  readonly backAfterMs: number;
}

/** Returns whether everything that went up came down again, equal. */
export async function runDemo(invocation: Invocation, options: DemoOptions): Promise<boolean> {
  const { out, signal } = invocation;
  const say = (text: string): void => out.note(text);
  const startedMs = performance.now();
  say('A local NDI Cloud and the service are starting, in a folder of their own.');
  const stage = await setStage(invocation.env);
  const courier = createCourier({ env: stage.env, log: say });
  let kept = false;
  try {
    const report = await perform(stage, courier, invocation, options);
    const tookMs = performance.now() - startedMs;
    say('');
    for (const line of report.lines) out.print(line);
    if (options.keep && !signal.aborted) for (const line of report.links) out.print(line);
    out.print(`All of it took ${formatDuration(tookMs)}.`);
    if (options.keep && !signal.aborted) {
      kept = true;
      stage.keep();
      out.print(keptText(stage));
    }
    if (options.json) out.json({ ok: report.ok, tookMs: Math.round(tookMs), ...report.facts });
    return report.ok;
  } finally {
    if (!kept) {
      say('Cleaning up.');
      await courier.service.down();
    }
    await courier.close();
    if (!kept) await stage.clear();
  }
}

interface Report {
  readonly ok: boolean;
  readonly lines: readonly string[];
  /** Pages of a server that ends with the demo, unless it is kept. */
  readonly links: readonly string[];
  readonly facts: object;
}

async function perform(
  stage: Stage,
  courier: Courier,
  invocation: Invocation,
  options: DemoOptions,
): Promise<Report> {
  const say = (text: string): void => invocation.out.note(text);
  const state = await courier.service.up({ signal: invocation.signal });
  say(`Look on while it works: ${state.uiUrl}`);
  say('');

  say('1  Making a dataset.');
  const made = await makeDataset(stage.datasetDir, options);
  const classes = Object.keys(made.classes).length;
  say(
    `   ${plural(made.documents, 'document')} of ${classes} classes, ${plural(made.files, 'binary file')}, ${formatBytes(made.bytes)}.`,
  );

  say('2  Uploading it. Halfway, the worker will be killed.');
  const upload = await courier.upload({
    dir: stage.datasetDir,
    new: 'Demo',
    window: WINDOW_BEFORE_KILL,
    tuning: TUNING,
  });
  const uploadPage = await courier.linkTo(upload.workflowId);
  say(`   ${uploadPage}`);
  const kill = await watchAndKill(upload, courier, invocation);
  const uploaded = await upload.result();
  say(`   ${moved(uploaded)}.`);

  say('3  Downloading it into a new folder.');
  const download = await courier.download({
    id: uploaded.datasetId,
    dir: stage.downloadDir,
    tuning: TUNING,
  });
  const downloadPage = await courier.linkTo(download.workflowId);
  say(`   ${downloadPage}`);
  await watch(download, invocation);
  const downloaded = await download.result();
  say(`   ${moved(downloaded)}.`);

  say('4  Comparing every document and every byte.');
  const { compareDatasets } = await import('../../../ndi/dataset/compare.ts');
  const comparison = await compareDatasets(stage.datasetDir, stage.downloadDir, {
    // The link that the upload wrote into the source.
    ignoreClasses: ['dataset_remote'],
    signal: invocation.signal,
  });
  const inCloud = await countInCloud(courier, uploaded.datasetId);
  const complete =
    comparison.equal &&
    comparison.sameFiles === made.files &&
    comparison.sameBytes === made.bytes &&
    comparison.sameDocuments >= made.documents;
  const noDoubles = inCloud === uploaded.documents.total;
  const differences =
    comparison.onlyInA.length +
    comparison.onlyInB.length +
    comparison.differentDocuments.length +
    comparison.fileDifferences.length;
  return {
    ok: complete && noDoubles && uploaded.status === 'done' && downloaded.status === 'done',
    lines: [
      `At ${Math.round(kill.atShare * 100)} % of the upload, worker ${kill.killedPid} was killed with SIGKILL; worker ${kill.newPid} was started ${(kill.backAfterMs / 1_000).toFixed(1)} s later and went on.`,
      complete
        ? `${plural(comparison.sameDocuments, 'document')} and ${plural(comparison.sameFiles, 'file')} (${formatBytes(comparison.sameBytes)}) came back equal, byte for byte.`
        : `NOT EQUAL: ${plural(differences, 'difference')}; ${comparison.sameDocuments} documents and ${comparison.sameFiles} files are the same.`,
      noDoubles
        ? `The cloud lists ${formatCount(inCloud)} documents, each once.`
        : `NOT RIGHT: the cloud lists ${inCloud} documents instead of ${uploaded.documents.total}.`,
    ],
    links: [`Upload:   ${uploadPage}`, `Download: ${downloadPage}`],
    facts: {
      kill,
      comparison,
      inCloud,
      uploaded,
      downloaded,
      ...(options.keep ? { uploadPage, downloadPage } : {}),
    },
  };
}

async function makeDataset(dir: string, { documents, megabytes }: DemoOptions) {
  const { makeDataset } = await import('../../../ndi/synthetic/dataset.ts');
  const bigFileBytes = Math.round(megabytes * 1e6 * BIG_SHARE);
  // Sizes vary around the mean, so a little more than asked for.
  const fileBytes = Math.ceil((megabytes * 1.05e6 - bigFileBytes) / (SMALL_FILES - 1));
  return makeDataset(dir, { documents, files: SMALL_FILES, fileBytes, bigFileBytes });
}

const moved = (result: UploadResult | DownloadResult): string =>
  `Done: ${plural(result.documents.transferred, 'document')}, ${plural(result.files.transferred, 'file')}, ${formatBytes(result.bytes)}`;

/** Shows a run until it has ended. */
async function watch(
  handle: RunHandle,
  { out, signal }: Invocation,
  seen?: (progress: Progress) => Promise<void>,
): Promise<void> {
  const view = createView(out.stderr);
  try {
    for await (const progress of handle.watch({ signal, intervalMs: 150 })) {
      view.show(progress);
      await seen?.(progress);
    }
  } finally {
    view.stop(false);
  }
  signal.throwIfAborted();
}

async function watchAndKill(handle: RunHandle, courier: Courier, invocation: Invocation): Promise<Kill> {
  let kill: Promise<Kill> | undefined;
  await watch(handle, invocation, async (progress) => {
    if (kill !== undefined || progress.bytes.total === 0 || fraction(progress.bytes) < KILL_AT) return;
    kill = killWorker(courier, fraction(progress.bytes)).then(async (done) => {
      await handle.setWindow(WINDOW_AFTER_KILL);
      return done;
    });
    // Looked at below; a failure meanwhile must not end the process.
    kill.catch(() => {});
  });
  if (kill === undefined) {
    throw new CourierError('NDI_E_INTERNAL', {
      detail: 'The upload ended before the worker could be killed.',
    });
  }
  return kill;
}

/** Kills the worker as a crash would, and waits for the one that the supervisor starts. */
async function killWorker(courier: Courier, atShare: number): Promise<Kill> {
  const before = (await courier.service.status()).workerPids;
  const killedPid = before[0];
  if (killedPid === undefined) throw new CourierError('NDI_E_NOT_RUNNING', { detail: 'There is no worker.' });
  const killedMs = performance.now();
  process.kill(killedPid, 'SIGKILL');
  for (;;) {
    const { workerPids } = await courier.service.status();
    const newPid = workerPids.find((pid) => !before.includes(pid));
    if (newPid !== undefined) {
      return { atShare, killedPid, newPid, backAfterMs: Math.round(performance.now() - killedMs) };
    }
    await sleep(50);
  }
}

async function countInCloud(courier: Courier, datasetId: string): Promise<number> {
  const cloud = await courier.cloud();
  try {
    return await cloud.documents.count(datasetId);
  } finally {
    await cloud.close();
  }
}

const keptText = (stage: Stage): string =>
  [
    '',
    'Everything is still there. To use it:',
    `  export COURIER_HOME=${stage.env.COURIER_HOME} NDI_CLOUD_URL=${stage.apiUrl}`,
    `  export NDI_CLOUD_USERNAME=${stage.env.NDI_CLOUD_USERNAME} NDI_CLOUD_PASSWORD=${stage.env.NDI_CLOUD_PASSWORD}`,
    `  the dataset: ${stage.datasetDir}`,
    `  the download: ${stage.downloadDir}`,
    'To end it:',
    `  ndi-courier down; kill ${stage.sandboxPid}; rm -r ${stage.dir}`,
  ].join('\n');
