/** The worker process that a crash test loses at a boundary of its run. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { within } from './crash.ts';
import type { CrashPoint, WorkerSite } from './crashing-worker.ts';
import { startWorkerProcess } from './worker-process.ts';

export type Boundary = Omit<CrashPoint, 'markerPath'>;

export const boundaryName = ({ step, call, when }: Boundary): string => `${when} ${step} ${call}`;

const DEATH_WITHIN_MS = 60_000;

/** Serves the site with a process that dies of SIGKILL at this boundary, and at no other. */
export async function dieAt(controlQueue: string, site: WorkerSite, boundary: Boundary): Promise<void> {
  const markerPath = `${site.homeDir}-died`;
  const crash = { ...boundary, markerPath };
  const worker = await startWorkerProcess({ roles: ['site'], controlQueue, sites: [site], crash });
  try {
    expect(await within(DEATH_WITHIN_MS, 'It reaches its crash point', worker.exited)).toBe('SIGKILL');
  } finally {
    await worker.kill();
  }
  expect(readFileSync(markerPath, 'utf8').trim()).toBe(boundaryName(boundary));
}
