/**
 * Where a worker takes the workflow code from: the bundle made by the build, or, when it runs from sources,
 * one that is kept in `.cache/` for as long as the sources stay the same.
 *
 * Bundling takes a second of processor and 110 MB that the process would keep, so a process of its own does
 * it (this file, run as a script). A worker that is started again after a crash finds the bundle ready.
 */
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { DataConverter } from '@temporalio/common';
import type { WorkflowBundle } from '@temporalio/worker';
import { packageRoot } from '../disk/package.ts';

const SILENT = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error };
const STALE_AFTER_MS = 86_400_000;

/**
 * The failure converter runs inside the workflow bundle, so there is one bundle with it and one without;
 * `tools/build.ts` makes both.
 */
export const bundleName = (dataConverter: DataConverter | undefined): string =>
  dataConverter?.failureConverterPath === undefined ? 'bundle.js' : 'bundle-encrypted.js';

/** What `Worker.create` takes as `workflowBundle`. */
export async function workflowBundle(
  dataConverter: DataConverter | undefined,
  cacheDir: string = join(packageRoot(), '.cache', 'workflows'),
): Promise<WorkflowBundle | { codePath: string }> {
  if (import.meta.url.endsWith('.ts')) return { codePath: await cachedBundle(dataConverter, cacheDir) };
  const built = fileURLToPath(new URL(`../workflows/${bundleName(dataConverter)}`, import.meta.url));
  return existsSync(built) ? { codePath: built } : await bundleWorkflows(dataConverter);
}

/** All that workflow code can reach (a test sees to that), and what it is bundled with. */
function fingerprint(root: string): string {
  const hash = createHash('sha256');
  const paths = ['workflows/**/*.ts', 'errors/**/*.ts']
    .flatMap((glob) => globSync(glob, { cwd: root }))
    .sort();
  for (const path of [...paths, 'workers/failure-converter.ts', 'package-lock.json']) {
    const file = join(root, path);
    if (path.endsWith('.test.ts') || !existsSync(file)) continue;
    hash.update(`${path}\0`).update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}

async function cachedBundle(dataConverter: DataConverter | undefined, dir: string): Promise<string> {
  const path = join(dir, `${fingerprint(packageRoot())}-${bundleName(dataConverter)}`);
  if (existsSync(path)) return path;
  mkdirSync(dir, { recursive: true });
  const aside = `${path}.${randomUUID()}`;
  try {
    await promisify(execFile)(process.execPath, [
      fileURLToPath(import.meta.url),
      aside,
      dataConverter?.failureConverterPath ?? '',
    ]);
    renameSync(aside, path);
  } finally {
    rmSync(aside, { force: true });
  }
  for (const other of globSync('*', { cwd: dir }).map((name) => join(dir, name))) {
    const age = Date.now() - (statSync(other, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > STALE_AFTER_MS) rmSync(other, { force: true });
  }
  return path;
}

/** Bundles the workflows beside this module, `.ts` or `.js`, in this process. */
export async function bundleWorkflows(
  dataConverter: Pick<DataConverter, 'failureConverterPath'> | undefined,
): Promise<WorkflowBundle> {
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const failureConverterPath = dataConverter?.failureConverterPath;
  return await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL(`../workflows/index.${extension}`, import.meta.url)),
    ...(failureConverterPath === undefined ? {} : { failureConverterPath }),
    logger: SILENT,
  });
}

async function main(target: string, failureConverterPath: string): Promise<void> {
  const { code } = await bundleWorkflows(failureConverterPath === '' ? undefined : { failureConverterPath });
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, code);
}

if (import.meta.main) await main(process.argv[2]!, process.argv[3] ?? '');
