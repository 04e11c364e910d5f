/**
 * The SDK's own download of the Temporal CLI. The SDK can only download in order to start, so a short-lived
 * process of ours (this file, run as a script) starts a headless in-memory server once and stops it; the file
 * it left is ours. A process of its own, because the SDK's runtime, once started, cannot be set up again by
 * the caller.
 */
import { spawn } from 'node:child_process';
import { readdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CliMakerContext } from './maker.ts';

/** No answer and no byte for this long means that this network lets nothing through. */
const STALL_MS = 30_000;
const CHECK_EVERY_MS = 1_000;
const PROGRESS_EVERY_MS = 10_000;

/**
 * Writes a CLI to `target`, as the SDK's download service has it for this SDK version and platform (about 60
 * MB).
 * @throws Error with a one-line reason, within half a minute when there is no way to the service.
 */
export async function downloadTemporalCli(target: string, context: CliMakerContext): Promise<void> {
  const { env, log, signal } = context;
  const dir = dirname(target);
  log('Asking the Temporal SDK to download the Temporal CLI.');
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), dir], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(signal ? { signal, killSignal: 'SIGKILL' as const } : {}),
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-8_192);
  });
  const stopWatching = watchGrowth(dir, log, () => {
    stderr = `nothing arrived from temporal.download for ${STALL_MS / 1000} s`;
    child.kill('SIGKILL');
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const name = downloaded(dir);
    if (name === undefined)
      throw new Error(stderr.trim().split('\n').at(-1) || `the download ended with ${code}`);
    renameSync(join(dir, name), target);
  } finally {
    stopWatching();
  }
}

/** The finished file; while it is being written its name ends in `.downloading`. */
function downloaded(dir: string): string | undefined {
  return readdirSync(dir).find((name) => name.startsWith('temporal-') && !name.endsWith('.downloading'));
}

/** Calls `onStall` when the folder's files stop growing before the finished one is there. */
function watchGrowth(dir: string, log: Log, onStall: () => void): () => void {
  let bytes = -1;
  let movedAt = performance.now();
  let saidAt = movedAt;
  const timer = setInterval(() => {
    const now = performance.now();
    const seen = readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
    if (seen !== bytes) {
      bytes = seen;
      movedAt = now;
    }
    if (bytes > 0 && now - saidAt >= PROGRESS_EVERY_MS) {
      saidAt = now;
      log(`Downloading the Temporal CLI: ${(bytes / 1e6).toFixed(0)} MB.`);
    }
    if (now - movedAt >= STALL_MS) onStall();
  }, CHECK_EVERY_MS);
  return () => clearInterval(timer);
}

type Log = CliMakerContext['log'];

async function main(downloadDir: string): Promise<void> {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  try {
    const env = await TestWorkflowEnvironment.createLocal({
      server: {
        executable: { type: 'cached-download', downloadDir },
        log: { format: 'pretty', level: 'error' },
      },
    });
    await env.teardown();
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
    process.stderr.write(
      `${(error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ')}${cause}\n`,
    );
    process.exitCode = 1;
  }
}

if (import.meta.main) await main(process.argv[2]!);
