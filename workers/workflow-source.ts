/** Where a worker takes the workflow code from: the bundle made by the build, else the sources, bundled at the start. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import { bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';

const SILENT = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error };

/**
 * The failure converter runs inside the workflow bundle, so there is one bundle with it and one without; `tools/build.ts`
 * makes both.
 */
export const bundleName = (dataConverter: DataConverter | undefined): string =>
  dataConverter?.failureConverterPath === undefined ? 'bundle.js' : 'bundle-encrypted.js';

/** What `Worker.create` and `Worker.runReplayHistory` take as `workflowBundle`. About a second from sources. */
export async function workflowBundle(
  dataConverter: DataConverter | undefined,
): Promise<WorkflowBundle | { codePath: string }> {
  const built = fileURLToPath(new URL(`../workflows/${bundleName(dataConverter)}`, import.meta.url));
  if (!import.meta.url.endsWith('.ts') && existsSync(built)) return { codePath: built };
  return await bundleWorkflows(dataConverter);
}

/** Bundles the workflows beside this module, `.ts` or `.js`. */
export async function bundleWorkflows(dataConverter: DataConverter | undefined): Promise<WorkflowBundle> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const failureConverterPath = dataConverter?.failureConverterPath;
  return await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL(`../workflows/index.${extension}`, import.meta.url)),
    ...(failureConverterPath === undefined ? {} : { failureConverterPath }),
    logger: SILENT,
  });
}
