/**
 * What the crash tests share: scenarios that run side by side, what a dataset cost the object store, what
 * must hold.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { expect } from 'vitest';
import { compareDatasets } from '../../ndi/dataset/compare.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import type { TransferResult } from '../../workflows/contracts/index.ts';
import { documentsInCloud } from './cloud-state.ts';
import type { Lab } from './lab.ts';

/** At most so many at once: starting a process is work for the processor, waiting for a dead one is not. */
export function createSlots(count: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = count;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free -= 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

/** Runs all scenarios at once; the names of those that failed, with the reason. */
export async function failuresOf(
  scenarios: readonly { readonly name: string; run(): Promise<void> }[],
): Promise<Record<string, string>> {
  const failures: Record<string, string> = {};
  await Promise.all(
    scenarios.map(async ({ name, run }) => {
      try {
        await run();
      } catch (error) {
        failures[name] = error instanceof Error ? (error.stack ?? error.message) : String(error);
      }
    }),
  );
  return failures;
}

/** Rejects, saying what did not happen, when it takes longer. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Body bytes that the store took in, and that it sent, for the objects of one cloud dataset, finished or not.
 */
export function bytesOf(sandbox: Sandbox, cloudDatasetId: string): { received: number; sent: number } {
  let received = 0;
  let sent = 0;
  for (const [key, count] of Object.entries(sandbox.faults.requests().objects)) {
    if (!key.split('/').slice(0, 2).includes(cloudDatasetId)) continue;
    received += count.bytesReceived;
    sent += count.bytesSent;
  }
  return { received, sent };
}

/** Everything is in the cloud, once, in one dataset of this name, and the run says so. */
export async function expectUploadedOnce(lab: Lab, result: TransferResult, name: string): Promise<void> {
  expect(result.problems).toEqual([]);
  expect(result.status).toBe('done');
  expect(result.documents).toMatchObject({ transferred: result.documents.total, failed: 0 });
  expect(result.files).toMatchObject({ transferred: result.files.total, failed: 0 });
  const state = await documentsInCloud(lab, result.datasetId);
  expect(state.doubled).toEqual([]);
  expect(state.count).toBe(result.documents.total);
  // Nothing was ever sent twice and tidied away afterwards.
  expect(result.duplicatesRemoved).toBe(0);
  expect(await state.datasetsNamed(name)).toBe(1);
}

/** The target equals the source, and nothing of the way there is left: no folder aside, no half file. */
export async function expectDownloaded(
  result: TransferResult,
  source: string,
  target: string,
): Promise<void> {
  expect(result.problems).toEqual([]);
  expect(result.status).toBe('done');
  expect(existsSync(target)).toBe(true);
  expect(await compareDatasets(source, target)).toMatchObject({ equal: true });
  const aside = readdirSync(dirname(target)).filter((name) => name.startsWith(`.${basename(target)}.`));
  expect(aside).toEqual([]);
  const halves = readdirSync(target, { recursive: true }).filter((name) => String(name).endsWith('.partial'));
  expect(halves).toEqual([]);
}
